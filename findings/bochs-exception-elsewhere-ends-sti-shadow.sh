#!/bin/bash
# Bochs 3.1 (Debian sid's 3.1+dfsg-1) with two CPUs or more: an exception on one, or the exit of its VMX guest, ends the
# interrupt shadow on the first.
#
# One would expect that no interrupt comes between STI and the instruction behind it (SDM vol. 2B, STI), whatever
# other CPUs do: `sti; hlt` stands on it.
#
# Seen: with exceptions elsewhere the first CPU takes interrupts there. How long a shadow lasts is known by a count of
# instructions, and an exception counts for CPU 0, whichever had it: the loop over the CPUs keeps whose turn it is in a
# variable that is not volatile, and reads it where setjmp() has returned again. `sti; hlt` then sleeps through what
# was to wake it. Other CPUs' shadows are whole.
. "$(dirname "$0")/lib/bochs.sh"
bare_program "$work/program" <<'C'
#include "vmx.h"
#include "smp.h"

#define INTERRUPTS 2000

static volatile u32 taken asm("taken"), torn asm("torn");
static volatile u8 raises;

asm(".globl timer\ntimer:\n\tincl taken\n\tcmpl $behind_sti, (%esp)\n\tjne 1f\n\tincl torn\n"
    "1:\tpush %eax\n\tmov $0x20, %al\n\tout %al, $0x20\n\tpop %eax\n\tiret\n"
    ".globl undefined\nundefined:\n\taddl $2, (%esp)\n\tiret\n");
void timer(void);
void undefined(void);

void smp_work(u32 number)
{
	load_idt();
	for (;;)
		if (raises)
			asm volatile("ud2");
}

static __attribute__((noinline)) void run(const char *how)
{
	taken = torn = 0;
	while (taken < INTERRUPTS)
		asm volatile("sti\nbehind_sti: nop\n\tcli" : : : "memory");
	text(how), text(torn ? "some" : "none"), text(" of its interrupts come behind STI\n");
}

int main(void)
{
	set_gate(0x20, timer);
	set_gate(6, undefined);
	load_idt();
	smp_start(1);
	timer_start(10000);
	run("> the other CPU waits:          ");
	raises = 1;
	run("> the other CPU has exceptions: ");
}
C
on_bochs "$work/program" corei7_skylake_x 2 >"$work/seen"
as_seen "$work/seen" <<'S'
> the other CPU waits:          none of its interrupts come behind STI
> the other CPU has exceptions: some of its interrupts come behind STI
S

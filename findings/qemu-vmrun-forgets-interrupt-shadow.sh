#!/bin/bash
# QEMU 7.2 (Debian 12's 1:7.2+dfsg-7+deb12u18+b3), TCG: VMRUN does not load the interrupt shadow.
#
# One would expect a guest that is entered with INTERRUPT_SHADOW set in its VMCB to do one instruction
# before it takes an interrupt (APM vol. 2, 15.21, interrupt shadows): a hypervisor that emulated or interrupted
# the guest right behind STI or MOV SS says so by that bit.
#
# Seen: the virtual interrupt that waits comes before the first instruction, with the bit and without it.
# Where a host interrupt's exit falls between STI and HLT, `sti; hlt` of the guest is torn apart: the wake-up comes
# first, and the guest sleeps.
. "$(dirname "$0")/lib/qemu.sh"
bare_program "$work/program" <<'C'
#include "svm.h"

static volatile u32 done;

asm(".globl handler\nhandler:\n\tvmmcall\n\tiret");
void handler(void);

static void guest(void)
{
	asm volatile("incl %0; incl %0" : "+m"(done));
	for (;;)
		asm volatile("vmmcall");
}

static void run(const char *how, u32 shadow)
{
	svm_start(guest);
	RFLAGS = 0x202;
	VINTR = 1ull << 8 | 1ull << 20 | 0x40ull << 32;
	SHADOW = shadow;
	done = 0;
	vmrun();
	text(how), number(done), text(" instructions before it\n");
}

int main(void)
{
	set_gate(0x40, handler);
	load_idt();
	run("no shadow: ", 0);
	run("shadow:    ", 1);
}
C
on_qemu "$work/program" -cpu EPYC,+svm,check=off >"$work/seen"
as_seen "$work/seen" <<'S'
no shadow: 0 instructions before it
shadow:    0 instructions before it
S

#!/bin/bash
# Bochs 3.1 (Debian sid's 3.1+dfsg-1) with two CPUs or more: an external interrupt that ends a VMX guest's run right
# behind an exception saves the RIP of the instruction that raised it.
#
# One would expect the guest's state as it is: once the exception was delivered, RIP, RSP, CS and RFLAGS of
# the handler's first instruction (SDM vol. 3C, 28.3.3).
#
# Seen: the handler's RSP, with the frame pushed, and the RIP of what raised it. On resuming, that is done again, on the
# handler's stack and with IF clear: Linux dies of it after some hundred forks. With one CPU it does not happen: that
# runs code by another function, which notes where execution is after each exception.
. "$(dirname "$0")/lib/bochs.sh"
cat >"$work/program.c" <<'C'
#include "vmx.h"
#include "smp.h"

#define EXITS 4000

extern char raising[] asm("raising");
asm(".globl guest\nguest:\nraising:\n\tud2\n\tjmp guest\n"
    ".globl handler\nhandler:\n\tnop\n\taddl $2, (%esp)\n\tiret\n");
void guest(void);
void handler(void);

void smp_work(u32 number)
{
	for (;;)
		asm volatile("pause");
}

int main(void)
{
	u32 top = (u32)(vmx_guest_stack + sizeof vmx_guest_stack - 16), mixed = 0;

	set_gate(6, handler);
	load_idt();
	smp_start(CPUS - 1);
	vmx_on();
	timer_start(10000);
	vmx_start(guest);
	vmwrite(GUEST_RFLAGS, 0x202);
	for (u32 i = 0; i < EXITS; i++) {
		if (vmx_run() != 1)
			break;
		outb(0x20, 0x20);
		for (volatile u32 n = 0; n < i % 13; n++) /* the emulator's time is exact: no phase stays */
			;
		if (vmread(GUEST_RIP) == (u32)raising && vmread(GUEST_RSP) != top) {
			mixed++;
			vmwrite(GUEST_RIP, (u32)handler); /* where it really is */
		}
	}
	text("> exits with the handler's RSP and the old RIP: "), text(mixed ? "some" : "none"), text("\n");
}
C
for cpus in 1 2; do
	echo "$cpus CPU:"
	bare_program "$work/program" -DCPUS=$cpus <"$work/program.c"
	on_bochs "$work/program" corei7_skylake_x $cpus
done >"$work/seen"
as_seen "$work/seen" <<'S'
1 CPU:
> exits with the handler's RSP and the old RIP: none
2 CPU:
> exits with the handler's RSP and the old RIP: some
S

#!/bin/bash
# Bochs 3.1 (Debian sid's 3.1+dfsg-1): a VMX guest that is entered with IF clear does not exit for
# external interrupts.
#
# One would expect "external-interrupt exiting" to end the guest's run whatever its IF says (SDM vol. 3C,
# 26.2: an exit for external interrupts is not blocked by RFLAGS.IF), which is what lets a hypervisor have its CPU back.
#
# Seen: no exit, as long as the guest does not change IF itself; a guest that spins behind CLI keeps the
# CPU. It does exit if it was entered with IF set and cleared it later: what IF masks is decided when it changes,
# and VMLAUNCH and VMRESUME decide it before the CPU counts as being in the guest.
. "$(dirname "$0")/lib/bochs.sh"
bare_program "$work/program" <<'C'
#include "vmx.h"

static volatile u32 clear_if;

static void guest(void)
{
	if (clear_if)
		asm volatile("cli");
	for (volatile u32 i = 0; i < 3000000; i++) /* the timer's period passes many times */
		;
	for (;;)
		asm volatile("vmcall");
}

static void run(const char *how, u32 rflags, u32 cli)
{
	u32 reason;

	vmx_start(guest);
	vmwrite(GUEST_RFLAGS, rflags);
	clear_if = cli;
	reason = vmx_run();
	text("> "), text(how), text(reason == 1 ? "external interrupt" : reason == 18 ? "its VMCALL" : "?");
	text("\n");
	outb(0x20, 0x20);
}

int main(void)
{
	vmx_on();
	timer_start(100);
	run("entered with IF set, ends by:       ", 0x202, 0);
	run("entered with IF set, then CLI, by:  ", 0x202, 1);
	run("entered with IF clear, by:          ", 2, 0);
}
C
on_bochs "$work/program" corei7_skylake_x 1 >"$work/seen"
as_seen "$work/seen" <<'S'
> entered with IF set, ends by:       external interrupt
> entered with IF set, then CLI, by:  external interrupt
> entered with IF clear, by:          its VMCALL
S

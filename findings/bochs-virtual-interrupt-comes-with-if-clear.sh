#!/bin/bash
# Bochs 3.1 (Debian sid's 3.1+dfsg-1): with virtual-interrupt delivery, an external interrupt has a virtual one
# delivered to a guest whose IF is clear.
#
# One would expect a virtual interrupt to wait for RFLAGS.IF (SDM vol. 3C, 30.2.2), and the external one to end
# the guest's run.
#
# Seen: the guest's handler is entered, IF or not, and the exit comes in there. Without a virtual interrupt that
# waits, the exit is right. A kernel that is interrupted where it has interrupts off hangs within
# seconds, one handler in another's way.
. "$(dirname "$0")/lib/bochs.sh"
bare_program "$work/program" <<'C'
#include "vmx.h"

static u8 virtual_apic[4096] __attribute__((aligned(4096)));
asm(".globl handler\nhandler:\n\tvmcall\n\tjmp handler");
void handler(void);

/* Behind STI nothing comes before the CLI is done. */
asm(".globl guest\nguest:\n\tsti\n\tcli\n\tmov $3000000, %ecx\n1:\tloop 1b\n2:\tvmcall\n\tjmp 2b");
void guest(void);

static void run(const char *how, u32 rvi)
{
	u32 reason, pushed;

	vmx_start(guest);
	vmx_control(PROC, 0x482, 1u << 31 | 1 << 21); /* secondary controls, TPR shadow */
	vmx_control(PROC2, 0x48b, 1 << 8 | 1 << 9);   /* APIC registers, virtual-interrupt delivery */
	vmwrite(0x2012, (u32)virtual_apic);
	vmwrite(0x2013, 0);
	vmwrite(0x401c, 0); /* TPR threshold */
	for (u32 field = 0x201c; field < 0x2024; field++) /* no EOI exits */
		vmwrite(field, 0);
	vmwrite(0x810, rvi);
	virtual_apic[0x200 + 0x20] = rvi ? 1 : 0; /* VIRR of vector 0x40 */
	reason = vmx_run();
	outb(0x20, 0x20);
	text("> "), text(how), text(reason == 1 ? "exit for the external one" : reason == 18 ? "VMCALL" : "?");
	text(vmread(GUEST_RIP) == (u32)handler ? ", in the handler of the virtual one" : ", where it was");
	text(vmread(GUEST_RFLAGS) >> 9 & 1 ? ", IF set\n" : ", IF clear\n");
	pushed = *(u32 *)(vmread(GUEST_RSP) + 8);
	if (vmread(GUEST_RIP) == (u32)handler)
		text("> IF in its frame: "), number(pushed >> 9 & 1), text("\n");
}

int main(void)
{
	set_gate(0x40, handler);
	load_idt();
	vmx_on();
	timer_start(100);
	run("no virtual interrupt: ", 0);
	run("one that waits:       ", 0x40);
}
C
on_bochs "$work/program" corei7_skylake_x 1 >"$work/seen"
as_seen "$work/seen" <<'S'
> no virtual interrupt: exit for the external one, where it was, IF clear
> one that waits:       exit for the external one, in the handler of the virtual one, IF clear
> IF in its frame: 0
S

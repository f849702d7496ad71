#!/bin/bash
# QEMU 7.2 (Debian 12's 1:7.2+dfsg-7+deb12u18+b3), TCG with a thread for each CPU: an interrupt that is
# injected by EVENTINJ may be delivered twice.
#
# One would expect VMRUN to deliver it once, before the guest's first instruction (APM vol. 2, 15.20), and the
# handler, an interrupt gate's, to run with interrupts off to its IRET.
#
# Seen: when another CPU needs all others to stop, as it does for a locked access that is not aligned, just
# after the VMRUN, the handler is entered a second time from its own first instructions, IF clear. In
# a guest's kernel this comes before SWAPGS or in the middle of its entry, and it dies of that. It happens
# about once in a thousand injections; how often is chance, that it happens was seen in every
# run. A virtual interrupt (V_IRQ, 15.21.4) does not come twice.
. "$(dirname "$0")/lib/qemu.sh"
bare_program "$work/program" <<'C'
#include "svm.h"
#include "smp.h"

#define ROUNDS 20000 /* at most */

static volatile u32 entered asm("entered"), stop;
static char lines[8][128] __attribute__((aligned(64)));

/* Stays in the handler for a while, and leaves the number of entries to be read. */
asm(".globl handler\nhandler:\n\tincl entered\n\tpushl %ecx\n\tmovl $20000, %ecx\n1:\tloop 1b\n\tpopl %ecx\n\tvmmcall\n\tiret");
void handler(void);

static void guest(void)
{
	for (;;)
		asm volatile("vmmcall");
}

void smp_work(u32 number)
{
	u32 *odd = (u32 *)(lines[number] + 62); /* across two cache lines */

	while (!stop) {
		asm volatile("lock incl %0" : "+m"(*odd));
		for (volatile u32 i = 0; i < 2000; i++)
			;
	}
}

static u32 twice(int by_virq)
{
	u32 found = 0;

	for (u32 i = 0; i < ROUNDS && !found; i++) {
		svm_start(guest);
		RFLAGS = 0x202;
		VINTR = by_virq ? 1ull << 8 | 1ull << 20 | 0x40ull << 32 : 0;
		EVENTINJ = by_virq ? 0 : 1u << 31 | 0x40;
		entered = 0;
		vmrun();
		found += entered > 1;
	}
	return found;
}

int main(void)
{
	set_gate(0x40, handler);
	load_idt();
	smp_start(3);
	text("EVENTINJ: "), text(twice(0) ? "some come twice" : "none comes twice");
	text("\nV_IRQ: "), text(twice(1) ? "some come twice" : "none comes twice"), text("\n");
	stop = 1;
}
C
on_qemu "$work/program" -cpu EPYC,+svm,check=off -smp 4 >"$work/seen"
as_seen "$work/seen" <<'S'
EVENTINJ: some come twice
V_IRQ: none comes twice
S

#!/bin/bash
# QEMU 7.2 (Debian 12's 1:7.2+dfsg-7+deb12u18+b3), TCG: a guest's XSETBV is not intercepted, and
# changes the host's XCR0.
#
# One would expect an exit with VMEXIT_XSETBV, 0x8d, before anything changes, where the intercept is set
# (APM vol. 2, 15.9 and table 15-10).
#
# Seen: the guest goes on to its VMMCALL (0x81), and XGETBV of the host then reads what the guest
# wrote, since XCR0 is no part of what #VMEXIT restores. A hypervisor that keeps guests' XCR0 in memory has to
# read it back from the CPU after each run there, and a test of its XSETBV exit passes without one.
. "$(dirname "$0")/lib/qemu.sh"
bare_program "$work/program" <<'C'
#include "svm.h"

static void guest(void)
{
	asm volatile("xsetbv" : : "c"(0), "a"(3), "d"(0)); /* x87 and SSE */
	for (;;)
		asm volatile("vmmcall");
}

static u32 xcr0(void)
{
	u32 low, high;

	asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low;
}

int main(void)
{
	u32 cr4;

	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	asm volatile("mov %0, %%cr4" : : "r"(cr4 | 1 << 18)); /* OSXSAVE */
	svm_start(guest);
	CR4 = 1 << 18;
	INTERCEPT2 |= 1 << 13;
	text("XCR0 before: "), number(xcr0());
	vmrun();
	text("\nexit code: "), hex(EXITCODE, 2);
	text("\nXCR0 behind: "), number(xcr0()), text("\n");
}
C
on_qemu "$work/program" -cpu EPYC,+svm,check=off >"$work/seen"
as_seen "$work/seen" <<'S'
XCR0 before: 1
exit code: 0x81
XCR0 behind: 3
S

#!/bin/bash
# QEMU 7.2 (Debian 12's 1:7.2+dfsg-7+deb12u18+b3), TCG: RDTSCP exits as if it were RDTSC, if at all.
#
# One would expect an intercepted RDTSCP to exit with 0x87, and RDTSC's intercept to have no
# say in it: they are two bits of the VMCB, and two exit codes (APM vol. 2, 15.9 and appendix C).
#
# Seen: with the RDTSCP intercept alone there is no exit, and with RDTSC's alone there is one, 0x6e.
# Who then moves RIP on by the two bytes that RDTSC has, lands in the middle of RDTSCP's three (without
# NRIPS, which TCG does not have, the length comes from such a table).
. "$(dirname "$0")/lib/qemu.sh"
bare_program "$work/program" <<'C'
#include "svm.h"

static void guest(void)
{
	asm volatile("rdtscp" : : : "eax", "edx", "ecx");
	for (;;)
		asm volatile("vmmcall");
}

static void exits(const char *with, u32 one, u32 two)
{
	svm_start(guest);
	INTERCEPT1 |= one;
	INTERCEPT2 |= two;
	vmrun();
	text(with), hex(EXITCODE, 2), text("\n");
}

int main(void)
{
	exits("RDTSCP intercepted: ", 0, 1 << 7);
	exits("RDTSC intercepted:  ", 1 << 14, 0);
	exits("both:               ", 1 << 14, 1 << 7);
}
C
on_qemu "$work/program" -cpu EPYC,+svm,check=off >"$work/seen"
as_seen "$work/seen" <<'S'
RDTSCP intercepted: 0x81
RDTSC intercepted:  0x6e
both:               0x6e
S

#!/bin/bash
# QEMU 7.2 (Debian 12's 1:7.2+dfsg-7+deb12u18+b3), TCG: a VMRUN of a state that is not allowed
# writes an exit code of 32 bits.
#
# One would expect VMEXIT_INVALID, -1 in all 64 bits of EXITCODE (APM vol. 2, appendix C), as
# the processor writes it and hypervisors compare it.
#
# Seen: 0x00000000ffffffff. Who compares with the 64-bit constant takes it for an exit of an unknown kind.
# Here the guest's ASID is 0, which is the host's (15.5.1).
. "$(dirname "$0")/lib/qemu.sh"
bare_program "$work/program" <<'C'
#include "svm.h"

static void guest(void)
{
	for (;;)
		asm volatile("vmmcall");
}

int main(void)
{
	svm_start(guest);
	vmrun();
	text("allowed: "), hex(EXITCODE, 16);
	ASID = 0;
	vmrun();
	text("\nASID 0:  "), hex(EXITCODE, 16), text("\n");
}
C
on_qemu "$work/program" -cpu EPYC,+svm,check=off >"$work/seen"
as_seen "$work/seen" <<'S'
allowed: 0x0000000000000081
ASID 0:  0x00000000ffffffff
S

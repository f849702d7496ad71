#!/bin/bash
# QEMU 7.2 (Debian 12's 1:7.2+dfsg-7+deb12u18+b3), TCG: IA32_SYSENTER_CS keeps 16 bits of what is written.
#
# One would expect what was written to be read back, 32 bits at the least, as processors do, though
# SYSENTER uses but the low 16 (SDM vol. 4, table 2-2; APM vol. 2, 6.1.2).
#
# Seen: the upper bits read as zero. A test that writes a pattern and compares fails, and so does one
# that migrates the register between an emulated and a real machine.
. "$(dirname "$0")/lib/qemu.sh"
bare_program "$work/program" <<'C'
#include "bare.h"

int main(void)
{
	wrmsr(0x174, 0x12345678);
	text("SYSENTER_CS:  "), hex(rdmsr(0x174), 8);
	wrmsr(0x175, 0x12345678);
	text("\nSYSENTER_ESP: "), hex(rdmsr(0x175), 8), text("\n");
}
C
on_qemu "$work/program" -cpu max,check=off >"$work/seen"
as_seen "$work/seen" <<'S'
SYSENTER_CS:  0x00005678
SYSENTER_ESP: 0x12345678
S

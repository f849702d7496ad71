#!/bin/bash
# QEMU 7.2 (Debian 12's 1:7.2+dfsg-7+deb12u18+b3), TCG: INT1 (ICEBP, F1) raises #UD, in a guest of SVM too, whose intercept
# for it is never met.
#
# One would expect #DB: INT1 is an instruction of every x86 since the 386 (SDM vol. 2A, INT n/INTO/INT3/INT1), and SVM
# has an intercept and an exit code of its own for it, 0x88 (APM vol. 2, 15.9 and appendix C).
#
# Seen: #UD. What a hypervisor does with the exit, or with the #DB that has no DR6 bit, cannot be tried there: such a
# test passes or is skipped without saying anything about the code.
. "$(dirname "$0")/lib/qemu.sh"
bare_program "$work/program" <<'C'
#include "svm.h"

static volatile u32 vector asm("vector");

asm(".globl on_db\non_db:\n\tmovl $1, vector\n\tiret\n"
    ".globl on_ud\non_ud:\n\tmovl $6, vector\n\tincl (%esp)\n\tiret");
void on_db(void);
void on_ud(void);

static void guest(void)
{
	asm volatile(".byte 0xf1" : : : "memory");
	for (;;)
		asm volatile("vmmcall");
}

int main(void)
{
	set_gate(1, on_db);
	set_gate(6, on_ud);
	load_idt();
	asm volatile(".byte 0xf1" : : : "memory");
	text("host: vector "), number(vector);
	vector = 0;
	svm_start(guest);
	INTERCEPT2 |= 1 << 8; /* ICEBP */
	vmrun();
	text("\nguest: exit code "), hex(EXITCODE, 2), text(", vector "), number(vector), text("\n");
}
C
on_qemu "$work/program" -cpu EPYC,+svm,check=off >"$work/seen"
as_seen "$work/seen" <<'S'
host: vector 6
guest: exit code 0x81, vector 6
S

#!/bin/bash
# QEMU 7.2 (Debian 12's 1:7.2+dfsg-7+deb12u18+b3), TCG: a fault pushes EFLAGS with RF clear.
#
# One would expect RF, bit 16, set in the image that any fault-class exception pushes (SDM vol. 3B,
# 17.3.1.1; APM vol. 2, 3.1.6), so that an instruction breakpoint on the instruction that faulted is not
# reported a second time when IRET goes back to it.
#
# Seen: clear, of #UD and #GP alike. A program that checks the frames of its exceptions, or a hypervisor that
# compares what it injects with what the processor does, differs from one on real processors by this bit.
. "$(dirname "$0")/lib/qemu.sh"
bare_program "$work/program" <<'C'
#include "bare.h"

static volatile u32 flags;

/* Keeps what was pushed, and goes on 2 bytes later. */
asm(".globl on_ud\non_ud:\n\tpushl 8(%esp)\n\tpopl flags\n\taddl $2, (%esp)\n\tiret\n"
    ".globl on_gp\non_gp:\n\tpushl 12(%esp)\n\tpopl flags\n\taddl $2, 4(%esp)\n\taddl $4, %esp\n\tiret");
void on_ud(void);
void on_gp(void);

int main(void)
{
	set_gate(6, on_ud);
	set_gate(13, on_gp);
	load_idt();
	asm volatile("ud2" : : : "memory");
	text("#UD: RF "), number(flags >> 16 & 1);
	asm volatile("mov %0, %%ds" : : "r"(0xfff8) : "memory"); /* beyond the GDT */
	text("\n#GP: RF "), number(flags >> 16 & 1), text("\n");
}
C
on_qemu "$work/program" -cpu max,check=off >"$work/seen"
as_seen "$work/seen" <<'S'
#UD: RF 0
#GP: RF 0
S

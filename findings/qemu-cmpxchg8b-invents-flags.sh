#!/bin/bash
# QEMU 7.2 (Debian 12's 1:7.2+dfsg-7+deb12u18+b3), TCG: CMPXCHG8B and CMPXCHG16B leave an operand of an earlier
# addition in EFLAGS.
#
# One would expect that they change ZF alone (SDM vol. 2A, CMPXCHG8B/CMPXCHG16B; APM vol. 3).
#
# Seen: an ADD, a load, an XOR and a CMPXCHG8B in a row, and EFLAGS has the ADD's source operand, beside ZF: TF and IOPL here,
# reserved bits too. An interrupt behind the instruction saves that, and its IRET single-steps from there on. Linux's slab
# allocator has this row with CMPXCHG16B: Debian's 6.12 as a guest ended by debug exceptions and a double fault.
. "$(dirname "$0")/lib/qemu.sh"
bare_program "$work/program" <<'C'
#include "bare.h"

static u64 memory;
static u32 flags;

/* EFLAGS behind a CMPXCHG8B that finds what it compares with, where `operand` was added before. */
static u32 flags_behind(u32 operand)
{
	u32 sum = 0;

	asm volatile("push $2\n\tpopf\n\t" /* ends what is translated together */
		     "add %2, %1\n\txor %3, %%ebx\n\txor %%ebx, %%ecx\n\tcmpxchg8b %3\n\tpushf\n\tpop %0\n\tpush $2\n\tpopf"
		     : "=m"(flags), "+D"(sum)
		     : "S"(operand), "m"(memory), "a"(0), "d"(0), "b"(0), "c"(0)
		     : "memory");
	return flags;
}

int main(void)
{
	text("operand 0: EFLAGS "), hex(flags_behind(0), 8);
	text("\noperand 0x1aa2100: EFLAGS "), hex(flags_behind(0x1aa2100), 8), text("\n");
}
C
on_qemu "$work/program" -cpu EPYC,check=off >"$work/seen"
as_seen "$work/seen" <<'S'
operand 0: EFLAGS 0x00000042
operand 0x1aa2100: EFLAGS 0x01aa2142
S

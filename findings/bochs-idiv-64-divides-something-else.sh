#!/bin/bash
# Bochs 3.1 (Debian sid's 3.1+dfsg-1): 64-bit IDIV divides wrongly.
#
# One would expect 1000000000 / 1 = 1000000000, as the unsigned DIV says on the same machine, and 32-bit IDIV.
#
# Seen: 1 on one machine, another number at each run on the next: what is divided is not the dividend. DIV is right, and
# so is IDIV of 32 bits. The function that does it is right in the source, and was compiled into one that does not
# look at the dividend's low half. Compilers make IDIV of every division of signed 64-bit
# numbers, so that a kernel's clocks and sizes go wrong while everything else works.
. "$(dirname "$0")/lib/bochs.sh"
bare_program "$work/program" <<'C'
#include "long.h"

static struct { u64 dividend, divisor, quotient, rest, is_signed; } job asm("job");

/* In 64-bit mode: job.dividend / job.divisor. */
asm(".globl divide\ndivide:\n\tmov $job, %ecx\n\tpush $8\n\tpush $4f\n\tljmp $24, $1f\n.code64\n1:\tmov (%rcx), %rax\n\t"
    "cqo\n\tcmpq $0, 32(%rcx)\n\tje 2f\n\tidivq 8(%rcx)\n\tjmp 3f\n2:\txor %edx, %edx\n\tdivq 8(%rcx)\n"
    "3:\tmov %rax, 16(%rcx)\n\tmov %rdx, 24(%rcx)\n\tlretl\n.code32\n4:\tret");
void divide(void);

static void show(const char *what, u64 dividend, u64 divisor, u32 is_signed, u64 quotient)
{
	job.dividend = dividend, job.divisor = divisor, job.is_signed = is_signed;
	divide();
	text("> "), text(what), text(job.quotient == quotient ? "right" : "wrong"), text("\n");
}

int main(void)
{
	u32 cr;

	long_load_gdt();
	long_enter();
	show("1000000000 / 1 by DIV:  ", 1000000000, 1, 0, 1000000000);
	show("1000000000 / 1 by IDIV: ", 1000000000, 1, 1, 1000000000);
	show("-7 / 2 by IDIV:         ", -7ull, 2, 1, -3ull);
	asm volatile("cltd; idivl %2" : "=a"(cr) : "0"(1000000000), "r"(1) : "edx", "cc");
	text("> the same of 32 bits:    "), text(cr == 1000000000 ? "right" : "wrong"), text("\n");
}
C
on_bochs "$work/program" corei7_skylake_x 1 >"$work/seen"
as_seen "$work/seen" <<'S'
> 1000000000 / 1 by DIV:  right
> 1000000000 / 1 by IDIV: wrong
> -7 / 2 by IDIV:         wrong
> the same of 32 bits:    right
S

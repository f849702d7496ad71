#!/bin/bash
# QEMU 7.2 (Debian 12's 1:7.2+dfsg-7+deb12u18+b3), TCG with a thread for each CPU: what was translated of code that another
# CPU changes meanwhile may stay, for all CPUs and for ever.
#
# One would expect that code which one CPU has changed, step by step by way of INT3, is what all others run soon (SDM
# vol. 3A 8.1.3): QEMU follows writes to all pages that it has translated.
#
# Seen: INT3 is gone from memory, and all CPUs that come by raise #BP, again and again, however often their handler goes back
# to run what is there now. A write that comes between a translation's reading of the code and its entry in the page's
# list does not find it. Linux changes its code in this way (static keys, alternatives, ftrace), and its
# handler goes back when it finds no INT3 any more: once in some hundred starts a guest with several CPUs stood still in it.
. "$(dirname "$0")/lib/qemu.sh"
bare_program "$work/program" <<'C'
#include "bare.h"
#include "smp.h"

#define INT3	0xcc
#define OTHERS	3
#define ROUNDS	100000
#define FOR_EVER 1000000

/* A NOP of two bytes, or a JMP to the next instruction; then RET. */
static volatile u8 code[4096] __attribute__((aligned(4096))) = {0x66, 0x90, 0xc3};
static volatile u32 calls[OTHERS + 1], in_a_row;
static volatile u8 stays;

asm(".globl breakpoint\nbreakpoint:\n\tpusha\n\tlea 32(%esp), %eax\n\tpush %eax\n\tcall on_breakpoint\n\t"
    "add $4, %esp\n\tpopa\n\tiret\n");
void breakpoint(void);

/* EIP is behind the INT3. */
void on_breakpoint(u32 *eip)
{
	if (code[0] == INT3 || stays)
		++*eip;
	else if (__atomic_add_fetch(&in_a_row, 1, __ATOMIC_RELAXED) < FOR_EVER)
		--*eip;
	else
		stays = 1;
}

void smp_work(u32 number)
{
	load_idt();
	for (;;) {
		asm volatile("call *%0" : : "r"(code) : "memory", "cc");
		in_a_row = 0;
		calls[number]++;
	}
}

static void let_all_pass(void)
{
	u32 before[OTHERS + 1];

	for (int i = 1; i <= OTHERS; i++)
		before[i] = calls[i];
	for (int i = 1; i <= OTHERS; i++)
		while (calls[i] - before[i] < 2 && !stays)
			asm volatile("pause");
}

int main(void)
{
	set_gate(3, breakpoint);
	load_idt();
	smp_start(OTHERS);
	for (u32 round = 0; round < ROUNDS && !stays; round++) {
		code[0] = INT3;
		let_all_pass();
		code[1] = round & 1 ? 0x90 : 0;
		code[0] = round & 1 ? 0x66 : 0xeb;
		let_all_pass();
	}
	text("INT3 is ");
	text(code[0] == INT3 ? "there, " : "gone, ");
	text(stays ? "and #BP comes for ever\n" : "and no #BP comes any more\n");
}
C
on_qemu "$work/program" -smp 4 >"$work/seen"
as_seen "$work/seen" <<'S'
INT3 is gone, and #BP comes for ever
S

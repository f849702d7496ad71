#!/bin/bash
# QEMU 7.2 (Debian 12's 1:7.2+dfsg-7+deb12u18+b3), TCG: in 64-bit mode the error code for a gate of the IDT has twice
# the index.
#
# One would expect the vector in bits 3 to 15, beside IDT (bit 1) and EXT (bit 0), in every mode: an index into the table, not an
# offset (SDM vol. 3A, 6.13 and figure 6-7), as it is in 32-bit mode on the same machine.
#
# Seen: vector * 16 + 2 in 64-bit mode, as if it were the offset of the gate, whose gates have 16 bytes there. A handler of #NP or
# #GP that says which vector has no gate names another.
. "$(dirname "$0")/lib/qemu.sh"
bare_program "$work/program" <<'C'
#include "long.h"

static u64 idt64[512] __attribute__((aligned(16), used));
static struct { u16 limit; u32 base, high; } __attribute__((packed)) idtr64 asm("idtr64") __attribute__((used)) = {sizeof idt64 - 1};
static volatile u32 error asm("error");

/* INT 0x50 has no gate: #NP keeps the error code and goes on behind it. */
asm(".globl on_np\non_np:\n\tpopl error\n\taddl $2, (%esp)\n\tiret\n"
    ".globl long_mode\nlong_mode:\n\tmov $idtr64, %ecx\n\tmov $error, %edi\n\tpush $8\n\tpush $4f\n\tljmp $24, $1f\n.code64\n"
    "1:\tlidt (%rcx)\n\tint $0x50\n\tlretl\n.globl on_np64\non_np64:\n\tpop %rax\n\tmov %eax, (%rdi)\n\taddq $2, (%rsp)\n\t"
    "iretq\n.code32\n4:\tret");
void on_np(void);
void on_np64(void);
void long_mode(void);

int main(void)
{
	u32 at = (u32)on_np64;

	long_load_gdt();
	set_gate(11, on_np);
	idt[0x50].type = 0x0e00, idt[0x50].selector = 8;
	load_idt();
	asm volatile("int $0x50" : : : "memory");
	text("32-bit: "), hex(error, 3);

	long_enter();
	idtr64.base = (u32)idt64;
	idt64[2 * 11] = (at & 0xffff) | 24 << 16 | 0x8e00ull << 32 | (u64)(at >> 16) << 48;
	idt64[2 * 0x50] = 24 << 16 | 0x0e00ull << 32;
	long_mode();
	text("\n64-bit: "), hex(error, 3), text("\n");
}
C
on_qemu "$work/program" -cpu max,check=off >"$work/seen"
as_seen "$work/seen" <<'S'
32-bit: 0x282
64-bit: 0x502
S

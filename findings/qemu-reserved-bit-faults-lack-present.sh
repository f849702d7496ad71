#!/bin/bash
# QEMU 7.2 (Debian 12's 1:7.2+dfsg-7+deb12u18+b3), TCG: the error code of a page fault for a reserved
# bit does not have P.
#
# One would expect RSVD (bit 3) never without P (bit 0): entries that are not present have no
# reserved bits (SDM vol. 3A, 4.7).
#
# Seen: 0x8 for a read and 0xa for a write, where a processor says 0x9 and 0xb. A handler that looks at P first,
# as most do, takes it for a page that is to be brought in, maps it anew and comes back.
. "$(dirname "$0")/lib/qemu.sh"
bare_program "$work/program" <<'C'
#include "bare.h"

static volatile u32 error;
static u32 directory[1024] __attribute__((aligned(4096)));

/* Keeps the error code, and goes on 2 bytes later. */
asm(".globl on_pf\non_pf:\n\tpopl error\n\taddl $2, (%esp)\n\tiret");
void on_pf(void);

int main(void)
{
	u32 cr4, cr0;

	set_gate(14, on_pf);
	load_idt();
	for (u32 i = 0; i < 1024; i++)
		directory[i] = i << 22 | 0x83; /* P, W, PS: 4 MiB */
	directory[512] |= 1 << 21;	       /* reserved in such an entry (table 4-4) */
	directory[513] = 0;
	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	asm volatile("mov %0, %%cr4" : : "r"(cr4 | 1 << 4)); /* PSE */
	asm volatile("mov %0, %%cr3" : : "r"(directory));
	asm volatile("mov %%cr0, %0" : "=r"(cr0));
	asm volatile("mov %0, %%cr0" : : "r"(cr0 | 1u << 31) : "memory");
	asm volatile("mov (%0), %%eax" : : "r"(512u << 22) : "eax", "memory");
	text("read, reserved bit:  "), hex(error, 1);
	asm volatile("mov %%eax, (%0)" : : "r"(512u << 22) : "memory");
	text("\nwrite, reserved bit: "), hex(error, 1);
	asm volatile("mov (%0), %%eax" : : "r"(513u << 22) : "eax", "memory");
	text("\nread, not present:   "), hex(error, 1), text("\n");
}
C
on_qemu "$work/program" -cpu max,check=off >"$work/seen"
as_seen "$work/seen" <<'S'
read, reserved bit:  0x8
write, reserved bit: 0xa
read, not present:   0x0
S

#!/bin/bash
# QEMU 7.2 (Debian 12's 1:7.2+dfsg-7+deb12u18+b3), TCG: with PAE paging in 32-bit mode the page walk sets bit 5 in the
# page-directory-pointer-table entries.
#
# One would expect these four entries as they were written: they have no accessed bit, and bits 5 to 8 are reserved, to be left
# 0 (SDM vol. 3A, table 4-8; APM vol. 2, figure 5-9). Processors load them at MOV CR3, and do not write them.
#
# Seen: bit 5 is set by the first access through an entry. Who walks such tables in software and checks reserved bits, as a hypervisor's
# emulator does, finds a fault that the emulated processor does not raise; a real one refuses the same table at
# its next MOV CR3 with #GP.
. "$(dirname "$0")/lib/qemu.sh"
bare_program "$work/program" <<'C'
#include "bare.h"

static volatile u64 pointers[4] __attribute__((aligned(32)));
static u64 directory[4][512] __attribute__((aligned(4096)));

int main(void)
{
	u32 cr;

	for (u32 i = 0; i < 2048; i++)
		directory[i / 512][i % 512] = (u64)i << 21 | 0x83; /* P, W, PS: 2 MiB */
	for (u32 i = 0; i < 4; i++)
		pointers[i] = (u32)directory[i] | 1;
	asm volatile("mov %%cr4, %0" : "=r"(cr));
	asm volatile("mov %0, %%cr4" : : "r"(cr | 1 << 5)); /* PAE */
	asm volatile("mov %0, %%cr3" : : "r"(pointers));
	asm volatile("mov %%cr0, %0" : "=r"(cr));
	asm volatile("mov %0, %%cr0" : : "r"(cr | 1u << 31) : "memory");
	text("entry 0, used:   bits 8-5 are "), number(pointers[0] >> 5 & 15);
	text("\nentry 1, unused: bits 8-5 are "), number(pointers[1] >> 5 & 15), text("\n");
}
C
on_qemu "$work/program" -cpu max,check=off >"$work/seen"
as_seen "$work/seen" <<'S'
entry 0, used:   bits 8-5 are 1
entry 1, unused: bits 8-5 are 0
S

/* Long mode, with a code segment of 64 bits at selector 24 beside the flat ones of 32 at 8 and
 * 16: two functions, as an IDT of gates may be needed between. The first 1 GiB is mapped to
 * itself. */
#ifndef LONG_H
#define LONG_H
#include "bare.h"

static u64 long_pml4[512] __attribute__((aligned(4096)));
static u64 long_pdpt[512] __attribute__((aligned(4096)));
static u64 long_directory[512] __attribute__((aligned(4096)));
static u64 long_gdt[] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff};

static inline void long_load_gdt(void)
{
	struct {
		u16 limit;
		u32 base;
	} __attribute__((packed)) gdtr = {sizeof long_gdt - 1, (u32)long_gdt};

	asm volatile("lgdt %0" : : "m"(gdtr));
}

/* Compatibility mode, from where a far jump to selector 24 is 64-bit mode. */
static inline void long_enter(void)
{
	u32 cr;

	long_pml4[0] = (u32)long_pdpt | 3;
	long_pdpt[0] = (u32)long_directory | 3;
	for (u32 i = 0; i < 512; i++)
		long_directory[i] = (u64)i << 21 | 0x83;
	asm volatile("mov %%cr4, %0" : "=r"(cr));
	asm volatile("mov %0, %%cr4" : : "r"(cr | 1 << 5)); /* PAE */
	asm volatile("mov %0, %%cr3" : : "r"(long_pml4));
	wrmsr(0xc0000080, rdmsr(0xc0000080) | 1 << 8); /* LME */
	asm volatile("mov %%cr0, %0" : "=r"(cr));
	asm volatile("mov %0, %%cr0" : : "r"(cr | 1u << 31) : "memory");
}
#endif

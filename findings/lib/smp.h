/* The other CPUs, started by INIT and SIPI; each calls work(number), in flat 32-bit mode. */
#ifndef SMP_H
#define SMP_H
#include "bare.h"

#define LAPIC(offset) (*(volatile u32 *)(0xfee00000 + (offset)))
#define START_PAGE    0x8000

static u8 smp_stacks[9][4096] __asm__("smp_stacks")
	__attribute__((aligned(16), used)); /* 0 is nobody's */
static volatile u32 smp_count __asm__("smp_count");

/* Copied to START_PAGE, with the table of segments that we have behind it. */
asm(".code16\n"
    "smp_begin:\n\tcli\n\txor %ax, %ax\n\tmov %ax, %ds\n\tlgdtl 0x8000 + smp_gdtr - "
    "smp_begin\n\t"
    "mov %cr0, %eax\n\tor $1, %al\n\tmov %eax, %cr0\n\tljmpl $8, $smp_flat\n"
    ".balign 8\nsmp_gdtr: .space 8\nsmp_end:\n"
    ".code32\n"
    "smp_flat:\n\tmov $16, %ax\n\tmov %ax, %ds\n\tmov %ax, %es\n\tmov %ax, %ss\n\t"
    "mov $1, %eax\n\tlock xadd %eax, smp_count\n\tinc %eax\n\tmov %eax, %ecx\n\tshl $12, "
    "%ecx\n\t"
    "lea smp_stacks(%ecx), %esp\n\tpush %eax\n\tcall smp_work\n1:\thlt\n\tjmp 1b\n");
extern char smp_begin[], smp_gdtr[], smp_end[];
void smp_work(u32 number);

static inline void smp_pause(u32 microseconds)
{
	for (u32 i = 0; i < microseconds; i++)
		asm volatile("out %%al, $0x80" : : : "memory");
}

static u64 smp_gdt[3] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff};

/* `others` CPUs; returns when all are there. */
static inline void smp_start(u32 others)
{
	struct {
		u16 limit;
		u32 base;
	} __attribute__((packed)) gdtr = {sizeof smp_gdt - 1, (u32)smp_gdt};

	for (u32 i = 0; i < (u32)(smp_end - smp_begin); i++)
		((volatile u8 *)START_PAGE)[i] = (u8)smp_begin[i];
	*(volatile u16 *)(START_PAGE + (smp_gdtr - smp_begin)) = gdtr.limit;
	*(volatile u32 *)(START_PAGE + (smp_gdtr - smp_begin) + 2) = gdtr.base;
	LAPIC(0xf0) = 0x1ff;	   /* SVR */
	LAPIC(0x300) = 0x000c4500; /* INIT, all but self */
	smp_pause(20000);
	LAPIC(0x300) = 0x000c4600 | START_PAGE >> 12;
	while (others && smp_count < others)
		asm volatile("pause");
}
#endif

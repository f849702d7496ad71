/* Builds and loads one CPU's descriptor table and task state segment. */
#include "kernel/cpu/gdt.h"

#include <string.h>

#include "kernel/cpu/msr.h"

/* 64-bit task state segment: SDM vol. 3A figure 8-11. */
struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3, io_map;
} __attribute__((packed));

_Static_assert(sizeof(struct tss) == 104, "SDM vol. 3A figure 8-11");
_Static_assert(sizeof(struct tss) == sizeof(((struct cpu *)0)->tss),
	       "cpu.h reserves its bytes");

/* Present, DPL 0; SDM vol. 3A 3.4.5. The accessed bit is set, so that nothing writes it. */
#define DESCRIPTOR_CODE64 0x00209b0000000000ull
#define DESCRIPTOR_DATA	  0x0000930000000000ull
#define DESCRIPTOR_TSS	  0x0000890000000000ull

struct descriptor_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

static void fill(struct cpu *cpu)
{
	struct tss tss = {.io_map = sizeof(tss)}; /* no I/O permission map */
	uint64_t base = (uint64_t)cpu->tss;

	for (unsigned i = 0; i < CPU_IST_COUNT; i++)
		tss.ist[i] = (uint64_t)cpu->ist_top[i];
	memcpy(cpu->tss, &tss, sizeof(tss));

	cpu->gdt[GDT_CODE / 8] = DESCRIPTOR_CODE64;
	cpu->gdt[GDT_DATA / 8] = DESCRIPTOR_DATA;
	cpu->gdt[GDT_TSS / 8] = DESCRIPTOR_TSS | (sizeof(tss) - 1) | (base & 0xffffff) << 16 |
				(base >> 24 & 0xff) << 56;
	cpu->gdt[GDT_TSS / 8 + 1] = base >> 32;
}

void gdt_load(struct cpu *cpu)
{
	const struct descriptor_pointer pointer = {sizeof(cpu->gdt) - 1, (uint64_t)cpu->gdt};

	fill(cpu);
	__asm__ volatile("lgdt %0\n\t"
			 "pushq %q1\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "lretq\n"
			 "1:\tmovw %w2, %%ss\n\t"
			 "movw %w2, %%ds\n\t"
			 "movw %w2, %%es\n\t"
			 "movw %w2, %%fs\n\t"
			 "movw %w2, %%gs\n\t"
			 "ltr %w3"
			 :
			 : "m"(pointer), "r"((uint64_t)GDT_CODE), "r"(GDT_DATA), "r"(GDT_TSS)
			 : "rax", "memory");
	/* Loading the selectors cleared the bases. */
	wrmsr(MSR_FS_BASE, 0);
	wrmsr(MSR_GS_BASE, (uint64_t)cpu);
}

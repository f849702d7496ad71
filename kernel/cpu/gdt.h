/* Each CPU's GDT and TSS. Only what long mode asks for: no user segments, no calls through it.
 */
#ifndef KERNEL_CPU_GDT_H
#define KERNEL_CPU_GDT_H

#include "kernel/cpu/cpu.h"

#define GDT_CODE 0x08 /* kernel code, 64-bit */
#define GDT_DATA 0x10
#define GDT_TSS	 0x18 /* two entries */

/* Fills cpu->gdt and cpu->tss with the IST stacks of cpu->ist_top and loads them and GS, on the
 * calling CPU. Interrupts off. May be called again when the stacks have changed. */
void gdt_load(struct cpu *cpu);

#endif

/* The IDT: exceptions, which print and panic, and interrupts, which go to whoever took their
 * vector (vectors.h). */
#ifndef KERNEL_CPU_TRAPS_H
#define KERNEL_CPU_TRAPS_H

#include "kernel/cpu/vectors.h"

void traps_init(void); /* once, on CPU 0 */

/* GDT, TSS with IST stacks for NMI, #DF and #MC, IDT; with the stacks of cpu_this()->ist_top,
 * machine checks too. CPU 0 calls it twice, before it has these stacks and after. */
void traps_init_this_cpu(void);

/* Handles an interrupt that this CPU has acknowledged without taking it (VMX can do that), as
 * if it came now. Interrupts off, before and after. */
void trap_take(unsigned vector);

#endif

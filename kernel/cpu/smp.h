/* Bringing up the other CPUs by INIT-SIPI-SIPI, and interrupts between CPUs. */
#ifndef KERNEL_CPU_SMP_H
#define KERNEL_CPU_SMP_H

#include "kernel/lib/types.h"

/*
 * Starts every CPU of `apic_ids` (the MADT's, x2APIC entries too; the boot CPU's own is
 * skipped). Each enables its features and calls `entry` on its own stack with interrupts off,
 * and does not return. One that does not answer within 200 ms, or lacks a feature of CPU 0,
 * is logged and left out. Returns the number of CPUs online.
 */
unsigned smp_start(const uint32_t *apic_ids, unsigned count, uint64_t trampoline_phys,
		   void (*entry)(void));

/* Makes `cpu_index` leave guest mode or HLT and look at its need_resched and requests. */
void smp_kick(unsigned cpu_index);

/* Runs fn(arg) on every other online CPU in interrupt context and waits for all. Caller must
 * have interrupts on and hold no spinlock. */
void smp_call_others(void (*fn)(void *), void *arg);

/* Stops all other CPUs for good by NMI: for panic and power-off. */
void smp_stop_others(void);

#endif

/* Bringing up the other CPUs by INIT-SIPI-SIPI; what they tell each other then is ipi.h. */
#ifndef KERNEL_CPU_SMP_H
#define KERNEL_CPU_SMP_H

#include "kernel/cpu/ipi.h"

struct cpu;

/* What starting the CPUs takes. The functions that need memory come from outside, as this
 * layer lies below it. */
struct smp_plan {
	const uint32_t
		*apic_ids; /* the MADT's, x2APIC entries too; the caller's own is skipped */
	unsigned count;
	uint64_t trampoline_phys; /* HANDOFF_TRAMPOLINE_BYTES below 1 MiB, ... */
	void *trampoline;	  /* ... mapped writable */
	const uint64_t *pml4;	  /* the kernel's root table, to read */
	struct cpu *(*create)(
		void); /* a zeroed block with stack_top and ist_top; NULL: no memory */
	void (*mem_init_this_cpu)(void);
	void (*entry)(void);
};

/*
 * Starts every CPU of the plan. Each enables its features and calls `entry` on its own stack
 * with interrupts off, which does not return. Those that are silent a second
 * after the last answer, or lack a feature of CPU 0, are logged and left out. CPUs are numbered
 * in the plan's order. Once, on CPU 0, with interrupts off. Returns the number of CPUs online.
 */
unsigned smp_start(const struct smp_plan *plan);

#endif

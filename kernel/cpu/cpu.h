/*
 * The per-CPU block, reached through GS, and the CPU's features. Bringing CPUs up is smp.h;
 * running threads on them is kernel/sched.
 */
#ifndef KERNEL_CPU_CPU_H
#define KERNEL_CPU_CPU_H

#include "kernel/lib/types.h" /* first: newlib's stdatomic.h wants stdint.h */

#include <stdatomic.h>

#include "kernel/lib/cpumask.h"

struct thread;
struct sched_cpu;
struct timer_cpu;

#define CPU_GDT_ENTRIES 8

/* What one CPU owns. Written by that CPU alone unless a field says otherwise. */
struct cpu {
	struct cpu *self; /* GS:0 */
	unsigned index;	  /* 0 .. cpu_count - 1 */
	uint32_t apic_id; /* as the MADT gives it */
	struct thread *current;
	_Atomic bool need_resched; /* set by any CPU: switch threads at the next safe point */
	_Atomic bool online;
	unsigned irq_depth; /* > 0 inside an interrupt handler */

	struct sched_cpu *sched; /* kernel/sched's own */
	struct timer_cpu *timer; /* kernel/sched/timer's own */
	void *backend;		 /* vmm backend's own (VMXON region, host save area) */
	struct vcpu *loaded;	 /* the vCPU whose state is in this CPU's registers */

	uint64_t gdt[CPU_GDT_ENTRIES];
	uint8_t tss[104];		   /* SDM vol. 3A fig. 8-11 */
	_Atomic uint64_t interrupts, ipis; /* counters */
};

static inline struct cpu *cpu_this(void)
{
	struct cpu *cpu;

	__asm__("mov %%gs:0, %0" : "=r"(cpu));
	return cpu;
}

extern struct cpu *cpus[CPU_MAX]; /* cpus[0 .. cpu_count - 1]; set before a CPU goes online */
extern unsigned cpu_count;	  /* CPUs that answered; fixed once smp_start() returned */

static inline void irq_disable(void)
{
	__asm__ volatile("cli" : : : "memory");
}

static inline void irq_enable(void)
{
	__asm__ volatile("sti" : : : "memory");
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid r;

	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

enum cpu_vendor { CPU_VENDOR_OTHER, CPU_VENDOR_INTEL, CPU_VENDOR_AMD /* and Hygon */ };

/* What CPU 0 offers, read once by cpu_features_init(). CPUs that differ are left out by smp. */
struct cpu_features {
	enum cpu_vendor vendor;
	char brand[49];
	unsigned family, model, stepping;
	unsigned phys_bits; /* MAXPHYADDR */
	bool nx, smep, smap, umip, pages_1g, pcid, x2apic, tsc_deadline, invariant_tsc, xsave,
		rdrand, rdseed, fsgsbase, erms, svm, vmx, hypervisor;
	uint64_t xcr0_mask;	  /* user state components XCR0 may enable (CPUID 0xD) */
	uint32_t xsave_bytes_max; /* area for all of xcr0_mask, standard format */
};
extern struct cpu_features cpu_features;

/* With SMAP, user pages are reachable only between these two; without it they do nothing.
 * The guest-memory window is made of user pages, so nothing reaches it by accident. */
static inline void user_access_begin(void)
{
	if (likely(cpu_features.smap))
		__asm__ volatile("stac" : : : "memory", "cc");
}

static inline void user_access_end(void)
{
	if (likely(cpu_features.smap))
		__asm__ volatile("clac" : : : "memory", "cc");
}

#endif

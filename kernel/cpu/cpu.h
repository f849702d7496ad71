/*
 * The per-CPU block, reached through GS, and the CPU's features. Bringing CPUs up is smp.h;
 * running threads on them is kernel/sched.
 */
#ifndef KERNEL_CPU_CPU_H
#define KERNEL_CPU_CPU_H

#include "kernel/lib/types.h" /* first: newlib's stdatomic.h wants stdint.h */

#include <stdatomic.h>

#include "kernel/cpu/instructions.h"
#include "kernel/lib/checks.h"
#include "kernel/lib/cpumask.h"

struct thread;
struct sched_cpu;
struct timer_cpu;

#define CPU_GDT_ENTRIES 8

/* Stacks that the CPU switches to by itself, whatever RSP is (SDM vol. 3A 6.14.5). */
enum cpu_ist { CPU_IST_NMI, CPU_IST_DOUBLE_FAULT, CPU_IST_MACHINE_CHECK, CPU_IST_COUNT };
#define CPU_IST_BYTES	(8 * KIB)
#define CPU_STACK_BYTES (32 * KIB)

/* What one CPU owns. Written by that CPU alone unless a field says otherwise. */
struct cpu {
	struct cpu *self; /* GS:0 */
	unsigned index;	  /* 0 .. cpu_count - 1 */
	uint32_t apic_id; /* as the MADT gives it */
	struct thread *current;
	_Atomic bool need_resched; /* set by any CPU: switch threads at the next safe point */
	_Atomic bool online;
	unsigned irq_depth; /* > 0 inside an interrupt handler */
	/* Its TSC's value at which a thread that ends its own slices must do so. UINT64_MAX:
	 * never; kernel/sched's. */
	uint64_t slice_end_tsc;

	int64_t tsc_offset; /* added to RDTSC gives CPU 0's TSC; 0 where they agree */
	void *stack_top;    /* what it came up on; later its idle thread's */
	void *ist_top[CPU_IST_COUNT];

	struct sched_cpu *sched; /* kernel/sched's own */
	struct timer_cpu *timer; /* kernel/sched/timer's own */
	void *backend;		 /* vmm backend's own (VMXON region, host save area) */
	struct vcpu *loaded;	 /* the vCPU whose state is in this CPU's registers */

	uint64_t gdt[CPU_GDT_ENTRIES];
	uint8_t tss[104];		   /* SDM vol. 3A fig. 8-11 */
	_Atomic uint64_t interrupts, ipis; /* counters */
#ifdef CHECKS
	struct check_held checks;
#endif
};

/* Makes `cpu` what cpu_this() returns on the calling CPU. */
void cpu_bind(struct cpu *cpu);

extern struct cpu cpu_boot;	  /* CPU 0's block: it is needed before there is a heap */
extern struct cpu *cpus[CPU_MAX]; /* cpus[0 .. cpu_count - 1]; set before a CPU goes online */
extern unsigned cpu_count;	  /* CPUs that answered; fixed once smp_start() returned */

/* The block of the CPU that this runs on. A thread may come back from any call on another CPU:
 * that it reads memory keeps the compiler from using an answer from before the call. */
static inline struct cpu *cpu_this(void)
{
	struct cpu *cpu;

	__asm__("mov %%gs:0, %0" : "=r"(cpu) : "m"(cpus));
	return cpu;
}

/* Stops the calling CPU for good; only NMI, INIT and SMI still reach it. */
static inline noreturn void cpu_park(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

enum cpu_vendor { CPU_VENDOR_OTHER, CPU_VENDOR_INTEL, CPU_VENDOR_AMD /* and Hygon */ };

/* What CPU 0 offers, read once by cpu_features_init(). CPUs that differ are left out by smp. */
struct cpu_features {
	enum cpu_vendor vendor;
	char brand[49];
	unsigned family, model, stepping;
	unsigned phys_bits; /* MAXPHYADDR */
	bool nx, smep, smap, umip, pages_1g, pcid, x2apic, tsc_deadline, invariant_tsc, xsave,
		rdrand, rdseed, rdtscp, rdpid, invpcid, pku, fsgsbase, erms, svm, vmx,
		tcg /* emulated by QEMU */;
	uint64_t xcr0_mask;	  /* user state components XCR0 may enable (CPUID 0xD) */
	uint32_t xsave_bytes_max; /* area for all of xcr0_mask, standard format */
};
extern struct cpu_features cpu_features;

void cpu_features_init(void); /* on CPU 0, before anything asks */

/* Sets this CPU's CR0 and CR4 bits that do not concern paging. Each CPU once. */
void cpu_features_enable(void);

/* Names a feature of CPU 0 that the calling CPU lacks, or NULL when there is none. */
const char *cpu_features_missing(void);

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

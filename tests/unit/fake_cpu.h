/*
 * A CPU of the build machine: the registers that privileged instructions reach, which are
 * functions there (tests/unit/cpu). It refuses what would raise #GP. Not a guest, and not what
 * VMX or SVM add: those are fake_vmcs.c and fake_vmcb.c.
 */
#ifndef TESTS_UNIT_FAKE_CPU_H
#define TESTS_UNIT_FAKE_CPU_H

#include "kernel/cpu/cpu.h"

#define FAKE_CPUS	 2
#define FAKE_XCR0	 7ull /* x87, SSE, AVX: what it has */
#define FAKE_XSAVE_BYTES 832

/* State components 0, 1 and 2, each as one number: enough to see whose it is. */
struct fake_cpu {
	struct cpu cpu;
	bool interrupts; /* IF */
	uint64_t cr0, cr2, cr3, cr4, dr[4], dr6, xcr0;
	unsigned cr3_loads;
	uint64_t fpu[3];
	bool x87_stale; /* the last x87 instruction and operand are of who ran before */
	struct {
		uint32_t msr;
		uint64_t value;
	} msrs[64];
	unsigned msr_count;
	unsigned nmis, machine_checks; /* taken by INT n */
	void *current_vmcs;
	bool vmx_on;
};

extern struct fake_cpu fake_cpus[FAKE_CPUS];
extern struct fake_cpu *fake_cpu; /* the one that runs */

/* All CPUs as after start-up, with that vendor and features; CPU 0 runs. */
void fake_cpu_reset(enum cpu_vendor vendor);
/* From now on `index` runs. */
void fake_cpu_use(unsigned index);
/* An MSR comes to be, with this value. Others raise #GP. */
void fake_msr(uint32_t msr, uint64_t value);

/* What CPUID 0x8000000A says. */
extern struct cpuid fake_cpuid_svm;
extern bool fake_cpuid_umip;

/* Called once by the next irq_disable(), after it: what happens at that moment elsewhere. */
extern void (*fake_on_irq_disable)(void);

#endif

/*
 * In place of kernel/cpu/instructions.h on the build machine, where privileged instructions
 * fault: functions that a test defines, or takes from tests/unit/fake_cpu.c. They are weak, so
 * that a test which never comes to one need not. What is not privileged is the real thing,
 * unless a test has its own.
 */
#ifndef TESTS_UNIT_CPU_INSTRUCTIONS_H
#define TESTS_UNIT_CPU_INSTRUCTIONS_H

#include "kernel/lib/types.h"

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

#define WEAK __attribute__((weak))
uint64_t rdmsr(uint32_t msr) WEAK;
void wrmsr(uint32_t msr, uint64_t value) WEAK;
void irq_disable(void) WEAK;
void irq_enable(void) WEAK;
void int_nmi(void) WEAK;
void int_machine_check(void) WEAK;
uint64_t fake_rdtsc(void) WEAK;
struct cpuid fake_cpuid(uint32_t leaf, uint32_t subleaf) WEAK;
#undef WEAK

static inline uint64_t rdtsc(void)
{
	return fake_rdtsc ? fake_rdtsc() : __builtin_ia32_rdtsc();
}

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid r;

	if (fake_cpuid)
		return fake_cpuid(leaf, subleaf);
	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

#endif

/*
 * CPUs restore their FPU's state while others exit and are interrupted. What one CPU does with
 * its own state is nothing to another: QEMU's TCG once took a flag of its first CPU back to
 * what it had been, in the middle of VMRUN, and the guest or the whole machine was gone.
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/smp.h"
#include "tests/guest/lib/test.h"

#define EXITS	 100000
#define RESTORES 4 /* for one exit */

static char states[CPUS_MAX][512] __attribute__((aligned(16)));

static void work(uint64_t cpu)
{
	unsigned exits = race_rounds(EXITS);
	char *state = states[cpu];

	__asm__ volatile("fxsave (%0)" : : "r"(state) : "memory");
	for (unsigned i = 0; i < exits; i++) {
		cpuid(0, 0);
		for (unsigned n = 0; n < RESTORES; n++)
			__asm__ volatile("fxrstor (%0)" : : "r"(state) : "memory");
	}
}

void test(void)
{
	unsigned cpus = smp_start();

	for (unsigned i = 1; i < cpus; i++)
		cpu_run(i, work, i);
	work(0);
	for (unsigned i = 1; i < cpus; i++)
		cpu_join(i, 60000);
	reached("each CPU gets through");
}

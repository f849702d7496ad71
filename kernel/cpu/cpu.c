/* The table of CPUs, and CPU 0's own block. */
#include "kernel/cpu/cpu.h"

#include "kernel/cpu/msr.h"

struct cpu cpu_boot = {.self = &cpu_boot, .online = true};
struct cpu *cpus[CPU_MAX] = {&cpu_boot};
unsigned cpu_count = 1;

void cpu_bind(struct cpu *cpu)
{
	wrmsr(MSR_GS_BASE, (uint64_t)cpu);
}

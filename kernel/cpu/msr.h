/* Model-specific registers that the hypervisor itself uses.
 * Guests' view of MSRs is in kernel/vmm/features. Numbers: SDM vol. 4 2.1, APM vol. 2 app. A.
 */
#ifndef KERNEL_CPU_MSR_H
#define KERNEL_CPU_MSR_H

#include "kernel/cpu/instructions.h"
#include "kernel/lib/x86.h"

/* rdmsr() and wrmsr() (instructions.h), returning -EIO instead of taking #GP. Any context after
 * traps_init(). */
int rdmsr_safe(uint32_t msr, uint64_t *value);
int wrmsr_safe(uint32_t msr, uint64_t value);

#endif

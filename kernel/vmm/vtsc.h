/*
 * A vCPU's time-stamp counter: the host's, moved by an offset. RDTSC causes no exit; what is
 * here is for whoever needs to know what the guest would read, and for the two MSRs that move
 * it. Scaling is not here: a guest's TSC runs at the host's rate.
 */
#ifndef KERNEL_VMM_VTSC_H
#define KERNEL_VMM_VTSC_H

#include "kernel/vmm/vcpu.h"

/* Guest TSC - CPU 0's TSC, modulo 2^64: the VM's offset and the vCPU's IA32_TSC_ADJUST. Any
 * context. */
uint64_t vtsc_offset(const struct vcpu *vcpu);
/* The guest's TSC now, by the CPU that this runs on. Any context. */
uint64_t vtsc_read(const struct vcpu *vcpu);

/* The vCPU comes to a CPU, and leaves it: what that CPU's TSC differs by from CPU 0's is part
 * of the backend's offset, so that the guest's counts on, and those of its vCPUs agree. On the
 * vCPU's thread, interrupts off, while the backend has it loaded. */
void vtsc_load(struct vcpu *vcpu);
void vtsc_put(struct vcpu *vcpu);

/*
 * A write to IA32_TIME_STAMP_COUNTER, and to IA32_TSC_ADJUST, which is the sum of all that such
 * writes moved it by (SDM vol. 3B 17.17.3). An armed TSC deadline is looked at anew, and so are
 * the clock pages of all vCPUs. On the vCPU's thread, interrupts on.
 */
void vtsc_write(struct vcpu *vcpu, uint64_t tsc);
void vtsc_set_adjust(struct vcpu *vcpu, uint64_t adjust);

#endif

/* Exceptions that emulation raises in a guest. */
#ifndef KERNEL_VMM_VCPU_RAISE_H
#define KERNEL_VMM_VCPU_RAISE_H

#include "kernel/vmm/vcpu.h"

/* Delivered at the next entry; a second one follows the
 * double-fault rules (SDM vol. 3A table 6-5). On the vCPU's thread. */
void vcpu_raise(struct vcpu *vcpu, unsigned vector);
void vcpu_raise_error(struct vcpu *vcpu, unsigned vector, uint32_t error);
void vcpu_raise_page_fault(struct vcpu *vcpu, uint64_t cr2, uint32_t error);

#endif

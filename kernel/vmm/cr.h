/* Guests' writes to CR0, CR4 and CR8 that a backend intercepts: the manual's checks, once for
 * both. */
#ifndef KERNEL_VMM_CR_H
#define KERNEL_VMM_CR_H

#include "kernel/vmm/vcpu.h"

/* 0, or -EPERM for #GP(0). On the vCPU's thread. */
int cr_write(struct vcpu *vcpu, unsigned cr, uint64_t value);

#endif

/* Where a vCPU is in its guest's code, in the words of the mode it runs in: for messages. */
#ifndef KERNEL_VMM_PLACE_H
#define KERNEL_VMM_PLACE_H

#include "kernel/vmm/vcpu.h"

struct vcpu_place {
	char text[64];
};

/* "RIP 0x..." in 64-bit mode; else "CS:IP s:o" or "CS:EIP s:o" with the linear address, which
 * is not the selector's alone after a reset. On the vCPU's thread. */
struct vcpu_place vcpu_place(struct vcpu *vcpu);

#endif

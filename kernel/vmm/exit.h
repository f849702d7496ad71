/* What an exit means: the neutral record to the handlers. One call, from the vCPU's run loop.
 */
#ifndef KERNEL_VMM_EXIT_H
#define KERNEL_VMM_EXIT_H

#include "kernel/vmm/vcpu.h"

/* Handles vcpu->exit. On the vCPU's thread, interrupts on. What it can't handle stops the VM.
 */
void exit_handle(struct vcpu *vcpu);

#endif

/*
 * Hardware task switches for CPUs that leave them to us: every attempt of a guest's exits on
 * VMX (SDM vol. 3C 25.4.2), while SVM runs them. JMP, CALL and IRET to a TSS or through a task
 * gate, and events through task gates of the IDT.
 */
#ifndef KERNEL_VMM_TASK_SWITCH_H
#define KERNEL_VMM_TASK_SWITCH_H

#include "kernel/vmm/vcpu.h"

/*
 * Does what exit->task describes (SDM vol. 3A 7.3). An event that came through a gate is in
 * vcpu->event, with its error code. Exceptions are raised on the vCPU: in the old task up to
 * the point where the new one is committed to, in the new one from there on. 0 when done or
 * when one was raised; -ENOTSUP where the tables lie in device memory. On the vCPU's thread,
 * interrupts on: guest memory is populated.
 */
int task_switch(struct vcpu *vcpu, const struct vmexit *exit);

#endif

/*
 * Vital signs of a vCPU: whether it takes interrupts at all. One that runs on and on, or sleeps
 * in HLT, with interrupts off has most likely died. Who wants to know asks once a second or so
 * (vcpu_look_ask()); the vCPU looks at itself (vcpu_look()) at an exit that it has anyway, so
 * that exits cost nothing more. Only one that has none, or that was found with interrupts off,
 * is made to exit for it.
 */
#ifndef KERNEL_VMM_VCPU_LOOK_H
#define KERNEL_VMM_VCPU_LOOK_H

#include "kernel/lib/types.h"

struct vcpu;

#define VCPU_LOOK_OFF_NS (10 * NSEC_PER_SEC) /* less of it is nobody's business */

/* Asks for a look, soon: to be repeated every second or so, by one thread at a time. Of a VM
 * that was started, and is not destroyed meanwhile. Thread context; never waits for the vCPU.
 */
void vcpu_look_ask(struct vcpu *vcpu);

/* For vcpu_run.c: VCPU_REQ_LOOK came. On the vCPU's thread, between exits. */
void vcpu_look(struct vcpu *vcpu);

/* How long it has run with interrupts off, in its own run time, or been halted so, in the
 * machine's: 0, or VCPU_LOOK_OFF_NS and more. Any context. */
uint64_t vcpu_look_off_ns(const struct vcpu *vcpu);

#endif

/* A vCPU's thread: what it is made of, its run loop (inject, enter, handle), its end. */
#ifndef KERNEL_VMM_VCPU_RUN_H
#define KERNEL_VMM_VCPU_RUN_H

struct thread_ops;
struct vcpu;
struct vm;

/* Creates the vCPU parked, with its lapic. NULL when out of memory. */
struct vcpu *vcpu_create(struct vm *vm, unsigned id);
void vcpu_destroy(struct vcpu *vcpu); /* its thread has ended */

/* For the thread: FPU, debug registers and the backend's own come and go with its CPU. */
extern const struct thread_ops vcpu_thread_ops;

/* The thread's function; arg is the vCPU. Returns when the VM is destroyed. */
void vcpu_thread(void *arg);

#endif

/*
 * The beginning and the end of a virtual machine: prepared whole or not at all, started, and
 * taken apart. Its stop is vm_stop.h.
 */
#ifndef KERNEL_VMM_VM_CREATE_H
#define KERNEL_VMM_VM_CREATE_H

#include "kernel/vmm/vm.h"

struct thread_share;

/* Prepares everything that can fail: memory, tables, interrupt controllers, vCPUs (parked),
 * their threads. NULL, with the reason logged under the guest's name. Thread context. */
struct vm *vm_create(const struct vm_params *params);
/* vCPU 0 starts as `entry` says (copied), the others wait for SIPI. Cannot fail. */
void vm_start(struct vm *vm, const struct vcpu_entry *entry);
/* Gives vCPUs that are not pinned other CPUs, weight and cap; pinned ones stay as they are. The
 * VM is there. Thread context. */
void vm_set_share(struct vm *vm, const struct thread_share *share);
/* Its vCPUs run no more, and the CPUs that were theirs alone are free; memory and devices stay,
 * as disks may still have requests of theirs. The VM must have stopped or never started. Thread
 * context; may sleep. */
void vm_retire(struct vm *vm);
/* Frees all. The VM must have stopped or never started. Thread context; may sleep. */
void vm_destroy(struct vm *vm);

#endif

/* Instructions that exited: how long they are, and running those that touched a device. The
 * glue between the exit handlers and kernel/vmm/emul, which knows no vCPU. */
#ifndef KERNEL_VMM_INSN_H
#define KERNEL_VMM_INSN_H

#include "kernel/vmm/vcpu.h"

/* Moves RIP behind the instruction that exited and ends an interrupt shadow. Uses the length
 * that the CPU gave, else reads the instruction. What comes behind it is raised: the trap of a
 * single step, or #GP where RIP is not canonical any more. 0, or -EFAULT where it can't be
 * read.
 */
int insn_skip(struct vcpu *vcpu, const struct vmexit *exit);

/*
 * Moves RIP on by `bytes`, as the end of an instruction does: EIP wraps outside of 64-bit mode
 * (IP does not in 16-bit code, whose limit is in its way: SDM vol. 3A 5.3). Raises nothing and
 * leaves the interrupt shadow: for instructions that trap behind themselves.
 */
void insn_advance(struct vcpu *vcpu, unsigned bytes);

/*
 * Emulates the instruction at RIP: MMIO (the exit was a nested fault), string I/O, and reads of
 * system registers that exited. Device accesses go to the VM's buses. 0 when done or when the
 * guest is to run it again (exceptions are raised on the vCPU); -ENOTSUP with the VM stopped
 * and the bytes in the log.
 */
int insn_emulate(struct vcpu *vcpu, const struct vmexit *exit);

/*
 * What the MOV to CR0, CR4 or CR8, or the LMSW, at RIP writes: fills exit->cr and the length.
 * 0; -EAGAIN when no such instruction is there any more, or an exception was raised: the guest
 * is to go on; another errno when there is no telling.
 */
int insn_cr_write(struct vcpu *vcpu, struct vmexit *exit);

/* The bytes at CS:RIP, as many of `bytes` as can be read; returns how many. Raises nothing. */
unsigned insn_fetch(struct vcpu *vcpu, uint8_t *buf, unsigned bytes);

/*
 * For a CPU that exited for INT3, INT n or INTO and may have had it from bytes that are gone
 * (svm/tcg.c): where something else is at RIP, its first byte is written as it is, which makes
 * the CPU read it. Raises nothing. Thread context; may populate.
 */
void insn_refresh_soft_interrupt(struct vcpu *vcpu);

/* Up to 15 bytes at RIP as hex, for logs. */
void insn_dump(struct vcpu *vcpu, char *text, size_t bytes);

#endif

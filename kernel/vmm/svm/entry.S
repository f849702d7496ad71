/*
 * VMRUN with everything that it does not switch by itself (APM vol. 2 15.5): the general
 * registers by hand, FS, GS, TR, LDTR and the SYSCALL MSRs by VMLOAD and VMSAVE.
 *
 * void svm_vmrun(struct vcpu *vcpu, uint64_t vmcb_phys, uint64_t host_vmcb_phys)
 * Interrupts are off before and after; in between GIF is clear, and IF is set so that a host
 * interrupt ends the guest's run (15.21.1) and stays pending.
 */
#include "kernel/vmm/guest_regs.inc"

	.text
	.globl svm_vmrun
	.type svm_vmrun, @function
svm_vmrun:
	push_host_regs
	push %rdx
	push %rdi

	mov %rsi, %rax
	load_guest_regs

	clgi
	sti
	vmload %rax
	vmrun %rax
	vmsave %rax /* RAX and RSP are the host's again */

	xchg %rdi, (%rsp)
	store_guest_regs

	pop %rax
	vmload %rax
	cli
	stgi

	clear_guest_regs
	pop_host_regs
	ret
	.size svm_vmrun, . - svm_vmrun

	.section .note.GNU-stack, "", @progbits

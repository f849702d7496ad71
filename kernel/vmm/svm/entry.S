/*
 * VMRUN with everything that it does not switch by itself (APM vol. 2 15.5): the general
 * registers by hand, FS, GS, TR, LDTR and the SYSCALL MSRs by VMLOAD and VMSAVE.
 *
 * void svm_vmrun(struct vcpu *vcpu, uint64_t vmcb_phys, uint64_t host_vmcb_phys)
 * Interrupts are off before and after; in between GIF is clear, and IF is set so that a host
 * interrupt ends the guest's run (15.21.1) and stays pending.
 */
#define REG(n) (8 * (n))(%rdi)

	.text
	.globl svm_vmrun
	.type svm_vmrun, @function
svm_vmrun:
	push %rbp
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
	push %rdx
	push %rdi

	mov %rsi, %rax
	mov REG(1), %rcx
	mov REG(2), %rdx
	mov REG(3), %rbx
	mov REG(5), %rbp
	mov REG(6), %rsi
	mov REG(8), %r8
	mov REG(9), %r9
	mov REG(10), %r10
	mov REG(11), %r11
	mov REG(12), %r12
	mov REG(13), %r13
	mov REG(14), %r14
	mov REG(15), %r15
	mov REG(7), %rdi

	clgi
	sti
	vmload %rax
	vmrun %rax
	vmsave %rax /* RAX and RSP are the host's again */

	xchg %rdi, (%rsp)
	mov %rcx, REG(1)
	mov %rdx, REG(2)
	mov %rbx, REG(3)
	mov %rbp, REG(5)
	mov %rsi, REG(6)
	mov %r8, REG(8)
	mov %r9, REG(9)
	mov %r10, REG(10)
	mov %r11, REG(11)
	mov %r12, REG(12)
	mov %r13, REG(13)
	mov %r14, REG(14)
	mov %r15, REG(15)
	pop %rcx
	mov %rcx, REG(7)

	pop %rax
	vmload %rax
	cli
	stgi

	/* Nothing of the guest's stays in registers that the code from here on may speculate with. */
	xor %ecx, %ecx
	xor %edx, %edx
	xor %esi, %esi
	xor %r8d, %r8d
	xor %r9d, %r9d
	xor %r10d, %r10d
	xor %r11d, %r11d
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbx
	pop %rbp
	ret
	.size svm_vmrun, . - svm_vmrun

	.section .note.GNU-stack, "", @progbits

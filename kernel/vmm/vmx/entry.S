/*
 * VMLAUNCH and VMRESUME with the general registers, which VMX does not switch (SDM vol. 3C
 * 26.3.2, 27.5).
 *
 * int vmx_run(struct vcpu *vcpu, bool launched)
 * 0 after a VM exit, whose host RIP is vmx_exit below; -1 when the instruction itself failed.
 * Interrupts are off before and after. The VMCS is current; RSP and RIP are in it.
 */
#include "kernel/vmm/vmx/vmcs.h"

#define REG(n) (8 * (n))(%rdi)

	.text
	.globl vmx_run, vmx_exit
	.type vmx_run, @function
vmx_run:
	push %rbp
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
	push %rdi
	mov $VMCS_HOST_RSP, %eax
	vmwrite %rsp, %rax

	test %sil, %sil /* MOV keeps the flags until the choice below */
	mov REG(0), %rax
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
	jnz 1f
	vmlaunch
	jmp 2f
1:	vmresume
2:	pop %rdi /* it failed: nothing has changed but RDI and RSP */
	mov $-1, %eax
	jmp 3f

vmx_exit:
	xchg %rdi, (%rsp)
	mov %rax, REG(0)
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
	xor %eax, %eax

	/* Nothing of the guest's stays in registers that the code from here on may speculate with. */
3:	xor %ecx, %ecx
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
	.size vmx_run, . - vmx_run

	.section .note.GNU-stack, "", @progbits

/*
 * VMLAUNCH and VMRESUME with the general registers, which VMX does not switch (SDM vol. 3C
 * 26.3.2, 27.5).
 *
 * int vmx_run(struct vcpu *vcpu, bool launched)
 * 0 after a VM exit, whose host RIP is vmx_exit below; -1 when the instruction itself failed.
 * Interrupts are off before and after. The VMCS is current; RSP and RIP are in it.
 */
#include "kernel/vmm/guest_regs.inc"
#include "kernel/vmm/vmx/vmcs.h"

	.text
	.globl vmx_run, vmx_exit
	.type vmx_run, @function
vmx_run:
	push_host_regs
	push %rdi
	mov $VMCS_HOST_RSP, %eax
	vmwrite %rsp, %rax

	test %sil, %sil /* MOV keeps the flags until the choice below */
	mov REG(0), %rax
	load_guest_regs
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
	store_guest_regs
	xor %eax, %eax

3:	clear_guest_regs
	pop_host_regs
	ret
	.size vmx_run, . - vmx_run

	.section .note.GNU-stack, "", @progbits

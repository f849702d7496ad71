/*
 * Where a CPU starts after SIPI: real mode, to long mode, to ap_entry in the kernel. smp.c
 * copies trampoline_start..trampoline_end to the first page of the hand-off's trampoline area;
 * the page after it holds the PML4. It depends on its own address only through CS.
 */
#include "kernel/lib/x86.h"

#define PML4_AT    0x1000

#define AT(label)  ((label) - trampoline_start)

	.section .rodata.trampoline, "a"
	.globl trampoline_start, trampoline_end
	.balign 16
	.code16
trampoline_start:
	cli
	cld
	movw %cs, %ax
	movw %ax, %ds
	movzwl %ax, %ebx
	shll $4, %ebx /* physical address of this page */

	/* Far pointers need linear addresses. CPUs that run here at once write the same. */
	leal AT(gdt)(%ebx), %eax
	movl %eax, AT(gdt_pointer) + 2
	leal AT(protected)(%ebx), %eax
	movl %eax, AT(far_protected)
	leal AT(long_mode)(%ebx), %eax
	movl %eax, AT(far_long)

	lgdtl AT(gdt_pointer)
	movl $CR0_PE, %eax
	movl %eax, %cr0
	ljmpl *AT(far_protected)

	.code32
protected:
	movw $0x10, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movl $CR4_PAE, %eax
	movl %eax, %cr4
	leal PML4_AT(%ebx), %eax
	movl %eax, %cr3
	movl $MSR_EFER, %ecx
	rdmsr
	orl $(EFER_LME | EFER_NXE), %eax
	wrmsr
	movl $(CR0_PG | CR0_WP | CR0_PE), %eax
	movl %eax, %cr0
	ljmpl *AT(far_long)(%ebx)

	.code64
long_mode:
	movq $ap_entry, %rax
	jmpq *%rax

	.balign 8
gdt:
	.quad 0
	.quad 0x00cf9b000000ffff /* 0x08: code, 32-bit, flat */
	.quad 0x00cf93000000ffff /* 0x10: data, flat */
	.quad 0x00209b0000000000 /* 0x18: code, 64-bit */
gdt_pointer:
	.word . - gdt - 1
	.long 0
far_protected:
	.long 0
	.word 0x08
far_long:
	.long 0
	.word 0x18
trampoline_end:

/*
 * Long mode, on the trampoline's page tables, which map the kernel's image: changes to the
 * kernel's own, finds this CPU's slot by its APIC ID, and calls smp_ap_main(slot) on the stack
 * that the slot names. A CPU without a slot was not asked to come.
 */
	.text
	.type ap_entry, @function
ap_entry:
	movq smp_cr3(%rip), %rax
	movq %rax, %cr3

	/* The APIC ID: leaf 0xb where there is one (EBX is not 0), else leaf 1. */
	xorl %eax, %eax
	cpuid
	cmpl $0xb, %eax
	jb 1f
	movl $0xb, %eax
	xorl %ecx, %ecx
	cpuid
	testl %ebx, %ebx
	jnz 2f
1:	movl $1, %eax
	cpuid
	shrl $24, %ebx
	movl %ebx, %edx

	/* struct ap_slot: smp.c checks these offsets and the size. */
2:	movq $smp_slots, %rdi
	movl smp_slot_count(%rip), %ecx
3:	subl $1, %ecx
	jb 4f
	cmpl %edx, (%rdi)
	je 5f
	addq $64, %rdi
	jmp 3b
4:	cli
	hlt
	jmp 4b

5:	movq 8(%rdi), %rsp
	xorl %ebp, %ebp
	call smp_ap_main
	jmp 4b
	.size ap_entry, . - ap_entry

	.section .note.GNU-stack, "", @progbits

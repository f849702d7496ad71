/* 256 entries, all the same: registers onto the stack, then trap_handle(). struct frame in
 * traps.h is what lies on the stack then. */
	.text
	.balign 16
	.globl trap_entries
trap_entries:
	.set vector, 0
	.rept 256
	.balign 16
	/* #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX bring an error code */
	.set has_error, 0
	.if vector < 32
	.set has_error, 0x60227d00 >> vector & 1
	.endif
	.if !has_error
	push $0
	.endif
	push $vector
	.if has_error
	jmp with_error
	.else
	jmp common
	.endif
	.set vector, vector + 1
	.endr

/* What comes as an interrupt brings none, whatever its vector: then CS is one place nearer. */
with_error:
	cmpq $8, 16(%rsp)
	jne common
	push (%rsp)
	movq $0, 8(%rsp)

common:
	push %rax
	push %rcx
	push %rdx
	push %rbx
	push %rbp
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	push %r12
	push %r13
	push %r14
	push %r15
	cld
	mov %rsp, %rdi
	call trap_handle
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rbp
	pop %rbx
	pop %rdx
	pop %rcx
	pop %rax
	add $16, %rsp
	iretq

	.section .note.GNU-stack, "", @progbits

/*
 * The first instructions of every exception and interrupt: makes a struct trap_frame and calls
 * trap_dispatch(frame). There is no user mode, so GS always holds the per-CPU block.
 */
#include "kernel/lib/x86.h"

#define GDT_CODE 0x08 /* gdt.h */
#define GDT_DATA 0x10

	.text

/* Exceptions that push an error code: SDM vol. 3A table 6-1. */
#define ERROR_CODES (BIT(VECTOR_DF) | BIT(VECTOR_TS) | BIT(VECTOR_NP) | BIT(VECTOR_SS) | \
		     BIT(VECTOR_GP) | BIT(VECTOR_PF) | BIT(VECTOR_AC) | BIT(VECTOR_CP) | \
		     BIT(VECTOR_VC) | BIT(VECTOR_SX))

/*
 * 256 entries of 16 bytes each. #DB does nothing but go on, with RF so that the instruction runs
 * now: we set no breakpoints, and a guest's are disabled when it exits (APM vol. 2 15.6), except
 * by QEMU 7.2 those on instructions. Such a one may come while GS is still the guest's.
 */
	.balign 16
	.globl trap_entries
	.type trap_entries, @function
trap_entries:
	.set vector, 0
	.rept 256
	.balign 16
	.if vector == VECTOR_DB
	orl $RFLAGS_RF, 16(%rsp)
	iretq
	.else
	.if vector >= 32 || !((ERROR_CODES >> (vector & 31)) & 1)
	pushq $0
	.endif
	pushq $vector
	jmp trap_common
	.endif
	.set vector, vector + 1
	.endr
	.size trap_entries, . - trap_entries

	.type trap_common, @function
trap_common:
	pushq %rax
	pushq %rbx
	pushq %rcx
	pushq %rdx
	pushq %rbp
	pushq %rsi
	pushq %rdi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	cld
	/* What was interrupted may have had user_access_begin() in force; iretq restores it. */
	cmpb $0, trap_clear_ac(%rip)
	je 1f
	clac
1:	movq %rsp, %rdi
	/* RBP still is the interrupted function's: the backtrace starts from the frame. */
	call trap_dispatch
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rdi
	popq %rsi
	popq %rbp
	popq %rdx
	popq %rcx
	popq %rbx
	popq %rax
	addq $16, %rsp /* vector, error */
	iretq
	.size trap_common, . - trap_common

/* void trap_take(unsigned vector): the frame that the CPU would have pushed (SDM vol. 3A 6.14.2),
 * and on to the vector's entry, whose IRETQ comes back here. */
	.globl trap_take
	.type trap_take, @function
trap_take:
	movl %edi, %edi
	shlq $4, %rdi
	addq $trap_entries, %rdi
	movq %rsp, %rax
	andq $-16, %rsp
	pushq $GDT_DATA
	pushq %rax
	pushfq
	pushq $GDT_CODE
	call *%rdi
	ret
	.size trap_take, . - trap_take

	.section .note.GNU-stack, "", @progbits

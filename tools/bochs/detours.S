/*
 * Where tools/bochs/mend has Bochs 3.1 go instead: each does what it takes the place of, and
 * what was missing there. Offsets are those of BX_CPU_C's fields in that build.
 */
#define RIP	      0xe8
#define PREV_RIP      0x120
#define ICOUNT	      0x140
#define PENDING_EVENT 0x91e0
#define EVENT_MASK    0x91e4
#define ASYNC_EVENT   0x91e8

#define EVENT_PENDING_VMX_VIRTUAL_INTR 0x200

	.text
	.globl at_entry, at_trace, at_interrupt, at_unwound

/* In VMLAUNCH, for its call of VMenterInjectEvents(), which comes when the CPU is in the guest.
 * Both functions have one argument, the CPU in RDI. */
at_entry:
	push %rdi
	call _ZN8BX_CPU_C25handleInterruptMaskChangeEv
	pop %rdi
	jmp _ZN8BX_CPU_C19VMenterInjectEventsEv

/* At the begin of cpu_run_trace(), which loads async_event into EAX. */
at_trace:
	mov RIP(%rdi), %rax
	mov %rax, PREV_RIP(%rdi)
	mov ASYNC_EVENT(%rdi), %eax
	ret

/* In HandleExtInterrupt(), for a test of pending_event, with the CPU in RBX and EAX free. */
at_interrupt:
	mov EVENT_MASK(%rbx), %eax
	not %eax
	and PENDING_EVENT(%rbx), %eax
	test $EVENT_PENDING_VMX_VIRTUAL_INTR, %eax
	ret

/* In bx_begin_simulation(), for what it does when setjmp() returns again, behind an exception or
 * a guest's exit: a CPU is to be in RDI, the array of all of them is in RSI. Our return address
 * lies below its locals: whose turn it is at 4, whether that CPU is to run at 11. */
at_unwound:
	mov 4+8(%rsp), %eax
	mov (%rsi,%rax,8), %rdi
	incq ICOUNT(%rdi)
	movb $0, 11+8(%rsp)
	ret

	.section .note.GNU-stack, "", @progbits

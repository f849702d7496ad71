/* Changing from one thread's stack to another's. Which, and when, is thread.c's. */

/*
 * void switch_stacks(uint64_t *save_rsp, uint64_t load_rsp): what the ABI says a callee keeps
 * goes on the old stack; the rest is the caller's affair. Returns on the new stack. A new
 * thread's stack is made by thread.c to look as if it had called this.
 */
	.section .text.switch_stacks, "ax"
	.globl switch_stacks
	.type switch_stacks, @function
switch_stacks:
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, (%rdi)
	movq %rsi, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	ret
	.size switch_stacks, . - switch_stacks

	.section .note.GNU-stack, "", @progbits

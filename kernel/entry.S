/*
 * The kernel's first instructions, on the CPU that booted the machine: from boot's jump
 * (state: boot/handoff.h) to kernel_main(). The other CPUs enter through cpu/trampoline.S.
 */
#define BOOT_STACK_BYTES 32768

	.section .text.entry, "ax"
	.globl kernel_entry
	.type kernel_entry, @function
kernel_entry:
	cli
	cld
	movq $boot_stack_top, %rsp
	xorl %ebp, %ebp /* backtraces end here */
	/* %rdi: the hand-off structure, as boot passed it. */
	call kernel_main
1:	hlt
	jmp 1b
	.size kernel_entry, . - kernel_entry

/*
 * link.ld puts this stack first in the bss segment, with an unmapped page before it, so that
 * running over its end faults. It becomes the stack of CPU 0's idle thread.
 */
	.section .bss.boot_stack, "aw", @nobits
	.balign 4096
boot_stack:
	.skip BOOT_STACK_BYTES
	.globl boot_stack_top
boot_stack_top:

	.section .note.GNU-stack, "", @progbits

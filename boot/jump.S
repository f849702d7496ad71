/*
 * The last instructions of boot. They run on the firmware's page tables at first, then on
 * ours, where this page alone is identity-mapped executable: hence one page, and no calls.
 */
#define MSR_EFER      0xc0000080 /* SDM vol. 4, table 2-2; APM vol. 2 3.1.7 */
#define EFER_NXE_BIT  11
#define CR0_WP_BIT    16
/* PGE and PCIDE, to leave no translation of the firmware's behind; CET, to land anywhere. */
#define CR4_UNWANTED  ((1 << 7) | (1 << 17) | (1 << 23))

	.text
	.balign 128	/* and shorter than that: never across the end of a page */
	.globl enter_jump
	.type enter_jump, @function
enter_jump:		/* rdi = handoff, rsi = pml4, rdx = stack top, rcx = entry */
	cli
	cld
	mov %rcx, %r8
	mov %rdx, %r9

	mov %cr4, %rax
	and $~CR4_UNWANTED, %rax
	mov %rax, %cr4

	mov $MSR_EFER, %ecx
	rdmsr
	bts $EFER_NXE_BIT, %eax
	wrmsr

	mov %rsi, %cr3
	mov %cr0, %rax
	bts $CR0_WP_BIT, %rax
	mov %rax, %cr0

	mov %r9, %rsp
	xor %ebp, %ebp	/* where a backtrace ends */
	jmp *%r8
	.size enter_jump, . - enter_jump
	.if . - enter_jump > 128
	.error "enter_jump may cross the end of a page"
	.endif

	.section .note.GNU-stack, "", @progbits

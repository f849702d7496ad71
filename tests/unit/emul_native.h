/*
 * Runs one instruction on the build machine's CPU with chosen registers. For
 * test_emul_native.c, which includes it once; x86-64 only.
 */
#ifndef TESTS_UNIT_EMUL_NATIVE_H
#define TESTS_UNIT_EMUL_NATIVE_H

#include <stddef.h>
#include <stdint.h>

/* The CPU's registers before and after an instruction; native_run knows the offsets. */
struct machine {
	uint64_t gpr[16];
	uint64_t rflags;
	uint64_t host_rsp;
	uint8_t xmm[16][16];
};

_Static_assert(offsetof(struct machine, rflags) == 128, "native_run");
_Static_assert(offsetof(struct machine, host_rsp) == 136, "native_run");
_Static_assert(offsetof(struct machine, xmm) == 144, "native_run");

struct machine native_machine;
uint8_t *native_code;
void native_run(void);	/* loads native_machine, goes to native_code */
void native_exit(void); /* where that must go: stores native_machine, returns from native_run */

__asm__(".text\n"
	"native_run:\n"
	".irp reg, rbx, rbp, r12, r13, r14, r15\n"
	"	push %\\reg\n"
	".endr\n"
	"	lea native_machine(%rip), %rax\n"
	"	mov %rsp, 136(%rax)\n"
	".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	movdqu 144+16*\\n(%rax), %xmm\\n\n"
	".endr\n"
	"	pushq 128(%rax)\n"
	"	popfq\n"
	"	mov 8(%rax), %rcx\n"
	"	mov 16(%rax), %rdx\n"
	"	mov 24(%rax), %rbx\n"
	"	mov 32(%rax), %rsp\n"
	"	mov 40(%rax), %rbp\n"
	"	mov 48(%rax), %rsi\n"
	"	mov 56(%rax), %rdi\n"
	".irp n, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	mov 8*\\n(%rax), %r\\n\n"
	".endr\n"
	"	mov (%rax), %rax\n"
	"	jmp *native_code(%rip)\n"
	"native_exit:\n"
	"	mov %rsp, native_machine+32(%rip)\n"
	"	mov native_machine+136(%rip), %rsp\n"
	"	pushfq\n"
	"	popq native_machine+128(%rip)\n"
	"	cld\n"
	"	mov %rax, native_machine(%rip)\n"
	"	lea native_machine(%rip), %rax\n"
	"	mov %rcx, 8(%rax)\n"
	"	mov %rdx, 16(%rax)\n"
	"	mov %rbx, 24(%rax)\n"
	"	mov %rbp, 40(%rax)\n"
	"	mov %rsi, 48(%rax)\n"
	"	mov %rdi, 56(%rax)\n"
	".irp n, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	mov %r\\n, 8*\\n(%rax)\n"
	".endr\n"
	".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	movdqu %xmm\\n, 144+16*\\n(%rax)\n"
	".endr\n"
	".irp reg, r15, r14, r13, r12, rbp, rbx\n"
	"	pop %\\reg\n"
	".endr\n"
	"	ret\n");

#endif

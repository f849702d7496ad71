/* Interrupt vectors: which are ours, and who handles them. What the CPU does before and after
 * is traps.h. */
#ifndef KERNEL_CPU_VECTORS_H
#define KERNEL_CPU_VECTORS_H

#include "kernel/lib/types.h"

/* As entry.S pushes it. */
struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rdx, rcx, rbx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

/* Those of exceptions that somebody looks at. */
enum exception {
	EXCEPTION_NMI = 2,
	EXCEPTION_DOUBLE_FAULT = 8,
	EXCEPTION_GENERAL_PROTECTION = 13,
	EXCEPTION_PAGE_FAULT = 14,
	EXCEPTION_MACHINE_CHECK = 18,
	EXCEPTION_COUNT = 32,
};

/* Vectors: SDM vol. 3A 6.2; the fixed ones of ours from the top, devices below. */
enum trap_vector {
	VECTOR_DEVICE_FIRST = 0x30,
	VECTOR_DEVICE_LAST = 0xdf,
	VECTOR_KICK = 0xf0,  /* smp_kick */
	VECTOR_CALL = 0xf1,  /* smp_call_others */
	VECTOR_TIMER = 0xf2, /* local APIC timer */
	VECTOR_POSTED =
		0xf3, /* a vCPU has interrupts posted; nothing to do outside guest mode */
	VECTOR_SPURIOUS = 0xff,
};

typedef void (*trap_handler)(unsigned vector, void *arg);

/* Interrupt handlers run with IF = 0 on the interrupted thread's stack; they must not sleep.
 * The local APIC's EOI is sent by the trap code after the handler. */
void trap_register(unsigned vector, trap_handler handler, void *arg);
/* Takes a free vector of the device range; -ENOSPC when there is none. */
int trap_alloc_vector(trap_handler handler, void *arg);

/* For traps.c: runs the handler, if there is one. */
bool vectors_handle(unsigned vector);

#endif

/* The IDT: exceptions, which print and panic, and interrupt vectors, which drivers take. */
#ifndef KERNEL_CPU_TRAPS_H
#define KERNEL_CPU_TRAPS_H

#include "kernel/lib/types.h"

/* As entry.S pushes it. */
struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rdx, rcx, rbx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
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

void traps_init(void); /* once, on CPU 0 */

/* GDT, TSS with IST stacks for NMI, #DF and #MC, IDT; with the stacks of cpu_this()->ist_top,
 * machine checks too. CPU 0 calls it twice, before it has these stacks and after. */
void traps_init_this_cpu(void);

/* Handles an interrupt that this CPU has acknowledged without taking it (VMX can do that), as
 * if it came now. Interrupts off, before and after. */
void trap_take(unsigned vector);

/* Prints the machine's state at `frame`: registers, symbolised backtrace, CPU. */
void trap_dump(const struct trap_frame *frame);

#endif

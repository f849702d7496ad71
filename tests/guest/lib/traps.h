/* Exceptions and interrupts: handlers for vectors, and TRY, which runs one instruction and
 * tells what it raised. */
#ifndef TESTS_GUEST_LIB_TRAPS_H
#define TESTS_GUEST_LIB_TRAPS_H

#include "tests/guest/lib/smp.h"

enum vector {
	VECTOR_DE = 0,
	VECTOR_DB = 1,
	VECTOR_NMI = 2,
	VECTOR_BP = 3,
	VECTOR_UD = 6,
	VECTOR_NM = 7,
	VECTOR_DF = 8,
	VECTOR_GP = 13,
	VECTOR_PF = 14,
	VECTOR_MF = 16,
	VECTOR_XM = 19,
	VECTOR_PIC = 0x20, /* to 0x2f: IRQ 0 to 15 */
	VECTOR_NAP = 0xef,
	VECTOR_WAKE = 0xf0,
	VECTOR_SPURIOUS = 0xff,
};

struct frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

/* Called with interrupts off, on any CPU; NULL removes it. An exception or interrupt that has
 * neither a handler nor a TRY ends the program as failed. */
void trap_handler(unsigned vector, void (*handler)(struct frame *frame));
void traps_load(void); /* this CPU's IDT */

#define NO_TRAP (-1)

/*
 * TRY(instruction, OUT(...), IN(...)) runs an instruction that must not move RSP and gives the
 * struct trap of what it raised; .vector is NO_TRAP if nothing. Execution goes on behind it
 * either way. Operands are as in asm; outputs want "+", since a fault leaves them alone.
 * Registers that it spoils beside these follow as strings.
 */
#define OUT(...) , ##__VA_ARGS__
#define IN(...)	 __VA_ARGS__
#define TRY(insn, out, in, ...)                                                          \
	({                                                                               \
		struct cpu *cpu_ = cpu_self();                                           \
                                                                                         \
		cpu_->trap = (struct trap){.vector = NO_TRAP};                           \
		asm volatile("movq $99f, %[resume]\n\t" insn "\n99:\tmovq $0, %[resume]" \
			     : [resume] "+m"(cpu_->resume)out:in                         \
			     : "memory", "cc", ##__VA_ARGS__);                           \
		cpu_->trap;                                                              \
	})

static inline struct trap try_rdmsr(uint32_t msr, uint64_t *value)
{
	uint32_t lo = 0, hi = 0;
	struct trap trap = TRY("rdmsr", OUT("+a"(lo), "+d"(hi)), IN("c"(msr)));

	*value = (uint64_t)hi << 32 | lo;
	return trap;
}

static inline struct trap try_wrmsr(uint32_t msr, uint64_t value)
{
	return TRY("wrmsr", OUT(),
		   IN("c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))));
}

#endif

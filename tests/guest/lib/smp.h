/* The CPUs of the guest: who one is, and giving the others work. */
#ifndef TESTS_GUEST_LIB_SMP_H
#define TESTS_GUEST_LIB_SMP_H

#include "tests/guest/lib/cpu.h"

#define CPUS_MAX	16
#define CPU_BLOCK_BYTES 16384 /* a CPU's struct, and its stack above it */

struct trap {
	int vector; /* NO_TRAP: none */
	uint32_t error;
	uint64_t cr2, rip;
};

struct cpu {
	uint64_t resume; /* where TRY goes on after a trap; 0: not in a TRY */
	struct trap trap;
	uint32_t seed;
	void (*volatile work)(uint64_t arg); /* NULL: idle */
	volatile uint64_t arg;
	volatile unsigned starts; /* how often it came up */
};

union cpu_block {
	struct cpu cpu;
	uint8_t bytes[CPU_BLOCK_BYTES];
};
extern union cpu_block cpu_blocks[CPUS_MAX]; /* by APIC ID */

/* Found by the stack pointer, so that a test may do as it likes to GS. */
static inline struct cpu *cpu_self(void)
{
	uintptr_t rsp;

	asm("mov %%rsp, %0" : "=r"(rsp));
	return (struct cpu *)(rsp & -(uintptr_t)CPU_BLOCK_BYTES);
}

static inline unsigned cpu_index(void)
{
	return (union cpu_block *)cpu_self() - cpu_blocks;
}

static inline struct cpu *cpu_at(unsigned index)
{
	return &cpu_blocks[index].cpu;
}

/* How many CPUs the machine says it has (fw_cfg). */
unsigned cpu_count(void);

/* Starts all others by INIT-SIPI-SIPI; they wait for work. Returns cpu_count(); ends the
 * program if one does not come. */
unsigned smp_start(void);
/* Page below 1 MiB with the code that SIPI starts; smp_start() put it there. */
#define SMP_TRAMPOLINE 0x8000

/* Gives another CPU a function to run. It must be idle; it runs with interrupts off. */
void cpu_run(unsigned index, void (*work)(uint64_t arg), uint64_t arg);
/* Waits until a CPU is idle; ends the program after `limit_ms`. */
void cpu_join(unsigned index, unsigned limit_ms);

/* For a stage that all of `count` CPUs must have reached before any goes on. Zero at first. */
struct barrier {
	volatile unsigned arrived, round;
};
void barrier_wait(struct barrier *barrier, unsigned count);

#endif

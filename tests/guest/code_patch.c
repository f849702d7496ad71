/*
 * Code that one CPU changes while others run it, as Linux does it: INT3 over its first byte,
 * then the rest, then the first byte. A CPU that ran into an INT3 which is gone by now goes
 * back and runs what is there, which must be something else the next time (Linux:
 * kprobe_int3_handler()). QEMU's TCG keeps the INT3 for ever once in a while.
 */
#include "tests/guest/lib/smp.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"
#include "tests/guest/lib/traps.h"

#define ROUNDS	   20000
#define LIMIT_US   4000000 /* should the machine be busy */
#define INT3	   0xcc
#define STUCK	   1000000 /* so often in a row, it is not there and raised nevertheless */
#define INSN_BYTES 2

/* Both forms do nothing: NOP of two bytes, JMP to the next instruction; then RET. */
static const uint8_t forms[2][INSN_BYTES] = {{0x66, 0x90}, {0xeb, 0x00}};
static volatile uint8_t code[4096] __attribute__((aligned(4096))) = {0x66, 0x90, 0xc3};

static volatile bool stop;
static volatile unsigned calls[CPUS_MAX]; /* of code[], by CPU */
static volatile unsigned met, gone, in_a_row[CPUS_MAX], stuck;

static void on_breakpoint(struct frame *frame)
{
	unsigned cpu = cpu_index();

	if (code[0] == INT3) {
		__atomic_add_fetch(&met, 1, __ATOMIC_RELAXED);
		in_a_row[cpu] = 0;
		frame->rip += INSN_BYTES - 1;
		return;
	}
	__atomic_add_fetch(&gone, 1, __ATOMIC_RELAXED);
	if (++in_a_row[cpu] < STUCK) {
		frame->rip--;
		return;
	}
	__atomic_add_fetch(&stuck, 1, __ATOMIC_RELAXED);
	in_a_row[cpu] = 0;
	frame->rip += INSN_BYTES - 1;
}

static void execute(uint64_t cpu)
{
	while (!stop) {
		asm volatile("call *%0" : : "r"(code) : "memory", "cc");
		in_a_row[cpu] = 0;
		calls[cpu]++;
	}
}

/* Until each of the others has come by, or is stuck. */
static void let_all_pass(unsigned cpus)
{
	unsigned before[CPUS_MAX];
	uint32_t start = pm_now();

	for (unsigned i = 1; i < cpus; i++)
		before[i] = calls[i];
	for (unsigned i = 1; i < cpus; i++)
		while (calls[i] - before[i] < 2 && pm_us_since(start) < LIMIT_US && !stuck)
			asm volatile("pause");
}

void test(void)
{
	unsigned cpus = smp_start(), rounds = race_rounds(ROUNDS), round;
	uint32_t start = pm_now();

	trap_handler(VECTOR_BP, on_breakpoint);
	for (unsigned i = 1; i < cpus; i++)
		cpu_run(i, execute, i);
	for (round = 0; round < rounds && !stuck && pm_us_since(start) < LIMIT_US; round++) {
		code[0] = INT3;
		let_all_pass(cpus);
		code[1] = forms[round & 1][1];
		code[0] = forms[round & 1][0];
		let_all_pass(cpus);
	}
	stop = true;
	for (unsigned i = 1; i < cpus; i++)
		cpu_join(i, 20000);
	print("%u rounds, %u INT3, %u of them gone\n", round, met, gone);
	check(round && met && !stuck, "code that is changed while it runs",
	      "%u CPUs raised an INT3 that was not there for ever", stuck);
}

/*
 * Self-modifying code around emulated accesses. The hypervisor reads the instruction that
 * touched MMIO from the guest's memory some time after it was fetched: if it has changed since,
 * by this CPU just before or by another at any moment, it must carry out one of the two
 * instructions, whole, or let the guest try again; never stop the guest, or do a mixture.
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"
#include "tests/guest/lib/traps.h"

#define ROUNDS	 1500
#define REGISTER (APIC_PAGE + APIC_TPR)

/* code[] is called with RDI = the APIC's TPR; both forms are eight bytes with the RET. */
static uint8_t code[4096] __attribute__((aligned(4096)));

static const uint8_t write_20[8] = {0xc7, 0x07, 0x20, 0,
				    0,	  0,	0xc3, 0x90}; /* mov [rdi], 0x20 */
static const uint8_t write_40[8] = {0xc7, 0x07, 0x40, 0,
				    0,	  0,	0xc3, 0x90}; /* mov [rdi], 0x40 */
static const uint8_t load[8] = {0x8b, 0x07, 0x90, 0x90,
				0x90, 0x90, 0xc3, 0x90}; /* mov eax, [rdi] */
static const uint8_t add_10[8] = {0x83, 0x07, 0x10, 0x90,
				  0x90, 0x90, 0xc3, 0x90}; /* add [rdi] */

static uint32_t call(unsigned offset)
{
	uint64_t rax = 0;

	asm volatile("call *%1"
		     : "+a"(rax)
		     : "r"(code + offset), "D"(REGISTER)
		     : "memory", "cc");
	return rax;
}

/* As one store, so that no CPU ever sees half of it. */
static void put(unsigned offset, const uint8_t insn[8])
{
	*(volatile uint64_t *)(code + offset) = *(const uint64_t *)insn;
}

/* The instruction is written just before it runs, each time another. */
static void test_self(void)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		put(0, write_20);
		call(0);
		wrong += apic_read(APIC_TPR) != 0x20;
		put(0, add_10);
		call(0);
		wrong += apic_read(APIC_TPR) != 0x30;
		put(0, load);
		wrong += call(0) != 0x30;
		put(0, write_40);
		call(0);
		wrong += apic_read(APIC_TPR) != 0x40;
	}
	apic_write(APIC_TPR, 0);
	check(!wrong, "code changed just before", "%u wrong results", wrong);
}

/* The same over a page boundary that the instruction crosses. */
static void test_crossing(void)
{
	static uint8_t pages[8192] __attribute__((aligned(4096)));
	unsigned wrong = 0;
	uint64_t rax;

	for (unsigned at = 4096 - 7; at <= 4096; at++) {
		for (unsigned i = 0; i < sizeof(write_20); i++)
			pages[at + i] = write_20[i];
		asm volatile("call *%1"
			     : "=a"(rax)
			     : "r"(pages + at), "D"(REGISTER)
			     : "memory", "cc");
		wrong += apic_read(APIC_TPR) != 0x20;
		apic_write(APIC_TPR, 0);
	}
	check(!wrong, "instruction across pages", "%u wrong results", wrong);
}

/*
 * With another CPU, one byte alone changes: no CPU or emulator can then see a mixture that is
 * not one of these.
 */
static volatile unsigned stop;

static const uint8_t opcodes[] = {
	0x89, /* mov [rdi], eax */
	0x8b, /* mov eax, [rdi] */
	0x39, /* cmp [rdi], eax */
	0x87, /* xchg [rdi], eax */
};

static void change_opcode(uint64_t arg)
{
	(void)arg;
	for (unsigned i = 0; !stop; i++)
		*(volatile uint8_t *)(code + 64) = opcodes[i % ARRAY_SIZE(opcodes)];
}

static void test_other(void)
{
	unsigned wrong = 0;

	put(64, (const uint8_t[8]){0x89, 0x07, 0xc3});
	cpu_run(1, change_opcode, 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t rax = i % 2 ? 0x20 : 0x40;

		asm volatile("call *%1"
			     : "+a"(rax)
			     : "r"(code + 64), "D"(REGISTER)
			     : "memory", "cc");
		wrong += rax & ~0x60ull || apic_read(APIC_TPR) & ~0x60u;
	}
	stop = 1;
	cpu_join(1, 2000);
	apic_write(APIC_TPR, 0);
	check(!wrong, "code changed by another CPU", "%u strange results", wrong);
}

static const uint8_t operands[] = {
	0x07, /* mov dword [rdi], 0x20 */
	0xc6, /* mov esi, 0x20: what the exit was for is gone */
	0x0f, /* no such instruction, of the same length */
};

static void change_operand(uint64_t arg)
{
	(void)arg;
	for (unsigned i = 0; !stop; i++)
		*(volatile uint8_t *)(code + 129) = operands[i % ARRAY_SIZE(operands)];
}

static void skip_illegal(struct frame *frame)
{
	frame->rip += 6;
}

static void test_removed(void)
{
	unsigned wrong = 0;

	stop = 0;
	put(128, write_20);
	trap_handler(VECTOR_UD, skip_illegal);
	cpu_run(1, change_operand, 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t rsi = 0;

		asm volatile("call *%1"
			     : "+S"(rsi)
			     : "r"(code + 128), "D"(REGISTER)
			     : "memory", "cc", "rax");
		wrong += rsi != 0 && rsi != 0x20;
	}
	stop = 1;
	cpu_join(1, 2000);
	trap_handler(VECTOR_UD, NULL);
	apic_write(APIC_TPR, 0);
	check(!wrong, "code removed by another CPU", "%u strange results", wrong);
}

void test(void)
{
	unsigned cpus = smp_start();

	test_self();
	test_crossing();
	if (cpus > 1) {
		test_other();
		test_removed();
	} else {
		skip("another CPU", "there is none");
	}
}

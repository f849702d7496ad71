/*
 * Instructions that the hypervisor does for the guest, at the very end of a code segment of 4
 * GiB and of the canonical half. Outside of 64-bit mode EIP wraps behind them (on Linux any
 * process gets such a segment by modify_ldt(2)); in 64-bit mode RIP does not, and the fetch of
 * what follows is #GP. A CPU may refuse to be entered with what is in neither's order.
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/traps.h"

#define SELECTOR 0x28
#define CODE_32	 0x00cf9b000000ffffull /* G D, present, code, readable, accessed */
#define BASE(b)	 (((b)&0xffffffull) << 16 | ((b) >> 24 & 0xffull) << 56)
#define RETF	 0xcb
#define TOP	 0x0000800000000000ull /* what is behind the lower canonical half */
#define PAGE	 4096
#define PRESENT	 3 /* and writable */
#define UART	 0x3fd

/* The last bytes before the wrap; what is behind it is RETF. */
static const struct insn { /* RAX is not 0 afterwards */
	const char *name;
	uint8_t bytes[4], count;
	uint32_t rax, rbx, rdx;
} insns[] = {
	{"CPUID", {0x0f, 0xa2}, 2, 0, 0, 0},
	{"CPUID with a prefix", {0x66, 0x0f, 0xa2}, 3, 0, 0, 0},
	{"RDMSR", {0x0f, 0x32}, 2, 0, 0, 0}, /* RCX is 0x1b: IA32_APIC_BASE */
	{"IN", {0xec}, 1, 0, 0, UART},
	{"a device's register", {0x8b, 0x03}, 2, 0, 0xfee00030, 0},
	{"and one pushed", {0xff, 0x33, 0x58}, 2, 0, 0xfee00030, 0}, /* POP is behind it */
};

static uint8_t code[2 * PAGE] __attribute__((aligned(PAGE)));
static uint64_t gdt[8], tables[3][512] __attribute__((aligned(PAGE)));
extern uint64_t page_map[512];

static volatile unsigned traps;
static volatile uint64_t trap_rip, trap_cs;

static void on_debug(struct frame *frame)
{
	traps++;
	trap_rip = frame->rip;
	trap_cs = frame->cs;
}

/* The segment's EIP 0 is at the second page of `code`. */
static void make_segment(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) table;

	asm volatile("sgdt %0" : "=m"(table));
	for (unsigned i = 0; i < (table.limit + 1u) / 8 && i < 5; i++)
		gdt[i] = ((uint64_t *)table.base)[i];
	gdt[SELECTOR / 8] = CODE_32 | BASE((uint64_t)&code[PAGE]);
	table.base = (uint64_t)gdt;
	table.limit = sizeof gdt - 1;
	asm volatile("lgdt %0" : : "m"(table));
}

static void put(const uint8_t *bytes, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		code[PAGE - count + i] = bytes[i];
	code[PAGE] = RETF;
}

static void call_segment(const struct insn *insn)
{
	struct {
		uint32_t offset;
		uint16_t selector;
	} __attribute__((packed)) target = {-(uint32_t)insn->count, SELECTOR};
	uint32_t a = insn->rax, b = insn->rbx, c = 0x1b, d = insn->rdx;

	asm volatile("lcall *%[target]"
		     : "+a"(a), "+b"(b), "+c"(c), "+d"(d)
		     : [target] "m"(target)
		     : "memory", "cc");
	check(a, insn->name, "EAX is 0");
}

static void test_int1(void)
{
	static const struct insn icebp = {"INT1 returns to EIP 0", {0xf1}, 1, 1, 0, 0};

	if (TRY(".byte 0xf1", OUT(), IN()).vector != VECTOR_DB) { /* QEMU 7.2: #UD */
		skip("INT1", "the CPU does not have it");
		return;
	}
	trap_handler(VECTOR_DB, on_debug);
	put(icebp.bytes, 1);
	call_segment(&icebp);
	check(traps == 1 && trap_rip == 0 && trap_cs == SELECTOR, "INT1 at EIP's end",
	      "%u traps, at 0x%lx:0x%lx", traps, trap_cs, trap_rip);
	trap_handler(VECTOR_DB, NULL);
}

static void test_eip(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(insns); i++) {
		put(insns[i].bytes, insns[i].count);
		if (insns[i].bytes[2] == 0x58) { /* POP EAX */
			code[PAGE] = 0x58;
			code[PAGE + 1] = RETF;
		}
		call_segment(&insns[i]);
	}
}

/* The first page of `code` is the last one of the lower half. */
static void map_top(void)
{
	page_map[255] = (uint64_t)tables[0] | PRESENT;
	tables[0][511] = (uint64_t)tables[1] | PRESENT;
	tables[1][511] = (uint64_t)tables[2] | PRESENT;
	tables[2][511] = (uint64_t)code | PRESENT;
	write_cr3(read_cr3());
}

static void test_rip(void)
{
	map_top();
	for (unsigned i = 0; i < ARRAY_SIZE(insns); i++) {
		const struct insn *insn = &insns[i];
		uint64_t a = insn->rax, b = insn->rbx, c = 0x1b, d = insn->rdx;
		struct trap trap;

		if (insn->bytes[0] == 0xff) /* moves the stack */
			continue;
		put(insn->bytes, insn->count);
		trap = TRY("jmp *%%rsi", OUT("+a"(a), "+b"(b), "+c"(c), "+d"(d)),
			   IN("S"(TOP - insn->count)));
		check(trap.vector == VECTOR_GP && !trap.error && trap.rip == TOP && a,
		      insn->name, "vector %d error 0x%x at 0x%lx, RAX 0x%lx", trap.vector,
		      trap.error, trap.rip, a);
	}
}

void test(void)
{
	make_segment();
	test_eip();
	test_int1();
	test_rip();
}

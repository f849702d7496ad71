/*
 * Segment registers, LDTR and TR loaded from a device's memory: the selector is a register of
 * a virtio device, the descriptors are the guest's own. What the CPU takes is taken, and what
 * it refuses raises what it raises (SDM vol. 2A LLDT, LTR; vol. 2B MOV).
 */
#include "tests/guest/lib/rng.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/traps.h"

enum { DATA = 0x18, ABSENT = 0x20, TABLE = 0x28, TASK = 0x38 };

#define MSR_FS_BASE 0xc0000100
#define DATA_BASE   0x12345678ull
#define BASE_BITS   (0x345678ull << 16 | 0x12ull << 56)
#define ACCESSED    BIT(40)

static uint64_t gdt[9], ldt[2];
static uint8_t task_state[104];

static void put_system(unsigned selector, void *at, unsigned bytes, unsigned access)
{
	uint64_t base = (uintptr_t)at;

	gdt[selector / 8] = (bytes - 1) | (base & 0xffffff) << 16 | (uint64_t)access << 40 |
			    (base >> 24 & 0xff) << 56;
	gdt[selector / 8 + 1] = base >> 32;
}

static void make_tables(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) table;

	asm volatile("sgdt %0" : "=m"(table));
	for (unsigned i = 0; i < 3; i++)
		gdt[i] = ((uint64_t *)table.base)[i];
	gdt[DATA / 8] = 0x00cf92000000ffffull | BASE_BITS;
	gdt[ABSENT / 8] = 0x00cf12000000ffffull;
	put_system(TABLE, ldt, sizeof ldt, 0x82);
	put_system(TASK, task_state, sizeof task_state, 0x89);
	ldt[1] = 0x00cf92000000ffffull;
	table.base = (uintptr_t)gdt;
	table.limit = sizeof gdt - 1;
	asm volatile("lgdt %0" : : "m"(table));
}

/* A device's memory that reads so. */
static volatile void *device(uint16_t selector)
{
	rng.common->queue_select = selector;
	return &rng.common->queue_select;
}

static void refused(const char *name, struct trap trap, int vector, unsigned error)
{
	check(trap.vector == vector && trap.error == error, name, "vector %d, error 0x%x",
	      trap.vector, trap.error);
}

static void test_segments(void)
{
	uint16_t selector;
	struct trap trap;

	asm volatile("mov (%1), %%fs; mov %%fs, %0" : "=r"(selector) : "r"(device(DATA)));
	check(selector == DATA && rdmsr(MSR_FS_BASE) == DATA_BASE, "FS", "0x%x, base 0x%lx",
	      selector, rdmsr(MSR_FS_BASE));
	check(gdt[DATA / 8] & ACCESSED, "it was accessed", "0x%lx", gdt[DATA / 8]);
	trap = TRY("mov (%[at]), %%es", OUT(), IN([at] "r"(device(DATA | 3))));
	refused("of another level", trap, VECTOR_GP, DATA);
	trap = TRY("mov (%[at]), %%es", OUT(), IN([at] "r"(device(ABSENT))));
	refused("that is not present", trap, 11, ABSENT);
	trap = TRY("mov (%[at]), %%es", OUT(), IN([at] "r"(device(sizeof gdt))));
	refused("behind the table", trap, VECTOR_GP, sizeof gdt);
	asm volatile("mov (%1), %%fs; mov %%fs, %0" : "=r"(selector) : "r"(device(0)));
	check(!selector, "no segment", "0x%x", selector);
}

static void test_system_segments(void)
{
	uint16_t selector;
	struct trap trap = TRY("lldt (%[at])", OUT(), IN([at] "r"(device(TASK))));

	refused("LLDT of a task", trap, VECTOR_GP, TASK);
	asm volatile("lldt (%1); sldt %0" : "=r"(selector) : "r"(device(TABLE)));
	check(selector == TABLE, "LLDT", "0x%x", selector);
	asm volatile("mov (%1), %%gs; mov %%gs, %0" : "=r"(selector) : "r"(device(8 | 4)));
	check(selector == 12 && ldt[1] & ACCESSED, "GS by that table", "0x%x", selector);
	trap = TRY("ltr (%[at])", OUT(), IN([at] "r"(device(0))));
	refused("LTR of nothing", trap, VECTOR_GP, 0);
	asm volatile("ltr (%1); str %0" : "=r"(selector) : "r"(device(TASK)));
	check(selector == TASK && gdt[TASK / 8] & BIT(41), "LTR", "0x%x, descriptor 0x%lx",
	      selector, gdt[TASK / 8]);
	trap = TRY("ltr (%[at])", OUT(), IN([at] "r"(device(TASK))));
	refused("LTR of a busy task", trap, VECTOR_GP, TASK);
	asm volatile("lldt %w0" : : "r"(0));
}

void test(void)
{
	make_tables();
	if (!rng_find())
		give_up("there is no device");
	test_segments();
	test_system_segments();
}

/*
 * Double faults (SDM vol. 3A tables 6-4 and 6-5). A gate that is not present makes a second
 * exception of each first one: contributory ones and page faults become #DF, benign ones and
 * interrupts are followed by #NP. Once for exceptions of the program's own, and once for those
 * that the hypervisor raises in the CPU's place, and where it must first find memory for the
 * IDT; the CPU must see no difference.
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/traps.h"

#define VECTOR_NP    11
#define GATE_PRESENT BIT(15)
#define IN_IDT	     2 /* of an error code: the selector is an IDT entry (6.13) */
#define EXT	     1 /* CPUs and emulators differ in it */
#define BIG_BYTES    0x200000ull
#define HOLE	     0x40000000ull
#define NOBODY	     0xd0000000ull
#define PAGE_RW_BIG  0x83
#define IRQ	     0x70

struct gate {
	uint16_t offset_low, selector, flags, offset_mid;
	uint32_t offset_high, zero;
};

struct idt_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

extern uint64_t page_directories[];

static struct gate *idt(void)
{
	struct idt_pointer pointer;

	asm volatile("sidt %0" : "=m"(pointer));
	return (struct gate *)pointer.base;
}

static void set_present(unsigned vector, bool present)
{
	volatile uint16_t *flags = &idt()[vector].flags;

	*flags = present ? *flags | GATE_PRESENT : *flags & ~GATE_PRESENT;
}

static void map(uint64_t linear, uint64_t entry)
{
	page_directories[linear / BIG_BYTES] = entry;
	asm volatile("invlpg (%0)" : : "r"(linear) : "memory");
}

static void expect_double(const char *name, struct trap trap)
{
	check(trap.vector == VECTOR_DF && trap.error == 0, name, "vector %d error 0x%x",
	      trap.vector, trap.error);
}

/* QEMU 7.2 counts IDT entries in 64-bit mode by 16 bytes, where CPUs count by 8. */
static void expect_not_present(const char *name, struct trap trap, unsigned vector)
{
	uint32_t error = trap.error & ~EXT;

	check(trap.vector == VECTOR_NP &&
		      (error == (vector << 3 | IN_IDT) || error == (vector << 4 | IN_IDT)),
	      name, "vector %d error 0x%x", trap.vector, trap.error);
}

/* The first was injected. QEMU 7.2's SVM forgets that before it delivers it, so that what comes
 * of it is the second alone: no fault of the hypervisor's. */
static void expect_double_of_injected(const char *name, struct trap trap, unsigned second)
{
	bool amd = cpuid(0, 0).ecx == 0x444d4163; /* "cAMD" */

	if (amd && trap.vector == (int)second)
		skip(name, "this CPU takes an injected exception for none");
	else
		expect_double(name, trap);
}

/* The CPU raises all of it. */
static void test_own(void)
{
	uint64_t rax = 1, rdx = 0;
	struct trap trap;

	set_present(VECTOR_DE, false);
	trap = TRY("divl %%ecx", OUT("+a"(rax), "+d"(rdx)), IN("c"(0)));
	set_present(VECTOR_DE, true);
	expect_double("#DE, contributory", trap);

	set_present(VECTOR_GP, false);
	trap = TRY("movl (%%rbx), %%eax", OUT("+a"(rax)), IN("b"(1ull << 60)));
	set_present(VECTOR_GP, true);
	expect_double("#GP, contributory", trap);

	map(HOLE, 0);
	set_present(VECTOR_PF, false);
	trap = TRY("movl (%%rbx), %%eax", OUT("+a"(rax)), IN("b"(HOLE)));
	set_present(VECTOR_PF, true);
	expect_double("#PF", trap);

	set_present(VECTOR_UD, false);
	trap = TRY("ud2", OUT(), IN());
	set_present(VECTOR_UD, true);
	expect_not_present("#UD, benign", trap, VECTOR_UD);
}

/* The hypervisor raises the first one, and the CPU the second on the way. */
static void test_raised(void)
{
	uint64_t rsi = NOBODY, rdi = HOLE, rcx = 1;
	struct trap trap;

	if (!hypervisor_is_ours()) {
		skip("exceptions that the hypervisor raises", "this is another hypervisor");
		return;
	}
	set_present(VECTOR_GP, false);
	trap = try_wrmsr(0xdead, 0);
	set_present(VECTOR_GP, true);
	expect_double_of_injected("#GP of WRMSR", trap, VECTOR_NP);

	map(HOLE, 0);
	set_present(VECTOR_PF, false);
	trap = TRY("rep movsb", OUT("+S"(rsi), "+D"(rdi), "+c"(rcx)), IN());
	set_present(VECTOR_PF, true);
	expect_double_of_injected("#PF of an emulated move", trap, VECTOR_NP);
	check(read_cr2() == HOLE, "CR2 of it", "0x%lx", read_cr2());

	set_present(VECTOR_UD, false);
	trap = TRY(".byte 0x0f, 0x01, 0xc9", OUT(), IN("a"(0), "c"(0))); /* MWAIT */
	set_present(VECTOR_UD, true);
	expect_not_present("#UD of MWAIT", trap, VECTOR_UD);
}

static struct trap not_present;
static volatile unsigned absent, present;

static void on_not_present(struct frame *frame)
{
	not_present = (struct trap){.vector = (int)frame->vector, .error = frame->error};
	absent++;
	set_present(IRQ, true);
}

static void on_interrupt(struct frame *frame)
{
	(void)frame;
	present++;
	apic_eoi();
}

/* An interrupt that found no gate is over; QEMU 7.2, to which it is offered as a virtual one,
 * delivers it again. */
static void test_interrupt(void)
{
	set_present(IRQ, false);
	trap_handler(VECTOR_NP, on_not_present);
	trap_handler(IRQ, on_interrupt);
	apic_ipi(0, ICR_SELF | ICR_ASSERT | IRQ);
	irq_on();
	while (!absent) /* it ends by the test's time limit, if it does not come */
		asm volatile("pause");
	irq_off();
	trap_handler(VECTOR_NP, NULL);
	expect_not_present("an interrupt", not_present, IRQ);
	if (!present)
		apic_eoi();
	check(absent == 1 && present <= 1, "once", "%u, %u", absent, present);
	check(!apic_bit(APIC_ISR, IRQ) && !apic_bit(APIC_IRR, IRQ), "it is over", "ISR or IRR");
}

/* The gate is in memory that nobody has touched yet: its delivery is interrupted by that, and
 * begun again; then the gate reads as zeroes. Those before it are on the page before. */
static void test_unpopulated(void)
{
	const uint64_t fresh = 6 * BIG_BYTES; /* far above the program */
	struct gate *copy = (struct gate *)(fresh - 13 * sizeof(struct gate));
	struct idt_pointer here = {4095, (uint64_t)idt()}, there = {4095, (uint64_t)copy};
	struct trap trap;

	for (unsigned i = 0; i < 13; i++)
		copy[i] = idt()[i];
	asm volatile("lidt %0" : : "m"(there));
	trap = try_wrmsr(0xdead, 0);
	asm volatile("lidt %0" : : "m"(here));
	expect_double_of_injected("#GP by a fresh gate", trap, VECTOR_NP);
}

/* #GP finds its gate on a page that is not mapped, and so does the #PF of that. */
static void test_page_faults(void)
{
	const uint64_t edge = 5 * BIG_BYTES;
	struct gate *copy = (struct gate *)(edge - 13 * sizeof(struct gate));
	struct idt_pointer here = {4095, (uint64_t)idt()}, there = {4095, (uint64_t)copy};
	uint64_t cr2;
	struct trap trap;

	for (unsigned i = 0; i < 13; i++)
		copy[i] = idt()[i];
	map(edge, 0);
	asm volatile("lidt %0" : : "m"(there));
	trap = try_wrmsr(0xdead, 0);
	asm volatile("lidt %0" : : "m"(here));
	cr2 = read_cr2();
	map(edge, edge | PAGE_RW_BIG);
	expect_double("#PF while #PF is delivered", trap);
	check(cr2 == (uint64_t)&copy[VECTOR_PF], "CR2 names the second", "0x%lx", cr2);
}

void test(void)
{
	test_own();
	test_raised();
	test_interrupt();
	test_page_faults();
	test_unpopulated();
}

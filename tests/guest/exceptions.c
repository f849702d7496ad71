/*
 * Exceptions that the hypervisor raises itself, in place of the CPU: their vector, error code,
 * RIP and CR2 must be as on hardware; and what must not be disturbed by an exit in between: the
 * shadow of STI and MOV SS, single steps, and registers.
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/smp.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"
#include "tests/guest/lib/traps.h"

#define PAGE_PRESENT BIT(0)
#define PAGE_WRITE   BIT(1)
#define PAGE_BIG     BIT(7)
#define PAGE_NX	     BIT(63)
#define BIG_BYTES    0x200000ull

#define HOLE	     0x40000000ull /* not mapped in these tests */
#define NOBODY	     0xd0000000ull
#define RFLAGS_TF    BIT(8)

extern uint64_t page_directories[];

/* The mapping of a 2 MiB page below 4 GiB. */
static void map(uint64_t linear, uint64_t entry)
{
	page_directories[linear / BIG_BYTES] = entry;
	asm volatile("invlpg (%0)" : : "r"(linear) : "memory");
}

static void expect_fault(const char *name, struct trap trap, uint32_t error, uint64_t cr2)
{
	check(trap.vector == VECTOR_PF && trap.error == error && trap.cr2 == cr2, name,
	      "vector %d error 0x%x CR2 0x%lx", trap.vector, trap.error, trap.cr2);
}

/* Emulated string moves that fault in RAM's page tables half-way. */
static void test_page_faults(void)
{
	uint64_t rsi = NOBODY, rdi = HOLE, rcx = 4;
	struct trap trap;

	map(HOLE, 0);
	trap = TRY("rep movsb", OUT("+S"(rsi), "+D"(rdi), "+c"(rcx)), IN());
	expect_fault("movs to what isn't mapped", trap, 2, HOLE);
	check(rcx == 4 && rsi == NOBODY && rdi == HOLE, "nothing moved", "RCX %lu", rcx);

	/* The first bytes go to RAM, then comes the page that isn't mapped. */
	map(HOLE - BIG_BYTES, PAGE_PRESENT | PAGE_WRITE | PAGE_BIG | 0);
	rsi = NOBODY;
	rdi = HOLE - 3;
	rcx = 8;
	/* linear HOLE-3 is physical 0x1ffffd: inside the guest's RAM, above the program */
	trap = TRY("rep movsb", OUT("+S"(rsi), "+D"(rdi), "+c"(rcx)), IN());
	expect_fault("movs across the end of what is", trap, 2, HOLE);
	check(rcx == 5 && rdi == HOLE && rsi == NOBODY + 3, "three were moved", "RCX %lu", rcx);

	map(HOLE, PAGE_PRESENT | PAGE_BIG | 0);
	rsi = NOBODY;
	rdi = HOLE + 100;
	rcx = 1;
	trap = TRY("rep movsb", OUT("+S"(rsi), "+D"(rdi), "+c"(rcx)), IN());
	expect_fault("movs to a read-only page", trap, 3, HOLE + 100);

	map(HOLE, 0);
	rdi = NOBODY;
	trap = TRY("pushq (%%rbx)", OUT(), IN("b"(HOLE)));
	expect_fault("push from what isn't mapped", trap, 0, HOLE);

	rdi = HOLE + 0x123;
	rcx = 2;
	trap = TRY("rep insb", OUT("+D"(rdi), "+c"(rcx)), IN("d"(0x1000)));
	expect_fault("ins to what isn't mapped", trap, 2, HOLE + 0x123);
	rsi = HOLE + 0x456;
	rcx = 2;
	trap = TRY("rep outsb", OUT("+S"(rsi), "+c"(rcx)), IN("d"(0x1000)));
	expect_fault("outs from what isn't mapped", trap, 0, HOLE + 0x456);
	map(HOLE, HOLE | PAGE_PRESENT | PAGE_WRITE | PAGE_BIG);
	map(HOLE - BIG_BYTES, (HOLE - BIG_BYTES) | PAGE_PRESENT | PAGE_WRITE | PAGE_BIG);
}

static void test_general(void)
{
	struct trap trap = try_wrmsr(0xdead, 0);
	uint64_t rax = 0;

	if (hypervisor_is_ours())
		check(trap.vector == VECTOR_GP && !trap.error, "WRMSR of an unknown MSR",
		      "vector %d error 0x%x", trap.vector, trap.error);
	trap = TRY("movl (%%rbx), %%eax", OUT("+a"(rax)), IN("b"(1ull << 60)));
	check(trap.vector == VECTOR_GP, "not canonical", "vector %d", trap.vector);
}

/* Instructions that the guest was not given. */
#define EXPECT_UD(name, bytes)                                                            \
	do {                                                                              \
		struct trap ud_ = TRY(".byte " bytes, OUT(), IN("a"(0), "c"(0), "d"(0))); \
                                                                                          \
		check(ud_.vector == VECTOR_UD, name, "vector %d", ud_.vector);            \
	} while (0)

static void test_undefined(void)
{
	EXPECT_UD("UD2", "0x0f, 0x0b");
	if (!hypervisor_is_ours()) {
		skip("instructions that are absent", "this is another hypervisor");
		return;
	}
	EXPECT_UD("VMRUN", "0x0f, 0x01, 0xd8");
	EXPECT_UD("VMLOAD", "0x0f, 0x01, 0xda");
	EXPECT_UD("VMSAVE", "0x0f, 0x01, 0xdb");
	EXPECT_UD("STGI", "0x0f, 0x01, 0xdc");
	EXPECT_UD("CLGI", "0x0f, 0x01, 0xdd");
	EXPECT_UD("SKINIT", "0x0f, 0x01, 0xde");
	EXPECT_UD("INVLPGA", "0x0f, 0x01, 0xdf");
	EXPECT_UD("MONITOR", "0x0f, 0x01, 0xc8");
	EXPECT_UD("MWAIT", "0x0f, 0x01, 0xc9");
	EXPECT_UD("VMXOFF", "0x0f, 0x01, 0xc4");
}

static volatile uint64_t interrupted_at;
static volatile unsigned interrupts;

static void on_interrupt(struct frame *frame)
{
	interrupted_at = frame->rip;
	interrupts++;
	apic_eoi();
}

#define VECTOR 0x70

/* Behind STI one instruction runs before a pending interrupt is taken, also when the hypervisor
 * carries that instruction out. */
static void test_shadow(void)
{
	uint64_t mark;

	trap_handler(VECTOR, on_interrupt);
	interrupts = 0;
	apic_ipi(0, ICR_SELF | ICR_ASSERT | VECTOR);
	asm volatile("lea 1f(%%rip), %0\n\tsti\n\tmov (%1), %%eax\n1:\tnop\n\tcli"
		     : "=&r"(mark)
		     : "r"(APIC_PAGE + APIC_VERSION)
		     : "rax", "memory");
	check(interrupts == 1 && interrupted_at == mark, "STI's shadow over MMIO",
	      "%u interrupts, %ld bytes off", interrupts, interrupted_at - mark);

	apic_ipi(0, ICR_SELF | ICR_ASSERT | VECTOR);
	asm volatile(
		"lea 1f(%%rip), %0\n\txor %%eax, %%eax\n\txor %%ecx, %%ecx\n\tsti\n\tcpuid\n"
		"1:\tnop\n\tcli"
		: "=&r"(mark)
		:
		: "rax", "rbx", "rcx", "rdx", "memory");
	check(interrupts == 2 && interrupted_at == mark, "STI's shadow over CPUID",
	      "%u interrupts, %ld bytes off", interrupts, interrupted_at - mark);

	apic_ipi(0, ICR_SELF | ICR_ASSERT | VECTOR);
	asm volatile("lea 1f(%%rip), %0\n\tmov %%ss, %%ecx\n\tsti\n\tmov %%ecx, %%ss\n\t"
		     "mov (%1), %%eax\n1:\tnop\n\tcli"
		     : "=&r"(mark)
		     : "r"(APIC_PAGE + APIC_VERSION)
		     : "rax", "rcx", "memory");
	check(interrupts == 3, "MOV SS's shadow over MMIO", "%u interrupts", interrupts);

	apic_ipi(0, ICR_SELF | ICR_ASSERT | VECTOR);
	asm volatile("sti\n\thlt\n\tcli" : : : "memory");
	check(interrupts == 4, "STI; HLT does not sleep over it", "%u interrupts", interrupts);
}

static volatile unsigned steps;

static void on_debug(struct frame *frame)
{
	(void)frame;
	steps++;
}

/* The trap flag: one #DB behind each instruction, also behind those that exit. */
static void test_single_step(void)
{
	uint64_t flags = 0;

	trap_handler(VECTOR_DB, on_debug);
	steps = 0;
	asm volatile("pushf\n\torq %[tf], (%%rsp)\n\tpopf\n\t"
		     "nop\n\t"
		     "xor %%eax, %%eax\n\t"
		     "nop\n\t"
		     "pushf\n\tandq %[mask], (%%rsp)\n\tpopf"
		     : "+r"(flags)
		     : [tf] "i"(RFLAGS_TF), [mask] "i"(~(int)RFLAGS_TF)
		     : "rax", "memory", "cc");
	check(steps == 6, "single steps", "%u", steps);
	steps = 0;
	asm volatile("pushf\n\torq %[tf], (%%rsp)\n\tpopf\n\t"
		     "cpuid\n\t"
		     "mov (%[mmio]), %%eax\n\t"
		     "in %%dx, %%al\n\t"
		     "pushf\n\tandq %[mask], (%%rsp)\n\tpopf"
		     :
		     : [tf] "i"(RFLAGS_TF), [mask] "i"(~(int)RFLAGS_TF),
		       [mmio] "S"(APIC_PAGE + APIC_VERSION), "a"(0), "c"(0)
		     : "rbx", "rdx", "memory", "cc");
	check(steps == 6, "single steps over exits", "%u", steps);
	trap_handler(VECTOR_DB, NULL);
}

/* All general registers keep their values over exits of several kinds. */
static void test_registers(void)
{
	uint64_t wrong;

	asm volatile("mov $0x1111, %%r8; mov $0x2222, %%r9; mov $0x3333, %%r10\n\t"
		     "mov $0x4444, %%r11; mov $0x5555, %%r12; mov $0x6666, %%r13\n\t"
		     "mov $0x7777, %%r14; mov $0x8888, %%r15; mov $0x9999, %%rdi\n\t"
		     "mov $0x608, %%edx; in %%dx, %%eax; mov (%[mmio]), %%eax\n\t"
		     "xor %%eax, %%eax; cpuid\n\t"
		     "sub $0x1111, %%r8; sub $0x2222, %%r9; sub $0x3333, %%r10\n\t"
		     "sub $0x4444, %%r11; sub $0x5555, %%r12; sub $0x6666, %%r13\n\t"
		     "sub $0x7777, %%r14; sub $0x8888, %%r15; sub $0x9999, %%rdi\n\t"
		     "or %%r9, %%r8; or %%r10, %%r8; or %%r11, %%r8; or %%r12, %%r8\n\t"
		     "or %%r13, %%r8; or %%r14, %%r8; or %%r15, %%r8; or %%rdi, %%r8\n\t"
		     "mov %%r8, %[wrong]"
		     : [wrong] "=&a"(wrong)
		     : [mmio] "S"(APIC_PAGE + APIC_VERSION)
		     : "rbx", "rcx", "rdx", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
		       "r14", "r15", "memory", "cc");
	check(!wrong, "registers over exits", "bits 0x%lx differ", wrong);
}

void test(void)
{
	test_page_faults();
	test_general();
	test_undefined();
	test_shadow();
	test_single_step();
	test_registers();
}

/*
 * CR4.UMIP keeps SGDT, SIDT, SLDT, STR and SMSW from user code (SDM vol. 3A 2.5; APM vol. 2
 * 3.1.3). Not every CPU has it, and where it is made of exits, what the kernel reads by the
 * same instructions, and from the control registers, must be what the CPU would give it.
 */
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/traps.h"

#define CR4_UMIP  BIT(11)
#define UMIP	  BIT(2) /* CPUID leaf 7, ECX */
#define PAGE_USER BIT(2)
#define CODE	  0x08
#define DATA	  0x10
#define USER_DATA 0x1b
#define USER_CODE 0x23
#define TASK	  0x28
#define RET	  0xc3
#define AMD	  0x68747541 /* "Auth", of CPUID leaf 0 */

/* To the page that RDI points to, or to RAX. */
static const struct insn {
	const char *name;
	uint8_t bytes[5], count;
} insns[] = {
	{"SGDT", {0x0f, 0x01, 0x07}, 3},
	{"SIDT", {0x0f, 0x01, 0x0f}, 3},
	{"SLDT to memory", {0x0f, 0x00, 0x07}, 3},
	{"SLDT", {0x0f, 0x00, 0xc0}, 3},
	{"SLDT of 64 bits", {0x48, 0x0f, 0x00, 0xc0}, 4},
	{"SLDT of 16 bits", {0x66, 0x0f, 0x00, 0xc0}, 4},
	{"STR to memory", {0x0f, 0x00, 0x0f}, 3},
	{"STR", {0x0f, 0x00, 0xc8}, 3},
	{"SMSW to memory", {0x0f, 0x01, 0x27}, 3},
	{"SMSW", {0x0f, 0x01, 0xe0}, 3},
	{"SMSW of 64 bits", {0x48, 0x0f, 0x01, 0xe0}, 4},
	{"SMSW of 16 bits", {0x66, 0x0f, 0x01, 0xe0}, 4},
};
#define INSNS (sizeof insns / sizeof *insns)

struct result {
	uint64_t rax;
	uint8_t memory[16];
};

static struct {
	uint32_t reserved;
	uint64_t rsp[3], more[10];
} __attribute__((packed)) tss;
static uint64_t gdt[7];
static uint8_t code[16], memory[16], stack[256];
static uint64_t saved_rsp, user_rax, user_rip;
static unsigned user_vector, user_error;
extern uint64_t page_map[512];

static void make_segments(void)
{
	uint64_t base = (uint64_t)&tss;
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) table;

	asm volatile("sgdt %0" : "=m"(table));
	for (unsigned i = 0; i < 3; i++)
		gdt[i] = ((uint64_t *)table.base)[i];
	gdt[USER_DATA / 8] = 0x00cff3000000ffffull;
	gdt[USER_CODE / 8] = 0x00affb000000ffffull;
	gdt[TASK / 8] = (sizeof tss - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 |
			(base >> 24 & 0xff) << 56;
	gdt[TASK / 8 + 1] = base >> 32;
	table.base = (uint64_t)gdt;
	table.limit = sizeof gdt - 1;
	asm volatile("lgdt %0\n\tltr %w1" : : "m"(table), "r"(TASK));
}

/* All that is mapped, to its last level. */
static void map_for_users(void)
{
	uint64_t *pointers = (uint64_t *)(page_map[0] & ~0xfffull);

	page_map[0] |= PAGE_USER;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t *directory = (uint64_t *)(pointers[i] & ~0xfffull);

		pointers[i] |= PAGE_USER;
		for (unsigned k = 0; k < 512; k++)
			directory[k] |= PAGE_USER;
	}
	asm volatile("mov %0, %%cr3" : : "r"(page_map) : "memory");
}

extern const char behind_user_code[];

static void on_trap(struct frame *frame)
{
	if (frame->cs != USER_CODE)
		give_up("trap %lu at 0x%lx", frame->vector, frame->rip);
	user_vector = frame->vector;
	user_error = frame->error;
	user_rip = frame->rip;
	user_rax = frame->rax;
	frame->cs = CODE;
	frame->ss = DATA;
	frame->rip = (uintptr_t)behind_user_code;
	frame->rsp = saved_rsp;
	frame->rflags = 2;
}

static void prepare(const struct insn *insn, uint8_t end_0, uint8_t end_1)
{
	for (unsigned i = 0; i < insn->count; i++)
		code[i] = insn->bytes[i];
	code[insn->count] = end_0;
	code[insn->count + 1] = end_1;
	for (unsigned i = 0; i < sizeof memory; i++)
		memory[i] = 0x55;
}

static struct result by_kernel(const struct insn *insn)
{
	struct result result = {.rax = 0x5555555555555555};

	prepare(insn, RET, 0);
	asm volatile("call *%[code]"
		     : "+a"(result.rax)
		     : "D"(memory), [code] "r"(code)
		     : "memory", "cc");
	for (unsigned i = 0; i < sizeof memory; i++)
		result.memory[i] = memory[i];
	return result;
}

/* Ends by UD2, or by what the instruction itself raises. */
static struct result by_user(const struct insn *insn)
{
	struct result result;
	uint64_t rax = 0x5555555555555555;

	prepare(insn, 0x0f, 0x0b);
	asm volatile("movq %%rsp, %[saved]\n\t"
		     "leaq -256(%%rsp), %%rcx\n\t"
		     "movq %%rcx, %[rsp0]\n\t"
		     "pushq %[ss]\n\t"
		     "pushq %[rsp]\n\t"
		     "pushq $2\n\t"
		     "pushq %[cs]\n\t"
		     "pushq %[rip]\n\t"
		     "iretq\n"
		     "behind_user_code:"
		     : "+a"(rax), [saved] "=m"(saved_rsp), [rsp0] "=m"(tss.rsp[0])
		     : "D"(memory), [ss] "i"(USER_DATA), [cs] "i"(USER_CODE),
		       [rsp] "r"(stack + sizeof stack), [rip] "r"((uint64_t)code)
		     : "memory", "cc", "rcx");
	result.rax = user_rax;
	for (unsigned i = 0; i < sizeof memory; i++)
		result.memory[i] = memory[i];
	return result;
}

static bool same(const struct result *a, const struct result *b)
{
	for (unsigned i = 0; i < sizeof memory; i++)
		if (a->memory[i] != b->memory[i])
			return false;
	return a->rax == b->rax;
}

static bool ran(const struct insn *insn)
{
	return user_vector == VECTOR_UD && user_rip == (uint64_t)code + insn->count;
}

static bool refused(void)
{
	return user_vector == VECTOR_GP && !user_error && user_rip == (uint64_t)code;
}

static void test_insn(const struct insn *insn)
{
	const struct result nothing = {0x5555555555555555,
				       {0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55,
					0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55}};
	uint64_t cr4 = read_cr4();
	struct result without = by_kernel(insn), got = by_user(insn);

	check(ran(insn) && same(&got, &without) && !same(&got, &nothing), insn->name,
	      "user code without UMIP: vector %u, RAX 0x%lx, not 0x%lx", user_vector, got.rax,
	      without.rax);
	write_cr4(cr4 | CR4_UMIP);
	got = by_kernel(insn);
	check(same(&got, &without), insn->name, "the kernel got 0x%lx, not 0x%lx", got.rax,
	      without.rax);
	got = by_user(insn);
	check(refused() && same(&got, &nothing), insn->name,
	      "user code with UMIP: vector %u error 0x%x at 0x%lx, RAX 0x%lx", user_vector,
	      user_error, user_rip, got.rax);
	write_cr4(cr4);
	got = by_user(insn);
	check(ran(insn) && same(&got, &without), insn->name, "not any more: vector %u",
	      user_vector);
}

static void test_control_registers(void)
{
	uint64_t cr0 = read_cr0(), cr4 = read_cr4();

	check(!(cr4 & CR4_UMIP), "UMIP is clear at reset", "CR4 0x%lx", cr4);
	write_cr4(cr4 | CR4_UMIP);
	check(read_cr4() == (cr4 | CR4_UMIP), "CR4 shows it", "CR4 0x%lx", read_cr4());
	check(read_cr0() == cr0, "CR0 is as it was", "CR0 0x%lx", read_cr0());
	write_cr4(cr4);
	check(read_cr4() == cr4, "and not any more", "CR4 0x%lx", read_cr4());
}

void test(void)
{
	uint64_t cr4 = read_cr4() | CR4_UMIP;

	if (!(cpuid(7, 0).ecx & UMIP)) {
		check(cpuid(0, 0).ebx != AMD, "offered on AMD", "it is not");
		check(TRY("movq %[cr4], %%cr4", OUT(), IN([cr4] "r"(cr4))).vector == VECTOR_GP,
		      "not offered, not taken", "CR4 took it");
		return;
	}
	test_control_registers();
	make_segments();
	map_for_users();
	trap_handler(VECTOR_GP, on_trap);
	trap_handler(VECTOR_UD, on_trap);
	for (unsigned i = 0; i < INSNS; i++)
		test_insn(&insns[i]);
}

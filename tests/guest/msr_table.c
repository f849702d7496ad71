/*
 * Every row of the hypervisor's table of MSRs (kernel/vmm/msr_table.h) and of the list of
 * instructions beside this program, tried as a guest: what is said there is what the CPU does.
 */
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/traps.h"

#define AMD_ECX 0x444d4163 /* "cAMD", the end of "AuthenticAMD" */

enum kind {
	KIND_FIXED,
	KIND_STORED,
	KIND_OWN,
	KIND_SETS,
	KIND_VANISHES,
	KIND_LAPIC,
	KIND_ABSENT
};

#define INTEL 1
#define AMD   2
#define BOTH  3

struct row {
	uint32_t first, last;
	unsigned cpus;
	const char *name;
	enum kind kind;
	bool ignores, types;
	uint64_t value, bits;
};

#define MSR(from, to, on, what, called, why) \
	{.first = (from), .last = (to), .cpus = (on), .name = (called), what},
#define READS(v)	.kind = KIND_FIXED, .value = (v)
#define IGNORES(v)	.kind = KIND_FIXED, .value = (v), .ignores = true
#define KEEPS(v, mask)	.kind = KIND_STORED, .value = (v), .bits = (mask)
#define TYPES(v, mask)	.kind = KIND_STORED, .value = (v), .bits = (mask), .types = true
#define REGISTER(r)	.kind = KIND_OWN
#define ADDRESS(r)	.kind = KIND_OWN
#define CALLS(get, set) .kind = KIND_OWN
#define SETS(set)	.kind = KIND_SETS
#define VANISHES	.kind = KIND_VANISHES
#define LAPIC		.kind = KIND_LAPIC
#define ABSENT		.kind = KIND_ABSENT
static const struct row rows[] = {
#include "kernel/vmm/msr_table.h"
};

static unsigned mine; /* INTEL or AMD */
static unsigned wrong;
static uint32_t wrong_at;

static bool is_gp(struct trap trap)
{
	return trap.vector == VECTOR_GP && !trap.error;
}

static void expect(uint32_t msr, bool ok)
{
	if (ok)
		return;
	wrong++;
	wrong_at = msr;
}

static bool reads(uint32_t msr, uint64_t value)
{
	uint64_t got;

	return try_rdmsr(msr, &got).vector == NO_TRAP && got == value;
}

static bool takes(uint32_t msr, uint64_t value)
{
	return try_wrmsr(msr, value).vector == NO_TRAP;
}

static void absent(uint32_t msr)
{
	uint64_t value;

	expect(msr, is_gp(try_rdmsr(msr, &value)));
	expect(msr, is_gp(try_wrmsr(msr, 0)));
	expect(msr, is_gp(try_wrmsr(msr, ~0ull)));
}

static void fixed(const struct row *row, uint32_t msr)
{
	expect(msr, reads(msr, row->value));
	if (row->ignores)
		expect(msr, takes(msr, ~row->value));
	else
		expect(msr, is_gp(try_wrmsr(msr, ~row->value)));
	expect(msr, reads(msr, row->value));
}

/* Each bit by itself; those that are none of its own stay, or are refused. */
static void stored(const struct row *row, uint32_t msr)
{
	expect(msr, reads(msr, row->value));
	for (unsigned bit = 0; bit < 64; bit++) {
		uint64_t other = row->value ^ BIT(bit);

		if (row->bits & BIT(bit)) {
			expect(msr, takes(msr, other) && reads(msr, other));
		} else {
			expect(msr, takes(msr, row->value));
			expect(msr, row->value & BIT(bit) ? takes(msr, other)
							  : is_gp(try_wrmsr(msr, other)));
			expect(msr, reads(msr, row->value));
		}
	}
	expect(msr, takes(msr, row->value));
}

/* Memory types, of which 2 and 3 are reserved, and the bits that an address has. */
static void types(const struct row *row, uint32_t msr)
{
	bool is_mask = msr >= 0x200 && msr < 0x210 && msr % 2;
	uint64_t good = is_mask ? 0x12800 : 0x6, bad = is_mask ? 0x12400 : 0x3;

	expect(msr, reads(msr, row->value));
	expect(msr, takes(msr, good) && reads(msr, good));
	expect(msr, is_gp(try_wrmsr(msr, bad)) && reads(msr, good));
	if (msr >= 0x200 && msr < 0x210)
		expect(msr, is_gp(try_wrmsr(msr, good | BIT(52))));
	else
		expect(msr, is_gp(try_wrmsr(msr, good | 7ull << 56)));
	expect(msr, takes(msr, row->value));
}

/* Of the CPU or by code: to be read, and what is read may be written. */
static void own(uint32_t msr)
{
	uint64_t value;

	expect(msr, try_rdmsr(msr, &value).vector == NO_TRAP);
	expect(msr, takes(msr, value));
}

static void try_row(const struct row *row)
{
	uint64_t value;

	wrong = 0;
	for (uint32_t msr = row->first; msr <= row->last; msr++) {
		switch (row->kind) {
		case KIND_FIXED: fixed(row, msr); break;
		case KIND_STORED: row->types ? types(row, msr) : stored(row, msr); break;
		case KIND_OWN: own(msr); break;
		case KIND_SETS: expect(msr, is_gp(try_rdmsr(msr, &value))); break;
		case KIND_VANISHES:
			expect(msr, is_gp(try_rdmsr(msr, &value)) && takes(msr, ~0ull));
			break;
		case KIND_LAPIC: break; /* apic.c's and apic_base.c's */
		case KIND_ABSENT: absent(msr); break;
		}
	}
	check(!wrong, row->name, "%u things at 0x%x and about are not as the table says", wrong,
	      wrong_at);
}

static bool is_listed(uint32_t msr)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		if (msr >= rows[i].first && msr <= rows[i].last && rows[i].cpus & mine)
			return true;
	return false;
}

static void test_rows(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].cpus & mine)
			try_row(&rows[i]);
	wrong = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		for (uint32_t msr = rows[i].first; msr <= rows[i].last + 1; msr++)
			if (!is_listed(msr))
				absent(msr);
	check(!wrong, "the other vendor's, and those between", "%u wrong, 0x%x", wrong,
	      wrong_at);
}

enum result { RUNS = NO_TRAP, UD = VECTOR_UD, GP = VECTOR_GP };

static const struct insn {
	const char *name, *bytes;
	unsigned count, cpus;
	enum result result;
} insns[] = {
#define INSN(called, code, on, gives, why) {called, code, sizeof(code) - 1, on, gives},
#include "tests/guest/instructions.h"
};

static void test_instructions(void)
{
	static uint8_t code[32], page[4096] __attribute__((aligned(4096)));

	for (unsigned i = 0; i < ARRAY_SIZE(insns); i++) {
		const struct insn *insn = &insns[i];
		uint64_t a = 0, b = 0, c = 0, d = 0;
		register uint64_t back asm("r15") = 0;
		struct trap trap;

		if (!(insn->cpus & mine))
			continue;
		for (unsigned n = 0; n < insn->count; n++)
			code[n] = (uint8_t)insn->bytes[n];
		code[insn->count] = 0x41; /* jmp *%r15 */
		code[insn->count + 1] = 0xff;
		code[insn->count + 2] = 0xe7;
		trap = TRY("lea 1f(%%rip), %%r15\n\tjmp *%%rsi\n1:",
			   OUT("+a"(a), "+b"(b), "+c"(c), "+d"(d), "+r"(back)),
			   IN("S"(code), "D"(page)));
		check(trap.vector == (int)insn->result, insn->name, "vector %d, not %d",
		      trap.vector, (int)insn->result);
	}
}

void test(void)
{
	mine = cpuid(0, 0).ecx == AMD_ECX ? AMD : INTEL;
	if (!hypervisor_is_ours()) {
		skip("the table", "this is another hypervisor");
		reached("nothing");
		return;
	}
	test_rows();
	test_instructions();
}

/*
 * MSRs. A guest reads and writes every number in the ranges where there are MSRs: each access
 * must end at once, with a value or with #GP, and reach no hardware of the host's. Then the
 * ones that operating systems count on, and some that a guest must not have.
 */
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/traps.h"

/* Ranges, and how many numbers to go on by: 1 where MSRs are, more where none are known. */
static const struct range {
	const char *name;
	uint32_t first, last, step;
} ranges[] = {
	{"0x0", 0, 0xfff, 1},
	{"0x1000", 0x1000, 0x1fff, 3},
	{"0xc0000000", 0xc0000000, 0xc00003ff, 1},
	{"0xc0000400", 0xc0000400, 0xc0000fff, 3},
	{"0xc0001000", 0xc0001000, 0xc0001fff, 7},
	{"0xc0010000", 0xc0010000, 0xc00103ff, 1},
	{"0xc0010400", 0xc0010400, 0xc0010fff, 3},
	{"0xc0011000", 0xc0011000, 0xc00111ff, 1},
	{"0xc0011200", 0xc0011200, 0xc0011fff, 7},
	{"0x4b564d00", 0x4b564d00, 0x4b564dff, 1},
	{"0x40000000", 0x40000000, 0x400000ff, 1},
	{"0x80000000", 0x7fffff80, 0x8000007f, 3},
	{"0xffffffff", 0xffffff00, 0xffffffff, 3},
};

/* Writing back what was read is harmless, save to these: the program could not go on. */
static bool is_dangerous(uint32_t msr)
{
	return msr == MSR_EFER || msr == MSR_APIC_BASE || (msr >= 0x800 && msr <= 0x83f);
}

static unsigned bad; /* exceptions other than #GP */

static bool readable(uint32_t msr, uint64_t *value)
{
	struct trap trap = try_rdmsr(msr, value);

	if (trap.vector != NO_TRAP && (trap.vector != VECTOR_GP || trap.error))
		bad++;
	return trap.vector == NO_TRAP;
}

static bool writable(uint32_t msr, uint64_t value)
{
	struct trap trap = try_wrmsr(msr, value);

	if (trap.vector != NO_TRAP && (trap.vector != VECTOR_GP || trap.error))
		bad++;
	return trap.vector == NO_TRAP;
}

static void sweep(const struct range *range)
{
	unsigned reads = 0, writes = 0, values = 0;
	uint32_t msr = range->first;

	bad = 0;
	for (;;) {
		uint64_t value, changed;
		bool is_there = readable(msr, &value);

		reads += is_there;
		if (!is_dangerous(msr)) {
			writes += writable(msr, value);
			/* all ones where nothing is: must be refused or ignored */
			if (!is_there)
				writes += writable(msr, ~0ull);
			if (is_there && readable(msr, &changed))
				values++;
		}
		if (range->last - msr < range->step)
			break;
		msr += range->step;
	}
	print("0x%x-0x%x: %u readable, %u writes taken, %u kept\n", range->first, range->last,
	      reads, writes, values);
	check(!bad, range->name, "%u exceptions were not #GP(0)", bad);
}

/* What 64-bit operating systems use without asking. */
static void test_known(void)
{
	static const struct {
		const char *name;
		uint32_t msr;
	} known[] = {
		{"TSC", 0x10},		 {"APIC_BASE", 0x1b},
		{"MTRRCAP", 0xfe},	 {"SYSENTER_CS", 0x174},
		{"MCG_CAP", 0x179},	 {"MCG_STATUS", 0x17a},
		{"PAT", 0x277},		 {"MTRR_DEF_TYPE", 0x2ff},
		{"EFER", MSR_EFER},	 {"STAR", 0xc0000081},
		{"LSTAR", 0xc0000082},	 {"CSTAR", 0xc0000083},
		{"SFMASK", 0xc0000084},	 {"FS_BASE", 0xc0000100},
		{"GS_BASE", 0xc0000101}, {"KERNEL_GS_BASE", 0xc0000102},
	};
	uint64_t value;

	for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
		check(readable(known[i].msr, &value), known[i].name, "MSR 0x%x is not readable",
		      known[i].msr);
}

/* A value written to `msr` is read again. */
static void test_keeps(const char *name, uint32_t msr, uint64_t value)
{
	uint64_t before = rdmsr(msr), now;

	wrmsr(msr, value);
	now = rdmsr(msr);
	wrmsr(msr, before);
	check(now == value, name, "wrote 0x%lx, read 0x%lx", value, now);
}

static void test_policy(void)
{
	static const struct {
		const char *name;
		uint32_t msr;
	} hidden[] = {
		{"no VM_HSAVE_PA", 0xc0010117}, {"no VM_CR", 0xc0010114},
		{"no VMX_BASIC", 0x480},	{"no SMM_BASE", 0xc0010111},
		{"no PERFCTR", 0xc0010201},	{"no microcode loading", 0xc0010020},
	};

	if (!hypervisor_is_ours()) {
		skip("policy", "this is another hypervisor");
		return;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(hidden); i++)
		check(!writable(hidden[i].msr, 0x1000) || rdmsr(hidden[i].msr) != 0x1000,
		      hidden[i].name, "MSR 0x%x keeps what is written", hidden[i].msr);
	/* LSTAR and its like cause no exit: what they may hold is the CPU's to check. */
	check(!writable(MSR_EFER, rdmsr(MSR_EFER) | BIT(12)), "EFER.SVME", "taken");
}

void test(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++)
		sweep(&ranges[i]);
	test_known();
	test_keeps("LSTAR keeps", 0xc0000082, 0xffff800000001234);
	test_keeps("STAR keeps", 0xc0000081, 0x0023001000000000);
	test_keeps("KERNEL_GS_BASE keeps", 0xc0000102, 0xffff888000005678);
	test_keeps("SYSENTER_CS keeps", 0x174, 0x10);
	test_keeps("PAT keeps", 0x277, 0x0407050600070106);
	test_policy();
}

/*
 * The architecture's registers as kernel/lib names them, against the manuals' bit numbers:
 * host, guests, models of CPUs and these tests' neighbours all use the same names, and would
 * all be wrong alike.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/lib/lapic.h"
#include "kernel/lib/x86.h"

struct bit {
	uint64_t is;
	unsigned number;
};

struct number {
	uint64_t is, must;
};

static void check_bits(const struct bit *bits, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (bits[i].is != 1ull << bits[i].number)
			fail_msg("bit %u is 0x%llx", bits[i].number,
				 (unsigned long long)bits[i].is);
}

static void check_numbers(const struct number *numbers, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (numbers[i].is != numbers[i].must)
			fail_msg("number %u is 0x%llx, not 0x%llx", i,
				 (unsigned long long)numbers[i].is,
				 (unsigned long long)numbers[i].must);
}

#define BITS(...)                                       \
	static const struct bit bits[] = {__VA_ARGS__}; \
                                                        \
	(void)state;                                    \
	check_bits(bits, ARRAY_SIZE(bits))
#define NUMBERS(...)                                          \
	static const struct number numbers[] = {__VA_ARGS__}; \
                                                              \
	(void)state;                                          \
	check_numbers(numbers, ARRAY_SIZE(numbers))

static void control(void **state)
{
	BITS({CR0_PE, 0}, {CR0_MP, 1}, {CR0_EM, 2}, {CR0_TS, 3}, {CR0_ET, 4}, {CR0_NE, 5},
	     {CR0_WP, 16}, {CR0_AM, 18}, {CR0_NW, 29}, {CR0_CD, 30}, {CR0_PG, 31}, {CR4_VME, 0},
	     {CR4_PVI, 1}, {CR4_TSD, 2}, {CR4_DE, 3}, {CR4_PSE, 4}, {CR4_PAE, 5}, {CR4_MCE, 6},
	     {CR4_PGE, 7}, {CR4_PCE, 8}, {CR4_OSFXSR, 9}, {CR4_OSXMMEXCPT, 10}, {CR4_UMIP, 11},
	     {CR4_LA57, 12}, {CR4_VMXE, 13}, {CR4_FSGSBASE, 16}, {CR4_PCIDE, 17},
	     {CR4_OSXSAVE, 18}, {CR4_SMEP, 20}, {CR4_SMAP, 21}, {CR4_PKE, 22}, {CR4_PKS, 24},
	     {XCR0_X87, 0}, {XCR0_SSE, 1}, {XCR0_AVX, 2}, {XCR0_PKRU, 9}, {EFER_SCE, 0},
	     {EFER_LME, 8}, {EFER_LMA, 10}, {EFER_NXE, 11}, {EFER_SVME, 12});
	assert_int_equal(XCR0_AVX512, 0xe0);
}

static void flags_and_debug(void **state)
{
	BITS({RFLAGS_CF, 0}, {RFLAGS_FIXED, 1}, {RFLAGS_PF, 2}, {RFLAGS_AF, 4}, {RFLAGS_ZF, 6},
	     {RFLAGS_SF, 7}, {RFLAGS_TF, 8}, {RFLAGS_IF, 9}, {RFLAGS_DF, 10}, {RFLAGS_OF, 11},
	     {RFLAGS_NT, 14}, {RFLAGS_RF, 16}, {RFLAGS_VM, 17}, {RFLAGS_AC, 18}, {DR6_BD, 13},
	     {DR6_BS, 14}, {DR6_BT, 15}, {DR7_GD, 13});
	assert_int_equal(DR6_B, 0xf);
	assert_int_equal(DR7_LOCAL, 0x155);
	assert_int_equal(DR6_RESET, 0xffff0ff0);
	assert_int_equal(DR7_RESET, 0x400);
	assert_int_equal(PAT_RESET, 0x0007040600070406);
}

static void entries(void **state)
{
	BITS({PTE_P, 0}, {PTE_W, 1}, {PTE_U, 2}, {PTE_PWT, 3}, {PTE_PCD, 4}, {PTE_A, 5},
	     {PTE_D, 6}, {PTE_PS, 7}, {PTE_G, 8}, {PTE_NX, 63}, {1ull << PTE_KEY_SHIFT, 59});
	assert_int_equal(PTE_ADDRESS, (1ull << 52) - (1 << 12));
}

static void msrs_and_vectors(void **state)
{
	NUMBERS({MSR_TSC, 0x10}, {MSR_APIC_BASE, 0x1b}, {MSR_TSC_ADJUST, 0x3b},
		{MSR_SYSENTER_CS, 0x174}, {MSR_SYSENTER_ESP, 0x175}, {MSR_SYSENTER_EIP, 0x176},
		{MSR_PAT, 0x277}, {MSR_TSC_DEADLINE, 0x6e0}, {MSR_X2APIC, 0x800},
		{MSR_EFER, 0xc0000080}, {MSR_STAR, 0xc0000081}, {MSR_LSTAR, 0xc0000082},
		{MSR_CSTAR, 0xc0000083}, {MSR_SFMASK, 0xc0000084}, {MSR_FS_BASE, 0xc0000100},
		{MSR_GS_BASE, 0xc0000101}, {MSR_KERNEL_GS_BASE, 0xc0000102},
		{MSR_TSC_AUX, 0xc0000103}, {VECTOR_DE, 0}, {VECTOR_DB, 1}, {VECTOR_NMI, 2},
		{VECTOR_BP, 3}, {VECTOR_OF, 4}, {VECTOR_UD, 6}, {VECTOR_DF, 8}, {VECTOR_TS, 10},
		{VECTOR_NP, 11}, {VECTOR_SS, 12}, {VECTOR_GP, 13}, {VECTOR_PF, 14},
		{VECTOR_AC, 17}, {VECTOR_MC, 18}, {VECTOR_CP, 21}, {VECTOR_VC, 29},
		{VECTOR_SX, 30});
}

/* By the offsets of SDM vol. 3A table 10-1. */
static void local_apic(void **state)
{
	NUMBERS({16 * LAPIC_ID, 0x20}, {16 * LAPIC_VERSION, 0x30}, {16 * LAPIC_TPR, 0x80},
		{16 * LAPIC_APR, 0x90}, {16 * LAPIC_PPR, 0xa0}, {16 * LAPIC_EOI, 0xb0},
		{16 * LAPIC_RRD, 0xc0}, {16 * LAPIC_LDR, 0xd0}, {16 * LAPIC_DFR, 0xe0},
		{16 * LAPIC_SVR, 0xf0}, {16 * LAPIC_ISR, 0x100}, {16 * LAPIC_TMR, 0x180},
		{16 * LAPIC_IRR, 0x200}, {16 * LAPIC_ESR, 0x280}, {16 * LAPIC_ICR, 0x300},
		{16 * LAPIC_ICR_HIGH, 0x310}, {16 * LAPIC_LVT_TIMER, 0x320},
		{16 * LAPIC_LVT_THERMAL, 0x330}, {16 * LAPIC_LVT_COUNTER, 0x340},
		{16 * LAPIC_LVT_LINT0, 0x350}, {16 * LAPIC_LVT_LINT1, 0x360},
		{16 * LAPIC_LVT_ERROR, 0x370}, {16 * LAPIC_TIMER_INITIAL, 0x380},
		{16 * LAPIC_TIMER_CURRENT, 0x390}, {16 * LAPIC_TIMER_DIVIDE, 0x3e0},
		{16 * LAPIC_SELF_IPI, 0x3f0}, {APIC_BASE_BSP, 0x100}, {APIC_BASE_EXTD, 0x400},
		{APIC_BASE_EN, 0x800}, {SVR_ENABLED, 0x100}, {DELIVERY_NMI, 0x400},
		{DELIVERY_INIT, 0x500}, {DELIVERY_STARTUP, 0x600}, {DELIVERY_EXTINT, 0x700},
		{LAPIC_DELIVERY, 0x700}, {LVT_DELIVERY_STATUS, 0x1000},
		{LVT_REMOTE_IRR, 0x4000}, {LVT_MASKED, 0x10000}, {LVT_PERIODIC, 0x20000},
		{LVT_TSC_DEADLINE, 0x40000}, {ICR_LOGICAL, 0x800}, {ICR_PENDING, 0x1000},
		{ICR_ASSERT, 0x4000}, {ICR_LEVEL, 0x8000},
		{APIC_BASE_ADDRESS, 0xffffffffff000});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control),    cmocka_unit_test(flags_and_debug),
		cmocka_unit_test(entries),    cmocka_unit_test(msrs_and_vectors),
		cmocka_unit_test(local_apic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

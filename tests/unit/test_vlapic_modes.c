/* The local APIC off, as xAPIC and as x2APIC: transitions, MSRs, what is refused. */
/* links: tests/unit/fake_vmm.c kernel/vmm/bus.c kernel/vmm/vioapic.c */
/* links: kernel/vmm/vlapic.c kernel/vmm/vlapic_ipi.c kernel/vmm/vlapic_timer.c */
#include <errno.h>

#include "tests/unit/fake_lapics.h"

/* SDM vol. 3A figure 10-27, and reserved bits. The state after each step is checked. */
static void base_transitions(void **state)
{
	static const struct {
		uint64_t value;
		int result;
		uint64_t after;
	} steps[] = {
		{0xfee00c00, 0, 0xfee00c00},	  /* xAPIC to x2APIC */
		{0xfee00800, -EPERM, 0xfee00c00}, /* not back */
		{0xfee00400, -EPERM, 0xfee00c00}, /* not a mode */
		{0xfee00000, 0, 0xfee00000},	  /* off */
		{0xfee00c00, -EPERM, 0xfee00000}, /* not at once */
		{0xfee00400, -EPERM, 0xfee00000},
		{0xfee00800, 0, 0xfee00800},
		{0xfee00801, -EPERM, 0xfee00800},
		{0xfee00a00, -EPERM, 0xfee00800},
		{0x80fee00800, -EPERM, 0xfee00800}, /* beyond MAXPHYADDR */
		{0xfed00900, 0, 0xfed00800},	    /* moved; BSP does not change */
		{0x3ff800, -EPERM, 0xfed00800},	    /* not onto RAM, of which there are 4 MiB */
		{0x400800, 0, 0x400800},
		{0xfee00800, 0, 0xfee00800},
		{0xfee00c00, 0, 0xfee00c00},
		{0xfee00c00, 0, 0xfee00c00},
	};

	(void)state;
	vm->gmem.low_bytes = 4 * MIB;
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		uint64_t base;

		assert_int_equal(vlapic_wrmsr(lapic(9), BASE_MSR, steps[i].value),
				 steps[i].result);
		assert_int_equal(vlapic_rdmsr(lapic(9), BASE_MSR, &base), 0);
		assert_int_equal(base, steps[i].after);
	}
	vlapic_reset(lapic(9), true); /* INIT keeps the mode */
	assert_int_equal(read_x2(9, LAPIC_ID), 9);
	vlapic_reset(lapic(9), false);
	assert_int_equal(get(9, LAPIC_ID), 9u << 24);
}

static void disabled_apic_is_not_there(void **state)
{
	uint64_t value;

	(void)state;
	fixed(3, 0x50, false);
	assert_int_equal(vlapic_wrmsr(lapic(3), BASE_MSR, VLAPIC_DEFAULT_BASE), 0);
	assert_int_equal(get(3, LAPIC_VERSION), 0xffffffff);
	set(3, LAPIC_SVR, ENABLED);
	assert_int_equal(fixed(3, 0x51, false), 0);
	assert_int_equal(vlapic_pending(lapic(3)), -1);
	assert_int_equal(vlapic_rdmsr(lapic(3), 0x802, &value), -EPERM);
	assert_int_equal(vlapic_wrmsr(lapic(3), BASE_MSR, VLAPIC_DEFAULT_BASE | 0x800), 0);
	assert_int_equal(get(3, LAPIC_SVR), 0xff); /* as after reset */
	assert_int_equal(vlapic_pending(lapic(3)), -1);
}

static bool moved_access(unsigned who, uint64_t addr, bool write, uint64_t *value)
{
	struct bus_access access = {.vcpu = vm->vcpus[who],
				    .addr = addr,
				    .value = *value,
				    .bytes = 4,
				    .write = write};
	bool done = vlapic_mmio_moved(&access);

	*value = access.value;
	return done;
}

/* SDM vol. 3A 10.4.5. Each vCPU moves its own. */
static void a_moved_page(void **state)
{
	const uint64_t to = 0xfd000000;
	uint64_t value = 0x30;

	(void)state;
	assert_false(moved_access(3, VLAPIC_DEFAULT_BASE + 0x80, true, &value));
	assert_int_equal(vlapic_wrmsr(lapic(3), BASE_MSR, to | 0x800), 0);
	assert_int_equal(get(3, LAPIC_VERSION), 0xffffffff); /* nothing at the old place */
	assert_true(moved_access(3, to + 0x80, true, &value));
	assert_int_equal(vlapic_get_cr8(lapic(3)), 3);
	assert_true(moved_access(3, to + 0x20, false, &value));
	assert_int_equal(value, 3u << 24);
	assert_false(moved_access(3, to - 4, false, &value));
	assert_false(moved_access(3, to + 0x1000, false, &value));
	assert_true(moved_access(3, to + 0xffc, false, &value));
	assert_false(moved_access(4, to + 0x20, false, &value));
	assert_int_equal(get(4, LAPIC_ID), 4u << 24);
	assert_int_equal(vlapic_wrmsr(lapic(3), BASE_MSR, to), 0); /* off */
	assert_false(vlapic_is_enabled(lapic(3)));
	assert_false(moved_access(3, to + 0x20, false, &value));
	assert_int_equal(vlapic_wrmsr(lapic(3), BASE_MSR, VLAPIC_DEFAULT_BASE | 0x800), 0);
	assert_true(vlapic_is_enabled(lapic(3)));
	assert_int_equal(get(3, LAPIC_ID), 3u << 24);
}

static void x2apic_registers(void **state)
{
	uint64_t value;

	(void)state;
	assert_int_equal(vlapic_rdmsr(lapic(18), 0x802, &value), -EPERM); /* not yet */
	set(18, LAPIC_TPR, 0x30);
	to_x2(18);
	assert_int_equal(read_x2(18, LAPIC_ID), 18);
	assert_int_equal(read_x2(18, LAPIC_LDR), 0x10004);
	assert_int_equal(read_x2(18, LAPIC_TPR), 0x30);
	assert_int_equal(get(18, LAPIC_ID), 0xffffffff); /* no MMIO any more */
	assert_int_equal(write_x2(18, LAPIC_ICR, 0x0000001200000043), 0);
	assert_int_equal(read_x2(18, LAPIC_ICR), 0x0000001200000043);
	assert_int_equal(takers(0x43), 1 << 18);
	assert_int_equal(write_x2(18, LAPIC_SELF_IPI, 0x44), 0);
	assert_int_equal(takers(0x44), 1 << 18);
	assert_int_equal(write_x2(18, LAPIC_ICR, 0xffffffff00000045), 0);
	assert_int_equal(takers(0x45), (1u << VCPUS) - 1);
	assert_int_equal(write_x2(18, LAPIC_ICR, 0x000000ff00000046), 0); /* an ID now */
	assert_int_equal(takers(0x46), 0);
	for (unsigned i = 15; i < 18; i++)
		to_x2(i);
	assert_int_equal(write_x2(18, LAPIC_ICR, 0x0001000700000847), 0);
	assert_int_equal(takers(0x47), 7 << 16);
	assert_int_equal(write_x2(18, LAPIC_ICR, 0x0000800100000848), 0);
	assert_int_equal(takers(0x48), 1 << 15);
}

/* Reserved bits, read-only, write-only and absent registers raise #GP (SDM 10.12.1.3). */
static void x2apic_refusals(void **state)
{
	static const struct {
		unsigned reg;
		uint64_t value;
		int result;
	} writes[] = {
		{LAPIC_ID, 0, -EPERM},
		{LAPIC_VERSION, 0, -EPERM},
		{LAPIC_TPR, 0x100, -EPERM},
		{LAPIC_TPR, 0xff, 0},
		{LAPIC_TPR, 1ull << 32, -EPERM},
		{LAPIC_TPR, 0, 0},
		{LAPIC_PPR, 0, -EPERM},
		{LAPIC_EOI, 1, -EPERM},
		{LAPIC_EOI, 0, 0},
		{LAPIC_LDR, 0, -EPERM},
		{LAPIC_DFR, 0, -EPERM},
		{LAPIC_SVR, 0x1000, -EPERM},
		{LAPIC_SVR, 0x1ff, 0},
		{LAPIC_IRR, 0, -EPERM},
		{LAPIC_ESR, 1, -EPERM},
		{LAPIC_ESR, 0, 0},
		{LAPIC_ICR, 0x00100041, -EPERM},
		{LAPIC_ICR, 0x00020041, -EPERM},
		{LAPIC_ICR, 0x00002041, -EPERM},
		{LAPIC_ICR, 0x00041041, 0}, /* the old busy bit */
		{LAPIC_ICR_HIGH, 0, -EPERM},
		{LAPIC_LVT_TIMER, 0x80040, -EPERM},
		{LAPIC_LVT_TIMER, 0x11040, 0}, /* delivery status is read-only */
		{LAPIC_LVT_LINT0, 0x1f7ff, 0},
		{LAPIC_LVT_ERROR, 0x10700, -EPERM},
		{LAPIC_TIMER_CURRENT, 0, -EPERM},
		{LAPIC_TIMER_INITIAL, 0x100000000, -EPERM},
		{LAPIC_TIMER_DIVIDE, 4, -EPERM},
		{LAPIC_TIMER_DIVIDE, 0xb, 0},
		{LAPIC_SELF_IPI, 0x100, -EPERM},
		{0x2f, 0x10000, -EPERM}, /* CMCI */
		{0x40, 0, -EPERM},
		{0xff, 0, -EPERM},
	};
	static const unsigned unreadable[] = {0,
					      LAPIC_APR,
					      LAPIC_EOI,
					      LAPIC_RRD,
					      LAPIC_DFR,
					      LAPIC_ICR_HIGH,
					      LAPIC_SELF_IPI,
					      0x2f,
					      0x40,
					      0xff};
	uint64_t value;

	(void)state;
	to_x2(0);
	for (unsigned i = 0; i < ARRAY_SIZE(writes); i++)
		assert_int_equal(write_x2(0, writes[i].reg, writes[i].value), writes[i].result);
	assert_int_equal(read_x2(0, LAPIC_LVT_LINT0), 0x1a7ff);
	assert_int_equal(read_x2(0, LAPIC_LVT_TIMER), 0x10040);
	for (unsigned i = 0; i < ARRAY_SIZE(unreadable); i++)
		assert_int_equal(vlapic_rdmsr(lapic(0), 0x800 + unreadable[i], &value), -EPERM);
	assert_true(vlapic_owns_msr(0x1b) && vlapic_owns_msr(0x6e0) && vlapic_owns_msr(0x8ff));
	assert_false(vlapic_owns_msr(0x900) || vlapic_owns_msr(0x7ff) || vlapic_owns_msr(0x1c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(base_transitions), TEST(a_moved_page),    TEST(disabled_apic_is_not_there),
		TEST(x2apic_registers), TEST(x2apic_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

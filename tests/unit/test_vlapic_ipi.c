/* Messages between local APICs: destinations, shorthands, deliveries, MSIs. */
/* links: tests/unit/fake_vmm.c kernel/vmm/bus.c kernel/vmm/vioapic.c */
/* links: kernel/vmm/vlapic.c kernel/vmm/vlapic_ipi.c kernel/vmm/vlapic_timer.c */
#include "tests/unit/fake_lapics.h"

static void physical_destinations(void **state)
{
	(void)state;
	set(2, LAPIC_ICR_HIGH, 5u << 24);
	set(2, LAPIC_ICR, 0x40);
	assert_int_equal(get(2, LAPIC_ICR), 0x40);
	assert_int_equal(takers(0x40), 1 << 5);
	set(2, LAPIC_ICR_HIGH, 0xffu << 24);
	set(2, LAPIC_ICR, 0x41);
	assert_int_equal(takers(0x41), (1u << VCPUS) - 1);
	set(2, LAPIC_ICR_HIGH, 77u << 24); /* nobody */
	set(2, LAPIC_ICR, 0x42);
	assert_int_equal(takers(0x42), 0);
}

static void logical_destinations(void **state)
{
	static const struct {
		uint32_t dfr;
		uint8_t ldr[4]; /* of vCPUs 0 to 3 */
		uint8_t dest;
		uint32_t who;
	} cases[] = {
		{0xffffffff, {1, 2, 4, 8}, 0x05, 5},
		{0xffffffff, {1, 2, 4, 0x80}, 0x80, 8},
		{0xffffffff, {1, 1, 4, 8}, 0x01, 3},
		{0xffffffff, {1, 2, 4, 8}, 0x10, 0},
		{0x0fffffff, {0x11, 0x12, 0x21, 0x22}, 0x13, 3},
		{0x0fffffff, {0x11, 0x12, 0x21, 0x22}, 0x22, 8},
		{0x0fffffff, {0x11, 0x12, 0x21, 0x22}, 0x31, 0},
		{0x0fffffff, {0x11, 0x12, 0x21, 0x22}, 0x14, 0},
	};

	(void)state;
	for (unsigned c = 0; c < ARRAY_SIZE(cases); c++) {
		for (unsigned i = 0; i < 4; i++) {
			set(i, LAPIC_DFR, cases[c].dfr);
			set(i, LAPIC_LDR, (uint32_t)cases[c].ldr[i] << 24);
		}
		set(9, LAPIC_ICR_HIGH, (uint32_t)cases[c].dest << 24);
		set(9, LAPIC_ICR, ICR_LOGICAL | 0x50);
		assert_int_equal(takers(0x50), cases[c].who);
	}
	assert_int_equal(get(0, LAPIC_DFR), 0x0fffffff);
	set(9, LAPIC_ICR_HIGH, 0xffu << 24);
	set(9, LAPIC_ICR, ICR_LOGICAL | 0x50);
	assert_int_equal(takers(0x50), (1u << VCPUS) - 1);
}

static void shorthands(void **state)
{
	const uint32_t all = (1u << VCPUS) - 1;

	(void)state;
	set(4, LAPIC_ICR, ICR_SELF | 0x60);
	assert_int_equal(takers(0x60), 1 << 4);
	set(4, LAPIC_ICR, ICR_ALL | 0x61);
	assert_int_equal(takers(0x61), all);
	set(4, LAPIC_ICR, ICR_OTHERS | 0x62);
	assert_int_equal(takers(0x62), all & ~(1u << 4));
	set(4, LAPIC_ICR, ICR_OTHERS | 0x400);
	assert_int_equal(posted(VCPU_REQ_NMI), all & ~(1u << 4));
	/* INIT and NMI for oneself do not exist (SDM vol. 3A table 10-3). */
	set(4, LAPIC_ICR, ICR_SELF | 0x500);
	set(4, LAPIC_ICR, ICR_ALL | 0x400);
	assert_int_equal(posted(VCPU_REQ_NMI | VCPU_REQ_INIT), 0);
}

static void starting_processors(void **state)
{
	(void)state;
	posted(~0u);
	set(0, LAPIC_ICR_HIGH, 6u << 24);
	set(0, LAPIC_ICR, 0xc500); /* INIT, level, assert */
	assert_int_equal(posted(VCPU_REQ_INIT), 1 << 6);
	set(0, LAPIC_ICR, 0x8500); /* de-assert: nothing */
	assert_int_equal(posted(~0u), 0);
	set(0, LAPIC_ICR, 0x500); /* INIT, edge */
	assert_int_equal(posted(VCPU_REQ_INIT), 1 << 6);
	set(0, LAPIC_ICR, 0x69a);
	assert_int_equal(posted(VCPU_REQ_SIPI), 1 << 6);
	assert_int_equal(vm->vcpus[6]->sipi_vector, 0x9a);
	set(0, LAPIC_ICR, 0x200); /* SMI */
	set(0, LAPIC_ICR, 0x300); /* reserved */
	set(0, LAPIC_ICR, 0x700); /* ExtINT */
	assert_int_equal(posted(~0u), 0);
}

static void lowest_priority_finds_the_idle_one(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VCPUS; i++)
		set(i, LAPIC_TPR, 0x80);
	set(7, LAPIC_TPR, 0x30);
	set(8, LAPIC_TPR, 0x20);
	set(8, LAPIC_SVR, 0xff); /* the idlest one does not take part */
	set(0, LAPIC_ICR_HIGH, 0xffu << 24);
	set(0, LAPIC_ICR, 0x100 | 0x90);
	assert_int_equal(takers(0x90), 1 << 7);

	/* Among equals, vectors spread. */
	set(8, LAPIC_SVR, ENABLED);
	for (unsigned i = 0; i < VCPUS; i++)
		set(i, LAPIC_TPR, 0);
	set(0, LAPIC_ICR, 0x100 | 0xa0);
	set(0, LAPIC_ICR, 0x100 | 0xa1);
	assert_int_equal(takers(0xa0), 1 << 0xa0 % VCPUS);
	assert_int_equal(takers(0xa1), 1 << 0xa1 % VCPUS);
}

static void messages_of_devices(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		set(i, LAPIC_LDR, 1u << (24 + i));
	vlapic_msi(vm, 0xfee03000, 0x4041);
	assert_int_equal(takers(0x41), 1 << 3);
	vlapic_msi(vm, 0xfee06004, 0x42); /* logical */
	assert_int_equal(takers(0x42), 6);
	vlapic_msi(vm, 0xfee0600c, 0x43); /* logical with hint: one of them */
	assert_int_equal(__builtin_popcount(takers(0x43)), 1);
	vlapic_msi(vm, 0xfee03000, 0x8044); /* level, de-asserted */
	vlapic_msi(vm, 0xfed03000, 0x45);   /* not the APIC's address */
	vlapic_msi(vm, 0x1fee03000, 0x46);
	assert_int_equal(vlapic_pending(lapic(3)), -1);
	vlapic_msi(vm, 0xfee02000, 0x400);
	assert_int_equal(posted(VCPU_REQ_NMI), 4);
	to_x2(3);
	vlapic_msi(vm, 0xfeeff000, 0x47); /* broadcast reaches x2APICs too */
	assert_int_equal(takers(0x47), (1u << VCPUS) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(physical_destinations),
		TEST(logical_destinations),
		TEST(shorthands),
		TEST(starting_processors),
		TEST(lowest_priority_finds_the_idle_one),
		TEST(messages_of_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

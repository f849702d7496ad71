/* The local APIC: registers, priorities, EOI, errors; a model to compare with. The timer, IPIs
 * and modes have their own tests. */
/* links: tests/unit/fake_vmm.c kernel/vmm/bus.c kernel/vmm/vioapic.c */
/* links: kernel/vmm/vlapic.c kernel/vmm/vlapic_ipi.c kernel/vmm/vlapic_timer.c */
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "tests/unit/fake_lapics.h"

static void registers_after_reset(void **state)
{
	static const struct {
		enum lapic_reg reg;
		uint32_t value;
	} after[] = {
		{LAPIC_ID, 3u << 24},
		{LAPIC_VERSION, 0x50014},
		{LAPIC_TPR, 0},
		{LAPIC_PPR, 0},
		{LAPIC_LDR, 0},
		{LAPIC_DFR, 0xffffffff},
		{LAPIC_SVR, 0xff},
		{LAPIC_LVT_TIMER, 0x10000},
		{LAPIC_LVT_THERMAL, 0x10000},
		{LAPIC_LVT_COUNTER, 0x10000},
		{LAPIC_LVT_LINT0, 0x10000},
		{LAPIC_LVT_LINT1, 0x10000},
		{LAPIC_LVT_ERROR, 0x10000},
		{LAPIC_TIMER_INITIAL, 0},
		{LAPIC_TIMER_DIVIDE, 0},
		{LAPIC_ESR, 0},
	};

	(void)state;
	fixed(3, 0x50, false);
	set(3, LAPIC_TPR, 0x20);
	vlapic_reset(lapic(3), true);
	for (unsigned i = 0; i < ARRAY_SIZE(after); i++)
		assert_int_equal(get(3, after[i].reg), after[i].value);
	assert_int_equal(vlapic_pending(lapic(3)), -1);
	assert_false(vlapic_accepts_extint(lapic(3)));

	/* The first CPU is as firmware leaves it, but only at power-on. */
	vlapic_reset(lapic(0), false);
	assert_int_equal(get(0, LAPIC_SVR), 0x1ff);
	assert_true(vlapic_accepts_extint(lapic(0)));
	vlapic_reset(lapic(0), true);
	assert_int_equal(get(0, LAPIC_SVR), 0xff);
	assert_false(vlapic_accepts_extint(lapic(0)));
}

static void interrupts_come_by_priority(void **state)
{
	(void)state;
	fixed(0, 0x31, false);
	fixed(0, 0x95, false);
	fixed(0, 0x3f, false);
	assert_int_equal(posted(VCPU_REQ_IRQ), 1);
	assert_int_equal(vlapic_pending(lapic(0)), 0x95);
	vlapic_accept(lapic(0), 0x95);
	assert_int_equal(get(0, LAPIC_PPR), 0x90);
	assert_int_equal(vlapic_pending(lapic(0)), -1);
	fixed(0, 0x9f, false); /* same class: waits */
	assert_int_equal(vlapic_pending(lapic(0)), -1);
	fixed(0, 0xa0, false); /* higher class: nests */
	assert_int_equal(vlapic_pending(lapic(0)), 0xa0);
	vlapic_accept(lapic(0), 0xa0);
	set(0, LAPIC_EOI, 0);
	assert_int_equal(get(0, LAPIC_PPR), 0x90);
	assert_int_equal(vlapic_pending(lapic(0)), -1);
	set(0, LAPIC_EOI, 0);
	assert_int_equal(vlapic_pending(lapic(0)), 0x9f);
	set(0, LAPIC_TPR, 0x90);
	assert_int_equal(vlapic_pending(lapic(0)), -1);
	assert_int_equal(vlapic_get_cr8(lapic(0)), 9);
	assert_int_equal(vlapic_tpr_threshold(lapic(0)), 9);
	vlapic_set_cr8(lapic(0), 8);
	assert_int_equal(get(0, LAPIC_TPR), 0x80);
	assert_int_equal(vlapic_tpr_threshold(lapic(0)), 0);
	assert_int_equal(vlapic_pending(lapic(0)), 0x9f);
	vlapic_accept(lapic(0), 0x9f);
	set(0, LAPIC_EOI, 0);
	set(0, LAPIC_EOI, 0); /* one too many */
	vlapic_set_cr8(lapic(0), 0);
	assert_int_equal(vlapic_pending(lapic(0)), 0x3f);
}

/* The PPR keeps TPR's low bits where TPR decides (SDM vol. 3A 10.8.3.1). */
static void ppr_follows_tpr_and_isr(void **state)
{
	static const struct {
		unsigned tpr, isr, ppr;
	} cases[] = {
		{0x00, 0, 0x00},    {0x35, 0, 0x35},	{0x35, 0x2f, 0x35},
		{0x35, 0x3f, 0x35}, {0x35, 0x41, 0x40}, {0xff, 0xf1, 0xff},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		set(0, LAPIC_TPR, 0);
		if (cases[i].isr)
			vlapic_accept(lapic(0), cases[i].isr);
		set(0, LAPIC_TPR, cases[i].tpr);
		assert_int_equal(get(0, LAPIC_PPR), cases[i].ppr);
		set(0, LAPIC_EOI, 0);
	}
}

/* VMX's virtual-APIC page is ours: MOV to CR8 changes TPR in it, and the backend says so then.
 */
static void tpr_written_by_the_cpu_counts(void **state)
{
	uint32_t *page = vlapic_page(lapic(0));

	(void)state;
	fixed(0, 0x55, false);
	page[4 * LAPIC_TPR] = 0x60;
	vlapic_set_cr8(lapic(0), vlapic_get_cr8(lapic(0)));
	assert_int_equal(vlapic_pending(lapic(0)), -1);
	assert_int_equal(vlapic_tpr_threshold(lapic(0)), 5);
	page[4 * LAPIC_TPR] = 0x40;
	vlapic_set_cr8(lapic(0), vlapic_get_cr8(lapic(0)));
	assert_int_equal(vlapic_pending(lapic(0)), 0x55);
}

static void software_disable_masks_and_drops(void **state)
{
	(void)state;
	set(1, LAPIC_LVT_ERROR, 0x40);
	fixed(1, 0x50, false);
	set(1, LAPIC_SVR, 0xff);
	assert_int_equal(get(1, LAPIC_LVT_ERROR), 0x10040);
	set(1, LAPIC_LVT_ERROR, 0x41); /* stays masked */
	assert_int_equal(get(1, LAPIC_LVT_ERROR), 0x10041);
	assert_int_equal(fixed(1, 0x60, false), 0);
	assert_int_equal(vlapic_pending(lapic(1)), 0x50); /* held, as it was before */
	set(1, LAPIC_ICR_HIGH, 1u << 24);
	set(1, LAPIC_ICR, 0x400); /* NMI goes through, both ways */
	assert_int_equal(posted(VCPU_REQ_NMI), 2);
}

static void errors_are_latched_by_a_write(void **state)
{
	(void)state;
	set(0, LAPIC_LVT_ERROR, 0xfe);
	assert_int_equal(fixed(0, 3, false), 0);
	assert_int_equal(vlapic_pending(lapic(0)), 0xfe);
	assert_int_equal(get(0, LAPIC_ESR), 0);
	set(0, LAPIC_ESR, 0);
	assert_int_equal(get(0, LAPIC_ESR), 0x40);
	set(0, LAPIC_ESR, 0);
	assert_int_equal(get(0, LAPIC_ESR), 0);
	set(0, LAPIC_ICR, ICR_SELF | 15);
	get(0, 0x3a);
	set(0, LAPIC_LVT_ERROR, 7); /* an error about an error ends somewhere */
	set(0, 0x01, 0);
	set(0, LAPIC_ESR, 0);
	assert_int_equal(get(0, LAPIC_ESR), 0xa0);
}

static void level_interrupts_tell_the_ioapic(void **state)
{
	(void)state;
	/* Pin 5: vector 0x71, level, to vCPU 1. */
	fake_write(vm, &vm->mmio, VIOAPIC_BASE, 4, 0x1b);
	fake_write(vm, &vm->mmio, VIOAPIC_BASE + 0x10, 4, 1u << 24);
	fake_write(vm, &vm->mmio, VIOAPIC_BASE, 4, 0x1a);
	fake_write(vm, &vm->mmio, VIOAPIC_BASE + 0x10, 4, 0x8071);
	vioapic_set_pin(vm->ioapic, 5, true);
	assert_int_equal(get(1, LAPIC_TMR + 3), 1 << 17);
	for (unsigned round = 0; round < 3; round++) {
		assert_int_equal(vlapic_pending(lapic(1)), 0x71);
		vlapic_accept(lapic(1), 0x71);
		assert_int_equal(fake_read(vm, &vm->mmio, VIOAPIC_BASE + 0x10, 4), 0xc071);
		set(1, LAPIC_EOI, 0); /* still asserted: comes again */
	}
	vlapic_accept(lapic(1), 0x71);
	vioapic_set_pin(vm->ioapic, 5, false);
	set(1, LAPIC_EOI, 0);
	assert_int_equal(vlapic_pending(lapic(1)), -1);
	assert_int_equal(fake_read(vm, &vm->mmio, VIOAPIC_BASE + 0x10, 4), 0x8071);
	fixed(1, 0x71, false); /* an edge with that vector is not a level */
	assert_int_equal(get(1, LAPIC_TMR + 3), 0);
}

static void extint_goes_through_lint0(void **state)
{
	(void)state;
	set(2, LAPIC_LVT_LINT0, 0x700);
	assert_true(vlapic_accepts_extint(lapic(2)));
	set(2, LAPIC_LVT_LINT0, 0x10700);
	assert_false(vlapic_accepts_extint(lapic(2)));
	set(2, LAPIC_LVT_LINT0, 0x40);
	assert_false(vlapic_accepts_extint(lapic(2)));
	assert_int_equal(vlapic_wrmsr(lapic(2), BASE_MSR, VLAPIC_DEFAULT_BASE), 0);
	assert_true(vlapic_accepts_extint(lapic(2))); /* no APIC in the way */
}

/* Every register, width and offset with any value: nothing may break, least of all memory. */
static void hostile_accesses(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (unsigned n = 0; n < 200000; n++) {
		uint64_t random = fake_random(&seed), value = fake_random(&seed);
		unsigned who = random % 4;
		struct bus_access access = {
			.vcpu = vm->vcpus[who],
			.offset = random >> 8 & 0xfff,
			.value = value,
			.bytes = 1u << (random >> 24 & 3),
			.write = random & BIT(30),
		};
		uint32_t msr = 0x800 + (random >> 40 & 0x4f);

		if (random & BIT(31))
			access.offset &= 0x3f0;
		access.offset = MIN(access.offset, PAGE_BYTES - access.bytes);
		if (random & BIT(32))
			value &= 0xfff;
		switch (random >> 33 & 7) {
		case 0: vlapic_rdmsr(lapic(who), msr, &value); break;
		case 1: vlapic_wrmsr(lapic(who), msr, value); break;
		case 2: vlapic_wrmsr(lapic(who), BASE_MSR, 0xfee00000 | (value & 0xc00)); break;
		case 3: vlapic_msi(vm, 0xfee00000 | (value & 0xfffff), value >> 32); break;
		default: vlapic_mmio(NULL, &access);
		}
		if (vlapic_pending(lapic(who)) >= 0)
			vlapic_accept(lapic(who), vlapic_pending(lapic(who)));
		fake_run_until(fake_now_ns + (random >> 48 & 0xff));
	}
}

/* The plainest model of priorities, for random_operations_agree_with_a_model(). */
struct model {
	bool irr[256], isr[256];
	unsigned tpr;
};

static int model_highest(const bool *set_of)
{
	for (int v = 255; v >= 0; v--)
		if (set_of[v])
			return v;
	return -1;
}

static int model_pending(const struct model *m)
{
	int irr = model_highest(m->irr), isr = model_highest(m->isr);

	return irr >= 0 && irr / 16 > isr / 16 && irr / 16 > (int)m->tpr / 16 ? irr : -1;
}

static void random_operations_agree_with_a_model(void **state)
{
	struct model m = {.tpr = 0};
	uint64_t seed = 99;

	(void)state;
	for (unsigned n = 0; n < 100000; n++) {
		unsigned vector = 16 + fake_random(&seed) % 240;
		int pending = model_pending(&m), served;

		assert_int_equal(vlapic_pending(lapic(0)), pending);
		switch (fake_random(&seed) % 4) {
		case 0:
			m.irr[vector] = true;
			assert_int_equal(fixed(0, vector, vector & 1), 1);
			break;
		case 1:
			if (pending < 0)
				break;
			m.irr[pending] = false;
			m.isr[pending] = true;
			vlapic_accept(lapic(0), pending);
			break;
		case 2:
			served = model_highest(m.isr);
			if (served >= 0)
				m.isr[served] = false;
			set(0, LAPIC_EOI, 0);
			break;
		case 3:
			m.tpr = fake_random(&seed) & fake_random(&seed) & 0xff;
			set(0, LAPIC_TPR, m.tpr);
			break;
		}
		for (unsigned reg = 0; n % 64 == 0 && reg < 8; reg++)
			for (unsigned bit = 0; bit < 32; bit++) {
				assert_int_equal(get(0, LAPIC_IRR + reg) >> bit & 1,
						 m.irr[reg * 32 + bit]);
				assert_int_equal(get(0, LAPIC_ISR + reg) >> bit & 1,
						 m.isr[reg * 32 + bit]);
			}
	}
}

#define POSTERS 2
#define POSTS	20000

static _Atomic unsigned taken[POSTERS];
static _Atomic bool gave_up;

static void *post(void *arg)
{
	unsigned who = (uintptr_t)arg;

	for (unsigned n = 0; n < POSTS && !gave_up; n++) {
		fixed(0, 0x20 * (who + 1) + 0x11, false);
		while (taken[who] == n && !gave_up)
			sched_yield();
	}
	return NULL;
}

/* Two CPUs post, each its next interrupt when the last was taken: were one lost between IRR
 * and irr_words, that CPU would wait for ever. */
static void concurrent_interrupts_are_not_lost(void **state)
{
	pthread_t threads[POSTERS];
	time_t limit = time(NULL) + 600;

	(void)state;
	for (uintptr_t i = 0; i < POSTERS; i++) {
		taken[i] = 0;
		pthread_create(&threads[i], NULL, post, (void *)i);
	}
	while ((taken[0] < POSTS || taken[1] < POSTS) && !gave_up) {
		int vector = vlapic_pending(lapic(0));

		gave_up = time(NULL) > limit;
		if (vector < 0)
			continue;
		vlapic_accept(lapic(0), vector);
		set(0, LAPIC_EOI, 0);
		taken[vector / 0x20 - 1]++;
	}
	for (unsigned i = 0; i < POSTERS; i++)
		pthread_join(threads[i], NULL);
	assert_false(gave_up);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(registers_after_reset),
		TEST(interrupts_come_by_priority),
		TEST(ppr_follows_tpr_and_isr),
		TEST(tpr_written_by_the_cpu_counts),
		TEST(software_disable_masks_and_drops),
		TEST(errors_are_latched_by_a_write),
		TEST(level_interrupts_tell_the_ioapic),
		TEST(extint_goes_through_lint0),
		TEST(hostile_accesses),
		TEST(random_operations_agree_with_a_model),
		TEST(concurrent_interrupts_are_not_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

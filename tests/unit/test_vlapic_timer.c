/* The local APIC's timer on a clock that the test moves: when it fires, how often, and what a
 * guest that reads the count sees. */
/* links: tests/unit/fake_vmm.c kernel/vmm/bus.c kernel/vmm/vioapic.c */
/* links: kernel/vmm/vlapic.c kernel/vmm/vlapic_ipi.c kernel/vmm/vlapic_timer.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/vmm/vlapic_internal.h"
#include "kernel/vmm/vtsc.h"
#include "tests/unit/fake_vmm.h"

#define TSC_DEADLINE 0x6e0
#define VECTOR	     0xec
#define ONE_SHOT     0x00000
#define PERIODIC     0x20000
#define DEADLINE     0x40000
#define MASKED	     0x10000
#define DIVIDE_1     0xb
#define START_NS     500 /* little, so that counts begin "before" time 0 */

static struct vm *vm;
static struct vlapic *lapic;

static uint32_t get(enum lapic_reg reg)
{
	struct bus_access access = {.vcpu = vm->vcpus[0], .offset = reg * 16, .bytes = 4};

	vlapic_mmio(NULL, &access);
	return access.value;
}

static void set(enum lapic_reg reg, uint32_t value)
{
	struct bus_access access = {
		.vcpu = vm->vcpus[0],
		.offset = reg * 16,
		.value = value,
		.bytes = 4,
		.write = true,
	};

	vlapic_mmio(NULL, &access);
}

/* Interrupts that the guest takes (and ends) until then, looking every `step_ns`. */
static unsigned interrupts_until(uint64_t ns, uint64_t step_ns)
{
	unsigned count = 0;

	while (fake_now_ns < ns) {
		fake_run_until(MIN(ns, fake_now_ns + step_ns));
		if (vlapic_pending(lapic) < 0)
			continue;
		assert_int_equal(vlapic_pending(lapic), VECTOR);
		vlapic_accept(lapic, VECTOR);
		set(LAPIC_EOI, 0);
		count++;
	}
	return count;
}

static int set_up(void **state)
{
	(void)state;
	vm = fake_vm_create(1, START_NS);
	lapic = vm->vcpus[0]->lapic = vlapic_create(vm->vcpus[0]);
	set(LAPIC_TIMER_DIVIDE, DIVIDE_1);
	set(LAPIC_LVT_TIMER, ONE_SHOT | VECTOR);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	vlapic_destroy(lapic);
	assert_int_equal(fake_timers_armed(), 0);
	fake_vm_destroy(vm);
	return 0;
}

static void one_shot_fires_once_and_in_time(void **state)
{
	(void)state;
	set(LAPIC_TIMER_INITIAL, 1000000);
	fake_run_until(START_NS + 400000);
	assert_int_equal(get(LAPIC_TIMER_CURRENT), 600000);
	fake_run_until(START_NS + 999999);
	assert_int_equal(get(LAPIC_TIMER_CURRENT), 1);
	assert_int_equal(vlapic_pending(lapic), -1);
	fake_run_until(START_NS + 1000000);
	assert_int_equal(get(LAPIC_TIMER_CURRENT), 0);
	assert_int_equal(vlapic_pending(lapic), VECTOR);
	assert_int_equal(get(LAPIC_TIMER_INITIAL), 1000000);
	assert_int_equal(interrupts_until(10000000, 1000), 1);
	assert_int_equal(vm->vcpus[0]->requests & VCPU_REQ_IRQ, VCPU_REQ_IRQ);
	set(LAPIC_TIMER_INITIAL, 5);
	set(LAPIC_TIMER_INITIAL, 0); /* stops it */
	assert_int_equal(interrupts_until(20000000, 1000), 0);
	set(LAPIC_TIMER_INITIAL, 1); /* over before one can look */
	assert_int_equal(interrupts_until(30000000, 1000), 1);
}

static void divisors(void **state)
{
	static const struct {
		uint32_t value, divisor;
	} cases[] = {
		{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {10, 128}, {11, 1},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t start = fake_now_ns;

		set(LAPIC_TIMER_DIVIDE, cases[i].value);
		set(LAPIC_TIMER_INITIAL, 1000);
		assert_int_equal(interrupts_until(start + 1000 * cases[i].divisor - 1, 100), 0);
		assert_int_equal(interrupts_until(start + 1000 * cases[i].divisor, 100), 1);
	}
}

/* 32 bits by 128: 549 s, and nothing overflows on the way. */
static void the_longest_count(void **state)
{
	(void)state;
	set(LAPIC_TIMER_DIVIDE, 10);
	set(LAPIC_TIMER_INITIAL, 0xffffffff);
	assert_int_equal(interrupts_until(START_NS + 0xffffffffull * 128 - 1, NSEC_PER_SEC), 0);
	assert_int_equal(get(LAPIC_TIMER_CURRENT), 1);
	assert_int_equal(interrupts_until(START_NS + 0xffffffffull * 128, NSEC_PER_SEC), 1);
}

static void a_divisor_changed_while_counting(void **state)
{
	(void)state;
	set(LAPIC_TIMER_INITIAL, 1000000);
	fake_run_until(START_NS + 400000);
	set(LAPIC_TIMER_DIVIDE, 1); /* by 4: the 600000 left take 2400000 ns */
	assert_int_equal(get(LAPIC_TIMER_CURRENT), 600000);
	assert_int_equal(interrupts_until(START_NS + 400000 + 2399999, 1000), 0);
	assert_int_equal(get(LAPIC_TIMER_CURRENT), 1);
	assert_int_equal(interrupts_until(START_NS + 400000 + 2400000, 1000), 1);
}

static void periodic_does_not_drift(void **state)
{
	(void)state;
	fake_late_ns = 300; /* each time */
	set(LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	set(LAPIC_TIMER_INITIAL, 100000);
	assert_int_equal(interrupts_until(START_NS + 100000 * 1000ull + 299, 5000), 999);
	assert_int_equal(interrupts_until(START_NS + 100000 * 1000ull + 300, 5000), 1);
	fake_run_until(fake_now_ns + 40000);
	assert_int_equal(get(LAPIC_TIMER_CURRENT), 100000 - 40300);
}

static void periodic_does_not_flood_when_late(void **state)
{
	(void)state;
	set(LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	set(LAPIC_TIMER_INITIAL, 100000);
	fake_now_ns += 100000000; /* a thousand periods without a look */
	fake_run_until(fake_now_ns);
	assert_int_equal(fake_timer_runs, 1);
	assert_int_equal(interrupts_until(START_NS + 100099999, 1000), 1);
	assert_int_equal(interrupts_until(START_NS + 100100000, 1000), 1); /* in phase */
}

/* A guest that asks for an interrupt each nanosecond gets them, but not so often. */
static void tiny_periods_do_not_storm(void **state)
{
	static const uint32_t counts[] = {1, 2, 7, 100, 19999, 20000, 20001};

	(void)state;
	set(LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	for (unsigned i = 0; i < ARRAY_SIZE(counts); i++) {
		uint64_t end = fake_now_ns + 10000000;
		unsigned count;

		fake_timer_runs = 0;
		set(LAPIC_TIMER_INITIAL, counts[i]);
		count = interrupts_until(end, 1000);
		assert_in_range(count, 250, 500);
		assert_in_range(fake_timer_runs, 250, 500);
		assert_in_range(get(LAPIC_TIMER_CURRENT), 1, counts[i]);
	}
}

/* Nor do they where many vCPUs, which may all be on one CPU, ask for the same. */
static void many_timers_share_the_limit(void **state)
{
	(void)state;
	vm->vcpu_count = 10;
	set(LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	set(LAPIC_TIMER_INITIAL, 1);
	assert_in_range(interrupts_until(fake_now_ns + 10000000, 1000), 25, 50);
	assert_in_range(fake_timer_runs, 25, 50);
	vm->vcpu_count = 1;
}

static void masked_timer_counts_silently(void **state)
{
	(void)state;
	set(LAPIC_LVT_TIMER, MASKED | PERIODIC | VECTOR);
	set(LAPIC_TIMER_INITIAL, 100000);
	assert_int_equal(interrupts_until(START_NS + 550000, 10000), 0);
	assert_int_equal(get(LAPIC_TIMER_CURRENT), 50000);
	set(LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	assert_int_equal(interrupts_until(START_NS + 650000, 10000), 1);
}

/* Between one-shot and periodic the count goes on where it was; one that ended stays ended. */
static void mode_changes_keep_the_count(void **state)
{
	(void)state;
	set(LAPIC_TIMER_INITIAL, 1000000);
	fake_run_until(START_NS + 700000);
	set(LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	assert_int_equal(get(LAPIC_TIMER_CURRENT), 300000);
	assert_int_equal(interrupts_until(START_NS + 2600000, 1000), 2);
	assert_int_equal(get(LAPIC_TIMER_CURRENT), 400000);
	set(LAPIC_LVT_TIMER, ONE_SHOT | VECTOR);
	assert_int_equal(get(LAPIC_TIMER_CURRENT), 400000);
	assert_int_equal(interrupts_until(START_NS + 9000000, 1000), 1);
	set(LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	assert_int_equal(get(LAPIC_TIMER_CURRENT), 0);
	assert_int_equal(interrupts_until(START_NS + 19000000, 1000), 0);
}

/* The host was late, and the guest changes the mode just then: the interrupt still comes. */
static void a_due_interrupt_survives_a_mode_change(void **state)
{
	(void)state;
	set(LAPIC_TIMER_INITIAL, 1000);
	fake_now_ns += 2000; /* no timer runs */
	set(LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	assert_int_equal(vlapic_pending(lapic), VECTOR);
}

static uint64_t deadline(void)
{
	uint64_t value;

	assert_int_equal(vlapic_rdmsr(lapic, TSC_DEADLINE, &value), 0);
	return value;
}

static void set_deadline(uint64_t tsc)
{
	assert_int_equal(vlapic_wrmsr(lapic, TSC_DEADLINE, tsc), 0);
}

static void tsc_deadline(void **state)
{
	uint64_t start;

	(void)state;
	set_deadline(vtsc_read(vm->vcpus[0])); /* ignored in another mode */
	assert_int_equal(deadline(), 0);
	set(LAPIC_TIMER_INITIAL, 1000);
	set(LAPIC_LVT_TIMER, DEADLINE | VECTOR); /* stops the count */
	assert_int_equal(get(LAPIC_TIMER_INITIAL), 0);
	assert_int_equal(interrupts_until(100000, 1000), 0);
	set(LAPIC_TIMER_INITIAL, 1000); /* ignored */
	assert_int_equal(get(LAPIC_TIMER_CURRENT), 0);

	start = fake_now_ns;
	set_deadline(vtsc_read(vm->vcpus[0]) + FAKE_TSC_PER_NS * 50000 + 1);
	assert_int_equal(deadline(), vtsc_read(vm->vcpus[0]) + FAKE_TSC_PER_NS * 50000 + 1);
	assert_int_equal(interrupts_until(start + 50000, 10), 0);
	assert_int_equal(interrupts_until(start + 50001, 10), 1);
	assert_int_equal(deadline(), 0);
	assert_int_equal(interrupts_until(start + 900000, 1000), 0);

	set_deadline(vtsc_read(vm->vcpus[0])); /* now, and in the past: at once */
	assert_int_equal(vlapic_pending(lapic), VECTOR);
	assert_int_equal(interrupts_until(fake_now_ns + 1, 1), 1);
	set_deadline(1);
	assert_int_equal(interrupts_until(fake_now_ns + 1, 1), 1);
	assert_int_equal(deadline(), 0);

	set_deadline(vtsc_read(vm->vcpus[0]) + 1000);
	set_deadline(0); /* disarms */
	assert_int_equal(interrupts_until(fake_now_ns + 10000, 100), 0);
	set_deadline(vtsc_read(vm->vcpus[0]) + 100000); /* moved */
	set_deadline(vtsc_read(vm->vcpus[0]) + 1000);
	assert_int_equal(interrupts_until(fake_now_ns + 100000, 100), 1);
	set_deadline(vtsc_read(vm->vcpus[0]) + 1000);
	set(LAPIC_LVT_TIMER, ONE_SHOT | VECTOR); /* leaving the mode disarms */
	assert_int_equal(interrupts_until(fake_now_ns + 10000, 100), 0);
	assert_int_equal(deadline(), 0);
}

static void deadlines_beyond_all_time(void **state)
{
	(void)state;
	set(LAPIC_LVT_TIMER, DEADLINE | VECTOR);
	set_deadline(~0ull);
	assert_int_equal(interrupts_until(fake_now_ns + BIT(52), BIT(44)), 0);
	assert_true(deadline() == ~0ull);
	set_deadline(vtsc_read(vm->vcpus[0]) + BIT(52)); /* armed in steps, yet exact to 1 ns */
	assert_int_equal(interrupts_until(fake_now_ns + BIT(51) - 1, BIT(44)), 0);
	assert_int_equal(interrupts_until(fake_now_ns + 2, 1), 1);
}

/* Of the guest's TSC itself: whichever way it jumps, the deadline is its new value's. */
static void a_deadline_when_the_tsc_jumps(void **state)
{
	struct vcpu *vcpu = vm->vcpus[0];

	(void)state;
	set(LAPIC_LVT_TIMER, DEADLINE | VECTOR);
	vcpu->tsc_adjust = BIT(40);
	set_deadline(vtsc_read(vcpu) + FAKE_TSC_PER_NS * 50000);
	vcpu->tsc_adjust -= FAKE_TSC_PER_NS * 30000; /* back: it is further off */
	vlapic_tsc_moved(lapic);
	assert_int_equal(interrupts_until(fake_now_ns + 79999, 1000), 0);
	assert_int_equal(interrupts_until(fake_now_ns + 10, 1), 1);

	set_deadline(vtsc_read(vcpu) + FAKE_TSC_PER_NS * 50000);
	vcpu->tsc_adjust += FAKE_TSC_PER_NS * 50000; /* beyond it: at once */
	vlapic_tsc_moved(lapic);
	assert_int_equal(vlapic_pending(lapic), VECTOR);
	assert_int_equal(deadline(), 0);
	assert_int_equal(interrupts_until(fake_now_ns + 1, 1), 1);
	vlapic_tsc_moved(lapic); /* nothing is armed */
	assert_int_equal(interrupts_until(fake_now_ns + 100000, 1000), 0);
}

static void reset_stops_the_timer(void **state)
{
	(void)state;
	set(LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	set(LAPIC_TIMER_INITIAL, 100000);
	vlapic_reset(lapic, true);
	assert_int_equal(fake_timers_armed(), 0);
	assert_int_equal(get(LAPIC_TIMER_CURRENT), 0);
	set(LAPIC_SVR, 0x1ff);
	set(LAPIC_LVT_TIMER, ONE_SHOT | VECTOR);
	set(LAPIC_TIMER_INITIAL, 1000); /* divided by 2 after reset */
	assert_int_equal(interrupts_until(START_NS + 1999, 1), 0);
	assert_int_equal(interrupts_until(START_NS + 2000, 1), 1);
}

static void a_stopped_vm_ticks_no_more(void **state)
{
	(void)state;
	set(LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	set(LAPIC_TIMER_INITIAL, 100000);
	vm->stopping = true;
	fake_run_until(NSEC_PER_SEC);
	assert_int_equal(fake_timer_runs, 1);
}

/* The reserved mode: no interrupt, no count, no crash. */
static void reserved_mode_does_nothing(void **state)
{
	(void)state;
	set(LAPIC_LVT_TIMER, 0x60000 | VECTOR);
	set(LAPIC_TIMER_INITIAL, 1000);
	set_deadline(1);
	assert_int_equal(interrupts_until(100000, 1000), 0);
	assert_int_equal(get(LAPIC_TIMER_CURRENT), 0);
}

/* This CPU's clock may be a little behind that of the CPU where the count began. */
static void a_clock_that_goes_back(void **state)
{
	(void)state;
	set(LAPIC_TIMER_INITIAL, 1000);
	fake_now_ns -= 100;
	assert_int_equal(get(LAPIC_TIMER_CURRENT), 1000);
	set(LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	fake_now_ns -= 100;
	assert_int_equal(get(LAPIC_TIMER_CURRENT), 1000);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_shot_fires_once_and_in_time),
		TEST(divisors),
		TEST(the_longest_count),
		TEST(a_divisor_changed_while_counting),
		TEST(periodic_does_not_drift),
		TEST(periodic_does_not_flood_when_late),
		TEST(tiny_periods_do_not_storm),
		TEST(many_timers_share_the_limit),
		TEST(masked_timer_counts_silently),
		TEST(mode_changes_keep_the_count),
		TEST(a_due_interrupt_survives_a_mode_change),
		TEST(tsc_deadline),
		TEST(a_deadline_when_the_tsc_jumps),
		TEST(deadlines_beyond_all_time),
		TEST(reset_stops_the_timer),
		TEST(reserved_mode_does_nothing),
		TEST(a_stopped_vm_ticks_no_more),
		TEST(a_clock_that_goes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

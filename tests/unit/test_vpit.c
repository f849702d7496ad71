/* The 8254 on a clock that the test moves: counts as a guest reads them, channel 0's ticks,
 * port 0x61, and no storm whatever is programmed. */
/* links: tests/unit/fake_vmm.c kernel/vmm/bus.c kernel/vmm/vpit.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/vmm/vpit.h"
#include "tests/unit/fake_vmm.h"

#define CONTROL	 0x43
#define GATE	 0x61
#define START_NS 12345678
#define HZ	 1193182ull

static struct vm *vm;

static void out(uint16_t port, uint8_t value)
{
	fake_write(vm, &vm->pio, port, 1, value);
}

static uint8_t in(uint16_t port)
{
	return fake_read(vm, &vm->pio, port, 1);
}

/* Low byte, high byte: control words of the 0x30 kind. */
static void start(unsigned channel, unsigned mode, uint16_t count)
{
	out(CONTROL, channel << 6 | 0x30 | mode << 1);
	out(0x40 + channel, count);
	out(0x40 + channel, count >> 8);
}

static uint16_t two_bytes(uint16_t port)
{
	uint8_t low = in(port);

	return low | in(port) << 8;
}

static uint16_t count(unsigned channel)
{
	out(CONTROL, channel << 6);
	return two_bytes(0x40 + channel);
}

static uint8_t status(unsigned channel)
{
	out(CONTROL, 0xe0 | 2u << channel);
	return in(0x40 + channel);
}

/* Time passes: to the first nanosecond at which `ticks` have been counted since `from_ns`. */
static void run_ticks(uint64_t from_ns, uint64_t ticks)
{
	fake_run_until(from_ns + (ticks * NSEC_PER_SEC + HZ - 1) / HZ);
}

static bool out2(void)
{
	return in(GATE)&0x20;
}

static int set_up(void **state)
{
	(void)state;
	vm = fake_vm_create(1, START_NS);
	vm->pit = vpit_create(&vm->board);
	out(GATE, 1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	vpit_destroy(vm->pit);
	assert_int_equal(fake_timers_armed(), 0);
	fake_vm_destroy(vm);
	return 0;
}

/* What Linux does to calibrate the TSC: channel 2, mode 0, and wait for OUT in port 0x61. */
static void mode_0_ends_with_out_high(void **state)
{
	(void)state;
	out(CONTROL, 0xb0);
	assert_false(out2());
	out(0x42, 59659 & 0xff);
	out(0x42, 59659 >> 8);
	assert_int_equal(count(2), 59659);
	run_ticks(START_NS, 100);
	assert_int_equal(count(2), 59559);
	assert_int_equal(status(2), 0x30);
	run_ticks(START_NS, 59658);
	assert_false(out2());
	run_ticks(START_NS, 59659);
	assert_true(out2());
	assert_int_equal(status(2), 0xb0);
	run_ticks(START_NS, 59659 + 3); /* it counts on */
	assert_int_equal(count(2), 0xfffd);
}

static void mode_2_divides(void **state)
{
	(void)state;
	start(2, 2, 1000);
	run_ticks(START_NS, 998);
	assert_int_equal(count(2), 2);
	assert_true(out2());
	run_ticks(START_NS, 999);
	assert_int_equal(count(2), 1);
	assert_false(out2());
	run_ticks(START_NS, 1000);
	assert_int_equal(count(2), 1000);
	assert_true(out2());
	run_ticks(START_NS, 5300);
	assert_int_equal(count(2), 700);
}

static void mode_3_is_a_square_wave(void **state)
{
	(void)state;
	start(2, 3, 0); /* 65536 */
	run_ticks(START_NS, 0x7fff);
	assert_true(out2());
	assert_int_equal(count(2), 2);
	run_ticks(START_NS, 0x8000);
	assert_false(out2());
	run_ticks(START_NS, 0x10000 + 0x100);
	assert_true(out2());
	assert_int_equal(count(2), 0xfe00);
	start(2, 7, 3); /* 7 is 3 too */
	assert_int_equal(status(2) & 0x0e, 6);
}

static void mode_4_strobes(void **state)
{
	(void)state;
	start(2, 4, 50);
	assert_true(out2());
	run_ticks(START_NS, 50);
	assert_false(out2());
	run_ticks(START_NS, 51);
	assert_true(out2());
}

/* Modes 1 and 5 wait for the gate, and begin again with it. */
static void the_gate_triggers(void **state)
{
	uint64_t start_ns;

	(void)state;
	start(2, 1, 100);
	run_ticks(START_NS, 1000);
	assert_true(out2());
	out(GATE, 0);
	out(GATE, 1);
	start_ns = fake_now_ns;
	assert_false(out2());
	run_ticks(start_ns, 60);
	out(GATE, 0);
	out(GATE, 1);
	run_ticks(start_ns, 159);
	assert_false(out2());
	run_ticks(start_ns, 161);
	assert_true(out2());

	start(2, 5, 100);
	assert_true(out2());
	out(GATE, 0);
	out(GATE, 1);
	start_ns = fake_now_ns;
	run_ticks(start_ns, 100);
	assert_false(out2());
}

/* In modes 0 and 4 the gate stops the count; in 2 and 3 its rise starts it anew. */
static void the_gate_holds(void **state)
{
	(void)state;
	start(2, 0, 1000);
	run_ticks(START_NS, 400);
	out(GATE, 0);
	run_ticks(START_NS, 4000);
	assert_int_equal(count(2), 600);
	out(GATE, 1);
	run_ticks(START_NS, 4599);
	assert_false(out2());
	run_ticks(START_NS, 4601);
	assert_true(out2());

	start(2, 2, 1000);
	run_ticks(fake_now_ns, 300);
	out(GATE, 2);
	assert_true(out2());
	out(GATE, 3);
	assert_int_equal(count(2), 1000);
	assert_int_equal(in(GATE)&0xcf, 3);

	out(GATE, 0);
	start(2, 0, 500); /* loaded while the gate is low */
	run_ticks(fake_now_ns, 5000);
	assert_int_equal(count(2), 500);
}

static void port_61_toggles_refresh(void **state)
{
	unsigned changes = 0;
	uint8_t last = in(GATE);

	(void)state;
	for (unsigned us = 0; us < 1000; us++) {
		uint8_t now;

		fake_run_until(fake_now_ns + 1000);
		now = in(GATE);
		changes += (now ^ last) >> 4 & 1;
		last = now;
	}
	assert_in_range(changes, 66, 67); /* each 15.085 us */
	out(GATE, 0xff);
	assert_int_equal(in(GATE)&0xcf, 0x0f);
}

static void bytes_and_latches(void **state)
{
	(void)state;
	out(CONTROL, 0x94); /* channel 2, low byte only, mode 2 */
	out(0x42, 200);
	run_ticks(START_NS, 50);
	assert_int_equal(in(0x42), 150);
	assert_int_equal(in(0x42), 150);
	out(CONTROL, 0xa4); /* high byte only */
	out(0x42, 0x12);
	assert_int_equal(in(0x42), 0x12);

	start(2, 2, 0x1234);
	out(CONTROL, 0x80);
	run_ticks(fake_now_ns, 0x200);
	out(CONTROL, 0x80); /* latched already: the first one holds */
	assert_int_equal(in(0x42), 0x34);
	assert_int_equal(in(0x42), 0x12);
	assert_int_equal(in(0x42), 0x34); /* the count itself again */
	assert_int_equal(in(0x42), 0x10);

	out(CONTROL, 0xc8); /* read back: status, then count, of channel 2 */
	assert_int_equal(in(0x42), 0xb4);
	assert_int_equal(in(0x42), 0x34);
	assert_int_equal(in(0x42), 0x10);
	out(CONTROL, 0xb4);
	assert_int_equal(status(2), 0xf4); /* no count yet */
	assert_int_equal(in(CONTROL), 0xff);
}

static void decimal_counts(void **state)
{
	(void)state;
	out(CONTROL, 0xb5); /* mode 2, BCD */
	out(0x42, 0x00);
	out(0x42, 0x10); /* one thousand */
	run_ticks(START_NS, 1);
	assert_int_equal(count(2), 0x0999);
	run_ticks(START_NS, 1990);
	assert_int_equal(count(2), 0x0010);
	out(CONTROL, 0xb1);
	out(0x42, 0);
	out(0x42, 0); /* ten thousand */
	run_ticks(fake_now_ns, 1);
	assert_int_equal(count(2), 0x9999);
}

static void channel_0_ticks(void **state)
{
	(void)state;
	start(0, 2, 11932); /* 100 Hz */
	run_ticks(START_NS, 11931);
	assert_int_equal(fake_irq_rises[0], 0);
	run_ticks(START_NS, 11932);
	assert_int_equal(fake_irq_rises[0], 1);
	fake_late_ns = 1000;
	run_ticks(START_NS, 11932ull * 100000);
	fake_run_until(fake_now_ns + 1000); /* a thousand seconds later, not one is off */
	assert_int_equal(fake_irq_rises[0], 100000);
	start(0, 3, 11932);
	fake_run_until(fake_now_ns + NSEC_PER_SEC + 20000);
	assert_int_equal(fake_irq_rises[0], 100000 + 100);
}

static void one_shots_come_once(void **state)
{
	(void)state;
	start(0, 0, 1000);
	assert_false(fake_irq_level[0]);
	run_ticks(START_NS, 1000);
	assert_int_equal(fake_irq_rises[0], 1);
	fake_run_until(NSEC_PER_SEC);
	assert_int_equal(fake_irq_rises[0], 1);
	start(0, 4, 1000); /* what Linux uses */
	run_ticks(NSEC_PER_SEC, 1000);
	assert_int_equal(fake_irq_rises[0], 1);
	run_ticks(NSEC_PER_SEC, 1001);
	assert_int_equal(fake_irq_rises[0], 2);
	start(0, 4, 1000);
	start(0, 4, 50000); /* moved */
	fake_run_until(fake_now_ns + 10 * NSEC_PER_MSEC);
	assert_int_equal(fake_irq_rises[0], 2);
	fake_run_until(fake_now_ns + NSEC_PER_SEC);
	assert_int_equal(fake_irq_rises[0], 3);
	start(0, 0, 1000);
	out(CONTROL, 0x34); /* called off: no count follows */
	fake_run_until(fake_now_ns + NSEC_PER_SEC);
	assert_int_equal(fake_irq_rises[0], 3);
	start(0, 1, 1000); /* its gate never rises */
	fake_run_until(fake_now_ns + NSEC_PER_SEC);
	assert_int_equal(fake_irq_rises[0], 3);
}

static void a_stopped_vm_ticks_no_more(void **state)
{
	(void)state;
	start(0, 2, 11932);
	vm->stopping = true;
	fake_run_until(NSEC_PER_SEC);
	assert_int_equal(fake_timer_runs, 1);
}

/* The timer's function was waiting for the lock while the guest programmed another count. */
static void a_moved_tick_is_not_early(void **state)
{
	(void)state;
	start(0, 4, 50000);
	fake_run_early();
	assert_int_equal(fake_irq_rises[0], 0);
	run_ticks(START_NS, 50001);
	assert_int_equal(fake_irq_rises[0], 1);
	start(0, 4, 50000);
	out(CONTROL, 0x38);
	fake_run_early();
	assert_int_equal(fake_irq_rises[0], 1);
}

/* A few late ticks are made up for; of many, eight. */
static void late_ticks_are_caught_up_with(void **state)
{
	const uint64_t period = 10 * NSEC_PER_MSEC;
	unsigned before;

	(void)state;
	start(0, 2, 11932);
	fake_run_until(START_NS + 10 * period + 1000000);
	assert_int_equal(fake_irq_rises[0], 10);
	fake_now_ns += 5 * period; /* nobody ran timers */
	fake_run_until(fake_now_ns + period / 3);
	assert_int_equal(fake_irq_rises[0], 11); /* not all at once */
	fake_run_until(START_NS + 25 * period + 1000000);
	assert_int_equal(fake_irq_rises[0], 25);
	fake_now_ns += 1000 * period;
	before = fake_irq_rises[0];
	fake_run_until(fake_now_ns + 20 * period);
	assert_in_range(fake_irq_rises[0] - before, 28, 30);
}

/* Shortest counts, in every mode: at most one interrupt each 10 us, and the count still runs.
 */
static void tiny_counts_do_not_storm(void **state)
{
	(void)state;
	for (unsigned mode = 0; mode < 8; mode++)
		for (uint16_t n = 1; n < 40; n++) {
			unsigned rises = fake_irq_rises[0];

			fake_timer_runs = 0;
			start(0, mode, n);
			fake_run_until(fake_now_ns + NSEC_PER_MSEC);
			assert_in_range(fake_timer_runs, 0, 51);
			if ((mode & 3) >= 2)
				assert_in_range(fake_irq_rises[0] - rises, 20, 51);
		}
}

static void hostile_writes(void **state)
{
	uint64_t seed = 11;

	(void)state;
	for (unsigned n = 0; n < 300000; n++) {
		uint64_t random = fake_random(&seed);
		uint16_t port = random & BIT(8) ? GATE : 0x3e + (random & 7);
		unsigned bytes = 1u << (random >> 9 & 3) % 3;

		if (random & BIT(11))
			fake_write(vm, &vm->pio, port, bytes, random >> 16);
		else
			fake_read(vm, &vm->pio, port, bytes);
		fake_run_until(fake_now_ns + (random >> 32 & 0xffff));
		if (random >> 48 == 0)
			fake_now_ns -= 1000; /* another CPU's clock */
	}
	assert_true(fake_timer_runs < fake_now_ns / 10000);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

/* Of the count and the status, the command's bits 5 and 4 leave one out when set: what was not
 * latched is read as it is then. */
static void read_back_latches_what_it_is_asked_for(void **state)
{
	(void)state;
	start(2, 2, 1000);
	run_ticks(START_NS, 100);
	out(CONTROL, 0xe8); /* channel 2's status alone */
	run_ticks(START_NS, 300);
	assert_int_equal(in(0x42), 0xb4); /* OUT, both bytes, mode 2 */
	assert_int_equal(two_bytes(0x42), 700);
	out(CONTROL, 0xd8); /* its count alone */
	run_ticks(START_NS, 500);
	assert_int_equal(two_bytes(0x42), 700);
	assert_int_equal(two_bytes(0x42), 500);
	out(CONTROL, 0xc8); /* both: the status is read first */
	run_ticks(START_NS, 600);
	assert_int_equal(in(0x42), 0xb4);
	assert_int_equal(two_bytes(0x42), 500);
	out(CONTROL, 0xf8); /* neither */
	out(CONTROL, 0xc2); /* another channel's */
	assert_int_equal(two_bytes(0x42), 400);
}

/* Without memory, or where something else has its addresses. */
static void creation_that_fails(void **state)
{
	(void)state;
	assert_null(vpit_create(&vm->board));
	fake_heap_left = 0;
	assert_null(vpit_create(&vm->board));
	fake_heap_left = FAKE_HEAP_ALL;
	vpit_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(creation_that_fails),
		TEST(mode_0_ends_with_out_high),
		TEST(mode_2_divides),
		TEST(mode_3_is_a_square_wave),
		TEST(mode_4_strobes),
		TEST(the_gate_triggers),
		TEST(the_gate_holds),
		TEST(port_61_toggles_refresh),
		TEST(bytes_and_latches),
		TEST(read_back_latches_what_it_is_asked_for),
		TEST(decimal_counts),
		TEST(channel_0_ticks),
		TEST(one_shots_come_once),
		TEST(a_moved_tick_is_not_early),
		TEST(a_stopped_vm_ticks_no_more),
		TEST(late_ticks_are_caught_up_with),
		TEST(tiny_counts_do_not_storm),
		TEST(hostile_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

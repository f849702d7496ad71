/* Waiting for a device: how long and how often it is looked at, the last look, one that is
 * gone. Time passes by sleeping alone. */
/* links: drivers/bus/wait.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "drivers/bus/wait.h"
#include "kernel/cpu/clock.h"
#include "kernel/sched/thread.h"

static uint64_t now_ns, slept_most_ns;
static unsigned sleeps, ready_after;
static volatile uint32_t reg;

uint64_t clock_now_ns(void)
{
	return now_ns;
}

void thread_sleep_ns(uint64_t ns)
{
	now_ns += ns;
	slept_most_ns = MAX(slept_most_ns, ns);
	if (++sleeps == ready_after)
		reg = 0x81;
}

static int begin(void **state)
{
	(void)state;
	now_ns = 1000;
	slept_most_ns = 0;
	sleeps = ready_after = 0;
	reg = 0x80;
	return 0;
}

static void ready(void **state)
{
	(void)state;
	reg = 0x81;
	assert_int_equal(wait_register(&reg, 1, 1, 0), 0); /* looked at, whatever the limit */
	assert_int_equal(sleeps, 0);
	reg = 0x80;
	ready_after = 3;
	assert_int_equal(wait_register(&reg, 1, 1, NSEC_PER_SEC), 0);
	assert_int_equal(sleeps, 3);
	assert_int_equal(now_ns, 1000 + (20 + 40 + 80) * NSEC_PER_USEC);
	assert_int_equal(wait_register(&reg, 0x82, 0x80, 0), 0); /* a bit that is to be clear */
}

static void never_ready(void **state)
{
	(void)state;
	assert_int_equal(wait_register(&reg, 1, 1, NSEC_PER_SEC), -ETIMEDOUT);
	assert_true(now_ns >= 1000 + NSEC_PER_SEC);
	assert_true(now_ns < 1000 + NSEC_PER_SEC + 5 * NSEC_PER_MSEC);
	assert_int_equal(slept_most_ns, 5 * NSEC_PER_MSEC);
}

/* One that is ready by the end of the last sleep is not late. */
static void the_last_look(void **state)
{
	(void)state;
	ready_after = 1;
	assert_int_equal(wait_register(&reg, 1, 1, 1), 0);
	begin(state);
	assert_int_equal(wait_register(&reg, 1, 1, 1), -ETIMEDOUT);
	assert_int_equal(sleeps, 1);
	begin(state); /* a limit that ends with a sleep, and one a nanosecond later */
	assert_int_equal(wait_register(&reg, 1, 1, 20 * NSEC_PER_USEC), -ETIMEDOUT);
	assert_int_equal(sleeps, 1);
	begin(state);
	assert_int_equal(wait_register(&reg, 1, 1, 20 * NSEC_PER_USEC + 1), -ETIMEDOUT);
	assert_int_equal(sleeps, 2);
}

static void gone(void **state)
{
	(void)state;
	reg = WAIT_ABSENT;
	assert_int_equal(wait_register(&reg, 1, 1, NSEC_PER_SEC), -ENODEV);
	assert_int_equal(wait_register(&reg, 1, 0, NSEC_PER_SEC), -ENODEV);
	assert_int_equal(sleeps, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(ready, begin),
		cmocka_unit_test_setup(never_ready, begin),
		cmocka_unit_test_setup(the_last_look, begin),
		cmocka_unit_test_setup(gone, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A guest that locks the bus all the time gets so many a second, whatever it does meanwhile. */
/* links: kernel/vmm/bus_lock.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/cpu/clock.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/bus_lock.h"

static uint64_t now_ns = 5 * NSEC_PER_SEC, slept_ns, longest_ns;

uint64_t clock_now_ns(void)
{
	return now_ns;
}

void thread_sleep_ns(uint64_t ns)
{
	now_ns += ns;
	slept_ns += ns;
	longest_ns = MAX(longest_ns, ns);
}

static void test_bound(void **state)
{
	struct bucket bucket = {0};
	uint64_t begin = now_ns, count = 0;

	(void)state;
	while (now_ns < begin + 10 * NSEC_PER_SEC) {
		bus_lock_throttle(&bucket);
		now_ns += 100; /* what one takes */
		count++;
	}
	/* A tenth of a second's at first. */
	assert_in_range(count, 10 * BUS_LOCKS_PER_SECOND, 10 * BUS_LOCKS_PER_SECOND + 101);
	assert_in_range(longest_ns, 1, NSEC_PER_MSEC);

	slept_ns = 0; /* few of them never wait */
	for (unsigned i = 0; i < 1000; i++) {
		now_ns += 2 * NSEC_PER_MSEC;
		bus_lock_throttle(&bucket);
	}
	assert_int_equal(slept_ns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_bound)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

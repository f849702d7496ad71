/* What running guests used lately: the arithmetic, and who is looked at when. */
/* links: guests/guest/usage.c guests/guest/watch.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "guests/guest/guest.h"
#include "guests/guest/internal.h"
#include "guests/guest/trouble.h"
#include "guests/guest/watch.h"
#include "guests/launch/devices.h"
#include "kernel/cpu/clock.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/vm.h"

#define S NSEC_PER_SEC

/* ---- the house ----------------------------------------------------------------------------
 */

static uint64_t now;
static struct vm vm;
static struct vcpu vcpus[2];
static struct guest guests[2];
static uint64_t throttled, run_ns[2], capped_ns[2];
static unsigned locked, looks, troubles;
static void (*thread_fn)(void *arg);
static bool no_thread;
static jmp_buf end;

uint64_t clock_now_ns(void)
{
	return now;
}

struct guest *guest_next(struct guest *after)
{
	return !after ? &guests[0] : after == &guests[0] ? &guests[1] : NULL;
}

void mutex_lock(struct mutex *mutex)
{
	assert_true(mutex == &guests[0].lock || mutex == &guests[1].lock);
	locked++;
}

void mutex_unlock(struct mutex *mutex)
{
	(void)mutex;
	locked--;
}

static unsigned index_of(const struct thread *thread)
{
	assert_int_equal(locked, 1);
	return thread == vcpus[1].thread;
}

uint64_t thread_time_run_ns(const struct thread *thread)
{
	return run_ns[index_of(thread)];
}

uint64_t thread_time_capped_ns(const struct thread *thread)
{
	return capped_ns[index_of(thread)];
}

void trouble_look(struct guest *g)
{
	assert_int_equal(locked, 1);
	assert_ptr_equal(g, &guests[0]); /* the one that runs */
	troubles++;
}

uint64_t devices_throttled(const struct devices *devices)
{
	assert_ptr_equal(devices, guests[0].launch.devices);
	return throttled;
}

struct thread *thread_create(const struct thread_params *params)
{
	thread_fn = params->fn;
	return no_thread ? NULL : (struct thread *)&thread_fn;
}

/* Each second 750 ms and 500 ms of the two vCPUs; the third is the last. */
void thread_block_until(uint64_t deadline_ns)
{
	assert_int_equal(deadline_ns, now + S);
	assert_int_equal(locked, 0);
	if (++looks == 3)
		longjmp(end, 1);
	now = deadline_ns;
	run_ns[0] += 750 * NSEC_PER_MSEC;
	run_ns[1] += 500 * NSEC_PER_MSEC;
}

/* ---- tests --------------------------------------------------------------------------------
 */

static void percents_are_of_the_time_between_two_looks(void **state)
{
	static const struct {
		uint64_t passed_ns, run_ns;
		uint32_t percent;
	} cases[] = {
		{S, 0, 0},
		{S, S, 100},
		{S, 4 * S, 400},
		{S, 4999999, 0}, /* half a percent is the first that shows */
		{S, 5000000, 1},
		{3 * S, S, 33}, /* it was late */
		{64 * S, 64 * 64 * S, 6400},
	};
	struct usage usage;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct usage_totals totals = {.run_ns = 7 * S};

		usage_begin(&usage, 5 * S);
		usage_take(&usage, &totals, 9 * S);
		totals.run_ns += cases[i].run_ns;
		usage_take(&usage, &totals, 9 * S + cases[i].passed_ns);
		assert_int_equal(usage.cpu_percent, cases[i].percent);
	}
}

static void no_time_between_two_looks_changes_nothing(void **state)
{
	const struct usage_totals half = {.run_ns = S / 2}, more = {.run_ns = S};
	struct usage usage;

	(void)state;
	usage_begin(&usage, S);
	usage_take(&usage, &half, 2 * S);
	usage_take(&usage, &more, 2 * S);
	assert_int_equal(usage.cpu_percent, 50);
	usage_take(&usage, &more, 3 * S);
	assert_int_equal(usage.cpu_percent, 50);
	usage_begin(&usage, 4 * S); /* it was started again */
	assert_int_equal(usage.cpu_percent, 0);
	usage_take(&usage, &half, 5 * S);
	assert_int_equal(usage.cpu_percent, 50);
}

static void limits_are_told_while_they_hold_something_back(void **state)
{
	struct usage_totals totals = {.capped_ns = 1};
	struct usage usage;

	(void)state;
	usage_begin(&usage, 0);
	usage_take(&usage, &totals, 1 * S);
	assert_true(usage.capped && !usage.throttled);
	totals.throttled = 1;
	usage_take(&usage, &totals, 2 * S);
	assert_true(!usage.capped && usage.throttled);
	usage_take(&usage, &totals, 3 * S);
	assert_true(!usage.capped && !usage.throttled);
}

static void the_thread_looks_at_those_that_run(void **state)
{
	(void)state;
	vcpus[0].thread = (struct thread *)&vcpus[0];
	vcpus[1].thread = (struct thread *)&vcpus[1];
	vm.vcpu_count = 2;
	vm.vcpus[0] = &vcpus[0];
	vm.vcpus[1] = &vcpus[1];
	guests[0].life.state = GUEST_RUNNING;
	guests[0].launch.vm = &vm;
	guests[1].life.state = GUEST_STOPPING; /* whose VM is being taken apart */
	no_thread = true;
	assert_int_equal(watch_start(), -ENOMEM);
	no_thread = false;
	assert_int_equal(watch_start(), 0);
	now = S;
	if (!setjmp(end))
		thread_fn(NULL);
	assert_int_equal(looks, 3);
	assert_int_equal(troubles, 3);
	assert_int_equal(guests[0].usage.cpu_percent, 125);
	assert_int_equal(guests[1].usage.at_ns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percents_are_of_the_time_between_two_looks),
		cmocka_unit_test(no_time_between_two_looks_changes_nothing),
		cmocka_unit_test(limits_are_told_while_they_hold_something_back),
		cmocka_unit_test(the_thread_looks_at_those_that_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

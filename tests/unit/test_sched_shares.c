/*
 * What share of the CPUs a thread has, on a clock that the test moves: weights, caps, and CPUs
 * that are owned.
 */
/* links: kernel/sched/sched.c kernel/sched/runq.c */
#include "tests/unit/sched_house.h"

/* ---- weights and caps ----------------------------------------------------------------------
 */

static void cpu_time_goes_by_weight(void **state)
{
	struct thread *light = make(1, 100, 0), *heavy = make(1, 300, 0);
	uint64_t run[2];

	(void)state;
	use(0);
	thread_wake(light);
	idle(0);
	thread_wake(heavy);
	for (unsigned i = 0; i < 4000; i++) {
		now_ns += NSEC_PER_MSEC;
		thread_slice_over();
		thread_yield();
	}
	run[0] = sched_time_of(light, runq_run_ns);
	run[1] = sched_time_of(heavy, runq_run_ns);
	assert_int_equal(run[0] + run[1], 4000 * NSEC_PER_MSEC);
	assert_in_range(run[0], 990 * NSEC_PER_MSEC, 1010 * NSEC_PER_MSEC);
	free(light);
	free(heavy);
}

/* 10 % of 100 ms: the last moment at which it goes on, the first at which it does not, and the
 * first at which it may again. */
static void a_cap_is_kept_to_the_nanosecond(void **state)
{
	struct thread *t = make(1, 100, 10);
	uint64_t begin;

	(void)state;
	use(0);
	now_ns = (now_ns / RUNQ_CAP_PERIOD_NS + 1) * RUNQ_CAP_PERIOD_NS;
	begin = now_ns;
	thread_wake(t);
	assert_ptr_equal(idle(0), t);
	now_ns = begin + 10 * NSEC_PER_MSEC - 1;
	thread_slice_over();
	thread_yield();
	assert_ptr_equal(thread_current(), t);
	now_ns++;
	thread_slice_over();
	thread_yield();
	assert_ptr_not_equal(thread_current(), t);
	now_ns = begin + RUNQ_CAP_PERIOD_NS - 1;
	thread_slice_over();
	assert_ptr_not_equal(idle(0), t);
	now_ns++;
	thread_slice_over();
	assert_ptr_equal(idle(0), t);
	assert_int_equal(sched_time_of(t, runq_run_ns), 10 * NSEC_PER_MSEC);
	assert_int_equal(sched_time_of(t, runq_capped_ns), 90 * NSEC_PER_MSEC);
	free(t);
}

static void a_share_can_be_changed(void **state)
{
	const struct thread_share share = {.weight = 300, .cap_percent = 10, .allowed = {{2}}};
	struct thread *t = make(3, 100, 0);

	(void)state;
	use(0);
	thread_wake(t);
	assert_ptr_equal(idle(0), t);
	use(1);
	t->owns_cpu = true; /* all of it is its own */
	thread_set_share(t, &share);
	assert_int_equal(t->entity.weight, 100);
	assert_int_equal(kicks[0], 0);
	t->owns_cpu = false;
	thread_set_share(t, &share);
	assert_true(check_irqs_on());
	assert_int_equal(t->entity.weight, 300);
	assert_int_equal(t->entity.cap_ns, 10 * NSEC_PER_MSEC);
	assert_int_equal(kicks[0], 1);
	use(0);
	thread_yield(); /* it leaves */
	assert_ptr_not_equal(thread_current(), t);
	assert_int_equal(t->home, 1);
	assert_ptr_equal(idle(1), t);
	now_ns += 10 * NSEC_PER_MSEC;
	thread_slice_over();
	thread_yield();
	assert_ptr_not_equal(thread_current(), t);
	assert_int_equal(sched_time_of(t, runq_run_ns), 10 * NSEC_PER_MSEC);
	assert_true(check_irqs_on());
	free(t);
}

/* The first that waits starts the slices, which needs the CPU; the second changes nothing. When
 * one is alone again there is no timer. */
static void who_waits_first_starts_the_slices(void **state)
{
	struct thread *a = make(1, 100, 0), *b = make(1, 100, 0), *c = make(1, 100, 0);

	(void)state;
	use(0);
	thread_wake(a);
	assert_ptr_equal(idle(0), a);
	assert_false(timer_armed(slices[0]));
	thread_wake(b);
	assert_true(thread_should_yield());
	thread_yield();
	assert_true(timer_armed(slices[0]));
	assert_int_equal(slices[0]->deadline_ns, now_ns + RUNQ_SLICE_NS);
	thread_wake(c);
	assert_false(thread_should_yield());
	slices[0]->fn(slices[0]);
	assert_true(thread_should_yield());
	block(0);
	assert_true(timer_armed(slices[0]));
	block(0);
	assert_false(timer_armed(slices[0]));
	assert_false(thread_others_waiting());
	free(a);
	free(b);
	free(c);
}

/* A thread that ends its slices by itself is told when; it gets no timer. */
static void a_slice_ends_by_timer_or_by_the_thread(void **state)
{
	struct thread *t = make(1, 100, 0), *other = make(1, 100, 0);

	(void)state;
	t->ends_slices = true;
	use(0);
	thread_wake(t);
	assert_ptr_equal(idle(0), t);
	assert_int_equal(thread_slice_end_tsc(), UINT64_MAX); /* alone */
	thread_wake(other);
	thread_slice_over();
	thread_yield();
	assert_ptr_equal(thread_current(), other);
	assert_true(thread_others_waiting());
	assert_int_equal(thread_slice_end_tsc(), UINT64_MAX); /* it has a timer */
	now_ns += RUNQ_SLICE_NS;
	thread_slice_over();
	thread_yield();
	assert_ptr_equal(thread_current(), t);
	assert_int_equal(thread_slice_end_tsc(), 3 * (now_ns + RUNQ_SLICE_NS));
	assert_false(timer_armed(slices[0]));
	use(0);
	thread_yield(); /* others wait: it gives way */
	assert_ptr_equal(block(0), t);
	assert_false(thread_others_waiting());
	assert_int_equal(thread_slice_end_tsc(), UINT64_MAX);
	free(t);
	free(other);
}

/* ---- CPUs that are owned -------------------------------------------------------------------
 */

static void a_cpu_has_one_owner_and_no_other_thread(void **state)
{
	struct thread *shared = make(3, 100, 0), *owner = make(2, 100, 0),
		      *second = make(2, 100, 0), *first_cpu = make(1, 100, 0);

	(void)state;
	assert_int_equal(sched_own_cpu(first_cpu), -EINVAL); /* housekeeping */
	assert_int_equal(sched_own_cpu(shared), -EINVAL);    /* two */
	use(0);
	shared->home = 1;
	thread_wake(shared);
	assert_ptr_equal(idle(1), shared);
	use(0);
	assert_int_equal(sched_own_cpu(owner), 0);
	assert_int_equal(kicks[1], 2); /* who is there is to leave */
	assert_int_equal(sched_own_cpu(second), -EBUSY);
	use(1);
	assert_true(thread_should_yield());
	thread_yield();
	assert_ptr_not_equal(thread_current(), shared);
	assert_int_equal(shared->home, 0);
	use(0);
	thread_wake(owner);
	assert_ptr_equal(idle(1), owner);
	assert_ptr_equal(idle(0), shared);
	sched_disown_cpu(owner);
	assert_int_equal(sched_own_cpu(second), 0);
	sched_disown_cpu(second);
	free(shared);
	free(owner);
	free(second);
	free(first_cpu);
}

/* Who waits for a CPU that is another's runs once it is nobody's, without being woken again. */
static void a_cpu_that_is_given_back_is_used(void **state)
{
	struct thread *owner = make(2, 100, 0), *waits = make(2, 100, 0);

	(void)state;
	use(0);
	assert_int_equal(sched_own_cpu(owner), 0);
	thread_wake(owner);
	assert_ptr_equal(idle(1), owner);
	use(0);
	thread_wake(waits);
	block(1);
	assert_null(idle(1));
	use(0);
	kicks[1] = 0;
	sched_disown_cpu(owner);
	assert_int_equal(kicks[1], 1);
	assert_ptr_equal(idle(1), waits);
	free(owner);
	free(waits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(cpu_time_goes_by_weight),
		TEST(a_cap_is_kept_to_the_nanosecond),
		TEST(a_share_can_be_changed),
		TEST(who_waits_first_starts_the_slices),
		TEST(a_slice_ends_by_timer_or_by_the_thread),
		TEST(a_cpu_has_one_owner_and_no_other_thread),
		TEST(a_cpu_that_is_given_back_is_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

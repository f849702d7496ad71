/* Who runs where and for how long, in simulated time: shares, weights and caps, CPUs that are
 * owned, latency, and that no CPU idles while something waits. */
/* links: kernel/sched/runq.c */
#include "tests/unit/runq_sim.h"

/* Equal threads get equal shares, whatever their number and the CPUs'. */
static void test_equal_shares(void **state)
{
	(void)state;
	for (unsigned cpus = 1; cpus <= 8; cpus++) {
		for (unsigned n = cpus; n <= 3 * cpus; n++) {
			sim_start(cpus);
			for (unsigned i = 0; i < n; i++)
				sim_spinner(100, 0, -1);
			sim_run(10 * NSEC_PER_SEC);
			for (unsigned i = 0; i < n; i++) {
				assert_within(ran(&threads[i]), 10e9 * cpus / n, 5);
				assert_true(threads[i].longest_wait_ns <
					    (n / cpus + 2) * 4 * RUNQ_SLICE_NS);
			}
		}
	}
}

/* Shares follow weights as far as one CPU's worth of time allows. */
static void test_weights(void **state)
{
	static const unsigned weights[] = {50, 100, 100, 200, 300, 450};
	double total = 0;

	(void)state;
	for (unsigned cpus = 1; cpus <= 2; cpus++) {
		sim_start(cpus);
		total = 0;
		for (unsigned i = 0; i < ARRAY_SIZE(weights); i++) {
			sim_spinner(weights[i], 0, -1);
			total += weights[i];
		}
		sim_run(20 * NSEC_PER_SEC);
		for (unsigned i = 0; i < ARRAY_SIZE(weights); i++)
			assert_within(ran(&threads[i]), 20e9 * cpus * weights[i] / total, 5);
	}
}

/* A thread whose weight asks for more than one CPU has one; the rest is shared by the others.
 */
static void test_weight_beyond_one_cpu(void **state)
{
	(void)state;
	sim_start(2);
	struct sim_thread *heavy = sim_spinner(1000, 0, -1);
	struct sim_thread *a = sim_spinner(100, 0, -1), *b = sim_spinner(100, 0, -1);

	sim_run(20 * NSEC_PER_SEC);
	assert_within(ran(heavy), 20e9, 5);
	assert_within(ran(a), 10e9, 5);
	assert_within(ran(b), 10e9, 5);
}

/* A cap holds with and without others, and leaves the rest to them. */
static void test_caps(void **state)
{
	(void)state;
	sim_start(2);
	struct sim_thread *capped = sim_spinner(100, 30, -1), *lone = sim_spinner(100, 50, 1);

	sim_run(10 * NSEC_PER_SEC);
	assert_within(ran(capped), 3e9, 2);
	assert_within(ran(lone), 5e9, 2);
	/* Nobody else wanted their CPUs: what they did not run, the caps took. */
	assert_within((double)runq_capped_ns(&capped->e, now), 7e9, 2);
	assert_within((double)runq_capped_ns(&lone->e, now), 5e9, 2);
	assert_true(runq_wait_ns(&lone->e, now) < NSEC_PER_SEC / 10);

	sim_start(1);
	capped = sim_spinner(400, 20, -1);
	struct sim_thread *free = sim_spinner(100, 0, -1);

	sim_run(10 * NSEC_PER_SEC);
	assert_within(ran(capped), 2e9, 2);
	assert_within(ran(free), 8e9, 2);
	assert_true(runq_capped_ns(&capped->e, now) > 7 * NSEC_PER_SEC);
	assert_int_equal(runq_capped_ns(&free->e, now), 0);
}

/* What is run beyond a cap, for want of a safe point, is paid back in later periods. */
static void test_cap_overrun(void **state)
{
	struct runq *rq = &queues[0];

	(void)state;
	sim_start(1);
	struct runq_entity *e = &sim_spinner(100, 10, -1)->e;

	assert_ptr_equal(runq_pick(rq, RUNQ_STAYS, now), e);
	assert_int_equal(runq_next_event(rq), now + 10 * NSEC_PER_MSEC);
	now += 25 *
	       NSEC_PER_MSEC; /* 15 too many: none in the next period, 5 in the one after */
	assert_null(runq_pick(rq, RUNQ_STAYS, now));
	for (unsigned period = 0; period < 2; period++) {
		now = runq_next_event(rq);
		e = runq_pick(rq, RUNQ_STAYS, now);
		assert_int_equal(e != NULL, period == 1);
	}
	assert_int_equal(runq_next_event(rq), now + 5 * NSEC_PER_MSEC);
}

/* No CPU idles while something that it may run waits. */
static void test_work_conserving(void **state)
{
	(void)state;
	srand(1);
	sim_start(4);
	for (unsigned i = 0; i < 12; i++) {
		struct sim_thread *t = sim_thread(100, 0, -1);

		t->run_for_ns = (1 + (unsigned)rand() % 20) * NSEC_PER_MSEC;
		t->sleep_ns = (1 + (unsigned)rand() % 20) * NSEC_PER_MSEC;
		t->wakes_at_ns = now + 1;
	}
	for (unsigned step = 0; step < 40000; step++) {
		unsigned waiting = 0, idle = 0;

		sim_run(STEP_NS);
		for (unsigned i = 0; i < 4; i++) {
			waiting += queues[i].waiting_count;
			idle += !queues[i].current && !resched[i];
		}
		assert_true(!waiting || !idle);
	}
}

/* Pinned threads stay; an owned CPU runs its owner only, and the owner has all of it. */
static void test_pinned_and_owned(void **state)
{
	(void)state;
	sim_start(4);
	struct sim_thread *owner = sim_thread(100, 0, 3);

	queues[3].owner = &owner->e;
	sim_wake(owner);
	struct sim_thread *pinned[3];

	for (int i = 0; i < 3; i++)
		pinned[i] = sim_spinner(100, 0, 1);
	for (unsigned i = 0; i < 6; i++)
		sim_spinner(100, 0, -1);
	sim_run(10 * NSEC_PER_SEC);
	assert_int_equal(owner->moves, 0);
	assert_within(ran(owner), 10e9, 0.01);
	assert_true(picks[3] <= 2); /* no tick on an owned CPU */
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pinned[i]->moves, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_within((double)busy_ns[i], 10e9, 1);
	/* Nine threads on three CPUs, each a third. */
	for (unsigned i = 1; i < thread_count; i++)
		assert_within(ran(&threads[i]), 10e9 / 3, 5);
}

/* A service that wakes often and runs shortly waits for the end of a step, not of slices. */
static void test_service_latency(void **state)
{
	(void)state;
	sim_start(1);
	for (unsigned i = 0; i < 5; i++)
		sim_spinner(100, 0, -1);
	struct sim_thread *service = sim_thread(1000, 0, -1);

	service->run_for_ns = NSEC_PER_MSEC / 2;
	service->sleep_ns = 7 * NSEC_PER_MSEC;
	service->wakes_at_ns = now + NSEC_PER_SEC;
	sim_run(10 * NSEC_PER_SEC);
	assert_true(service->longest_wait_ns <= 2 * STEP_NS);
}

/* CPUs' clocks differ a little: one that lags is no time, and certainly not 584 years. */
static void test_clocks_that_differ(void **state)
{
	struct runq *rq = &queues[0];

	(void)state;
	sim_start(1);
	struct runq_entity *a = &sim_spinner(100, 50, -1)->e, *b = &sim_spinner(100, 0, -1)->e;
	uint64_t lag = 3 * NSEC_PER_USEC;

	for (unsigned i = 0; i < 1000; i++) {
		now += NSEC_PER_MSEC;
		runq_pick(rq, RUNQ_STAYS, i % 3 == 1 ? now - lag : now);
		runq_pick(rq, RUNQ_YIELDS, i % 3 == 2 ? now - lag : now);
	}
	assert_true(runq_run_ns(a, now) + runq_run_ns(b, now) < 1010 * NSEC_PER_MSEC);
	assert_true(runq_wait_ns(a, now) + runq_wait_ns(b, now) < 1010 * NSEC_PER_MSEC);
	assert_true(a->vtime_ns < 1010 * NSEC_PER_MSEC && b->vtime_ns < 1010 * NSEC_PER_MSEC);
}

/* Four that spin until it is their turn, in no fixed order, then work for 2 ms: who yields does
 * so to each of the others before it runs again, whatever their virtual times. */
static void test_turns(void **state)
{
	struct runq *rq = &queues[0];
	unsigned turn = 0, turns = 0;

	(void)state;
	sim_start(1);
	for (unsigned i = 0; i < 4; i++)
		sim_spinner(100, 0, -1);
	runq_pick(rq, RUNQ_STAYS, now);
	for (unsigned i = 0; i < 400; i++) {
		bool mine = of(rq->current) == &threads[turn];

		now += mine ? 2 * NSEC_PER_MSEC : 20 * NSEC_PER_USEC;
		if (mine)
			turn = (turn + 1 + turns++ * 7 / 5 % 3) % 4;
		runq_pick(rq, RUNQ_YIELDS, now);
	}
	assert_true(turns >= 100);
}

/* A lone thread is left alone: no slice ends. */
static void test_lone_thread_has_no_tick(void **state)
{
	(void)state;
	sim_start(2);
	sim_spinner(100, 0, -1);
	sim_spinner(100, 0, -1);
	sim_run(10 * NSEC_PER_SEC);
	assert_true(picks[0] + picks[1] <= 4);
	assert_true(runq_next_event(&queues[0]) == UINT64_MAX);
}

/* Long sleep, or long solitude, neither earns credit nor debt that others feel for long. */
static void test_history_is_forgotten(void **state)
{
	(void)state;
	sim_start(2);
	struct sim_thread *a = sim_spinner(100, 0, 0), *b = sim_spinner(100, 0, 0);

	sim_run(100 *
		NSEC_PER_SEC); /* CPU 0 is shared, CPU 1 sleeps; then all may go anywhere */
	cpumask_set(&a->e.allowed, 1);
	cpumask_set(&b->e.allowed, 1);
	struct sim_thread *late = sim_spinner(100, 0, -1);
	double a0 = ran(a), b0 = ran(b);

	sim_run(10 * NSEC_PER_SEC);
	assert_within(ran(a) - a0, 20e9 / 3, 5);
	assert_within(ran(b) - b0, 20e9 / 3, 5);
	assert_within(ran(late), 20e9 / 3, 5);
}

/* Whoever is behind all CPUs' current threads runs next wherever it is. CPUs that look for a
 * better place before they choose anew, both at once, must not pass it on for ever. */
static void test_nobody_is_passed_to_and_fro(void **state)
{
	struct runq *rq, *better;
	unsigned passed = 0;

	(void)state;
	sim_start(2);
	sim_spinner(100, 0, 0);
	sim_spinner(100, 0, 1);
	sim_run(NSEC_PER_SEC);
	struct sim_thread *late = sim_thread(100, 0, -1);

	late->e.vtime_ns = queues[0].min_vtime_ns - RUNQ_DRIFT_NS;
	runq_move(&queues[0], &late->e, now);
	for (rq = &queues[0]; runq_better(&set, rq, &better, now) && passed < 10; rq = better) {
		move_to(rq, better, &late->e);
		passed++;
		now += NSEC_PER_USEC;
	}
	assert_true(passed <= 1);
	sim_run(2 * RUNQ_SLICE_NS);
	assert_true(ran(late) > 0);
}

/* Without its lock: who is better off there is put there, and it is claimed. */
static void test_an_idle_cpu_is_better(void **state)
{
	struct runq here, there;
	struct runq_set pair = {.queues = {&here, &there}};
	struct runq_entity e = {.weight = 100, .allowed = {{3}}};
	struct runq *to;

	(void)state;
	runq_init(&here, 0);
	runq_init(&there, 1);
	here.online = there.online = there.idle = true;
	runq_move(&here, &e, NSEC_PER_SEC);
	assert_ptr_equal(runq_better(&pair, &here, &to, NSEC_PER_SEC), &e);
	assert_ptr_equal(to, &there);
	assert_false(there.idle);
	assert_null(runq_better(&pair, &here, &to, NSEC_PER_SEC)); /* it is another's now */
}

/* They come free in the order of their periods' ends, whenever they came. */
static void test_throttled_come_free_in_order(void **state)
{
	const uint64_t at = NSEC_PER_SEC, cap = 10 * NSEC_PER_MSEC;
	struct runq_entity late = {.weight = 100, .cap_ns = cap, .allowed = {{1}}}, soon = late;
	struct runq rq;

	(void)state;
	runq_init(&rq, 0);
	rq.online = true;
	late.used_ns = soon.used_ns = cap;
	late.period_ns = at - 10 * NSEC_PER_MSEC;
	soon.period_ns = at - 20 * NSEC_PER_MSEC;
	runq_wake(&rq, &late, at);
	runq_wake(&rq, &soon, at);
	assert_int_equal(late.state, RUNQ_THROTTLED);
	assert_int_equal(soon.state, RUNQ_THROTTLED);
	assert_int_equal(runq_next_event(&rq), at + 80 * NSEC_PER_MSEC);
	assert_null(runq_pick(&rq, RUNQ_STAYS, at + 80 * NSEC_PER_MSEC - 1));
	assert_ptr_equal(runq_pick(&rq, RUNQ_STAYS, at + 80 * NSEC_PER_MSEC), &soon);
	assert_int_equal(late.state, RUNQ_THROTTLED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_shares),
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_weight_beyond_one_cpu),
		cmocka_unit_test(test_caps),
		cmocka_unit_test(test_cap_overrun),
		cmocka_unit_test(test_work_conserving),
		cmocka_unit_test(test_pinned_and_owned),
		cmocka_unit_test(test_service_latency),
		cmocka_unit_test(test_clocks_that_differ),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_lone_thread_has_no_tick),
		cmocka_unit_test(test_history_is_forgotten),
		cmocka_unit_test(test_nobody_is_passed_to_and_fro),
		cmocka_unit_test(test_an_idle_cpu_is_better),
		cmocka_unit_test(test_throttled_come_free_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

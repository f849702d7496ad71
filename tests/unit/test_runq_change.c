/* Weights, caps and CPUs that change while threads run, wait or sleep, in simulated time. */
/* links: kernel/sched/runq.c */
#include "tests/unit/runq_sim.h"

static void change(struct sim_thread *t, unsigned weight, unsigned cap_percent, unsigned cpus)
{
	const struct cpumask allowed = {{cpus}};

	runq_change(&queues[t->cpu], &t->e, weight, cap_percent * (RUNQ_CAP_PERIOD_NS / 100),
		    &allowed, now);
	resched[t->cpu] = true; /* as thread_set_share() */
}

/* From one moment to the next another weight counts, on one CPU and over several. */
static void test_weight_changes(void **state)
{
	(void)state;
	for (unsigned cpus = 1; cpus <= 2; cpus++) {
		sim_start(cpus);
		struct sim_thread *a = sim_spinner(100, 0, -1), *b = sim_spinner(100, 0, -1);
		struct sim_thread *c = sim_spinner(100, 0, -1);
		double before_a, before_b;

		sim_run(6 * NSEC_PER_SEC);
		assert_within(ran(a), 6e9 * cpus / 3, 5);
		change(a, 300, 0, (1u << cpus) - 1);
		before_a = ran(a);
		before_b = ran(b);
		sim_run(10 * NSEC_PER_SEC);
		/* Three of five; but no thread runs on two CPUs. */
		assert_within(ran(a) - before_a, cpus == 1 ? 6e9 : 10e9, 5);
		assert_within(ran(b) - before_b, cpus == 1 ? 2e9 : 5e9, 5);
		assert_within(ran(a) + ran(b) + ran(c), 16e9 * cpus, 1);
	}
}

/* A cap begins, changes and ends whether its thread runs, waits for its period, or sleeps, and
 * what it ran before is not held against it. */
static void test_cap_changes(void **state)
{
	(void)state;
	sim_start(1);
	struct sim_thread *t = sim_spinner(100, 0, -1);
	double before;

	sim_run(5 * NSEC_PER_SEC);
	before = ran(t);
	change(t, 100, 20, 1);
	sim_run(5 * NSEC_PER_SEC);
	assert_within(ran(t) - before, 1e9, 3);
	while (t->e.state != RUNQ_THROTTLED)
		sim_run(STEP_NS);
	before = ran(t);
	change(t, 100, 50, 1);
	sim_run(5 * NSEC_PER_SEC);
	assert_within(ran(t) - before, 2.5e9, 3);
	while (t->e.state != RUNQ_THROTTLED)
		sim_run(STEP_NS);
	before = ran(t);
	change(t, 100, 0, 1);
	sim_run(NSEC_PER_SEC);
	assert_within(ran(t) - before, 1e9, 1);

	change(t, 100, 10, 1);
	change(t, 200, 10, 1); /* the same cap goes on */
	sim_run(50 * NSEC_PER_MSEC);
	change(t, 100, 10, 1);
	assert_int_equal(t->e.state, RUNQ_THROTTLED);
	before = ran(t);
	sim_run(40 * NSEC_PER_MSEC);
	assert_true(ran(t) - before == 0);

	sim_start(1);
	t = sim_thread(100, 0, -1);
	t->run_for_ns = 5 * NSEC_PER_MSEC;
	t->sleep_ns = NSEC_PER_MSEC;
	t->wakes_at_ns = now + 1;
	sim_run(5 * NSEC_PER_SEC);
	while (t->e.state != RUNQ_OFF)
		sim_run(STEP_NS);
	before = ran(t);
	change(t, 100, 30, 1);
	sim_run(5 * NSEC_PER_SEC);
	assert_within(ran(t) - before, 1.5e9, 3);
}

/* Who may no longer run where it is leaves at the CPU's next choice, running, waiting,
 * throttled or asleep; and comes to CPUs that it gains. */
static void test_allowed_changes(void **state)
{
	(void)state;
	sim_start(3);
	struct sim_thread *all[6];

	for (unsigned i = 0; i < 6; i++)
		all[i] = sim_spinner(100, i == 5 ? 40 : 0, 0);
	sim_run(NSEC_PER_SEC);
	assert_within((double)busy_ns[0], 1e9, 1);
	assert_int_equal(busy_ns[1], 0);
	for (unsigned i = 0; i < 6; i++)
		change(all[i], 100, i == 5 ? 40 : 0, 6);
	sim_run(200 * NSEC_PER_MSEC);
	memset(busy_ns, 0, sizeof(busy_ns));
	sim_run(NSEC_PER_SEC);
	assert_int_equal(busy_ns[0], 0);
	assert_within((double)busy_ns[1], 1e9, 1);
	assert_within((double)busy_ns[2], 1e9, 1);
	for (unsigned i = 0; i < 6; i++)
		assert_true(all[i]->cpu != 0);

	/* One that is alone on its CPU, and runs. */
	sim_start(2);
	all[0] = sim_spinner(100, 0, 0);
	sim_run(NSEC_PER_SEC);
	change(all[0], 100, 0, 2);
	sim_run(2 * STEP_NS);
	assert_int_equal(all[0]->cpu, 1);
	sim_run(NSEC_PER_SEC);
	assert_within(ran(all[0]), 2e9, 1);

	/* A CPU that gets an owner is left before. */
	change(all[0], 100, 0, 1);
	sim_run(2 * STEP_NS);
	struct sim_thread *owner = sim_thread(100, 0, 1);

	queues[1].owner = &owner->e;
	sim_wake(owner);
	sim_run(NSEC_PER_SEC);
	assert_within(ran(owner), 1e9, 1);
	assert_within(ran(all[0]), 3e9, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_weight_changes),
		cmocka_unit_test(test_cap_changes),
		cmocka_unit_test(test_allowed_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

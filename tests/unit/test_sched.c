/*
 * The scheduler's own part: who is kicked, who runs where after a wake-up, a wake-up that comes
 * too early, and what a switch takes along. What share a thread has is test_sched_shares', the
 * queues' decisions are test_runq's.
 */
/* links: kernel/sched/sched.c kernel/sched/runq.c */
#include "tests/unit/sched_house.h"

/* ---- starting ------------------------------------------------------------------------------
 */

/* Of a CPU that was never up: it looks by itself, as nobody can tell it. */
static void a_thread_waits_for_a_cpu_that_comes_up(void **state)
{
	struct thread *t = make(2, 100, 0);

	(void)state;
	assert_int_equal(sched_init(&first), 0);
	assert_null(idle(0));
	use(0);
	thread_wake(t);
	assert_int_equal(kicks[1], 0);
	assert_null(idle(0));
	assert_ptr_equal(idle(1), t);
	assert_string_equal(idle_threads[1]->name, "idle");
	assert_int_equal(sched_housekeeping()->bits[0], 1);
	free(t);
}

static void without_memory_nothing_runs(void **state)
{
	(void)state;
	no_memory = true;
	assert_int_equal(sched_init(&first), -ENOMEM);
	no_memory = false;
	no_timers = true;
	assert_int_equal(sched_init(&first), -ENOMEM);
	no_timers = false;
	free(idle_threads[--idle_count]);
	assert_int_equal(sched_init(&first), 0);
	assert_null(idle(0));
}

/* Who has state of its own in the CPU, as a vCPU has. */
static void out(struct thread *t)
{
	assert_ptr_equal(thread_current(), t);
	step("out ");
}

static void in(struct thread *t)
{
	(void)t;
	step("in ");
}

static const struct thread_ops ops = {.switch_out = out, .switch_in = in};

/* ---- waking --------------------------------------------------------------------------------
 */

static void a_waking_thread_runs_where_it_may(void **state)
{
	struct thread *here = make(1, 100, 0), *there = make(2, 100, 0);

	(void)state;
	use(0);
	thread_wake(there);
	assert_int_equal(kicks[1], 1);
	assert_true(parts[1].need_resched);
	thread_wake(there); /* it is on its way: nobody is told again */
	assert_int_equal(kicks[1], 1);
	thread_wake(here);
	assert_int_equal(kicks[0], 0); /* the CPU itself sees it */
	assert_true(thread_should_yield());
	assert_ptr_equal(idle(0), here);
	assert_ptr_equal(idle(1), there);
	assert_false(thread_should_yield());
	free(here);
	free(there);
}

/* From then on the checks complain of a queue that is locked with interrupts on. */
static void an_interrupt_wakes_a_thread(void **state)
{
	struct thread *t = make(1, 100, 0);

	(void)state;
	use(0);
	checks_irqs_off = checks_in_irq = true;
	thread_wake(t);
	checks_irqs_off = checks_in_irq = false;
	assert_ptr_equal(idle(0), t);
	assert_ptr_not_equal(block(0), t);
	assert_true(check_irqs_on());
	free(t);
}

static void a_wake_up_is_never_lost(void **state)
{
	struct thread *t = make(1, 100, 0);

	(void)state;
	use(0);
	thread_wake(t);
	assert_ptr_equal(idle(0), t);
	thread_wake(t); /* while it runs */
	thread_block();
	assert_ptr_equal(thread_current(), t); /* it did not sleep */
	assert_int_equal(t->state, THREAD_RUNNABLE);
	assert_ptr_not_equal(block(0), t);
	assert_int_equal(t->state, THREAD_BLOCKED);
	thread_wake(t);
	assert_ptr_equal(idle(0), t);
	free(t);
}

static void an_idle_cpu_is_given_work_first(void **state)
{
	struct thread *a = make(3, 100, 0), *b = make(3, 100, 0);

	(void)state;
	use(0);
	thread_wake(a);
	assert_ptr_equal(idle(0), a);
	thread_wake(b); /* its home is CPU 0, which is busy */
	assert_int_equal(b->home, 1);
	assert_int_equal(kicks[1], 1);
	assert_ptr_equal(idle(1), b);
	free(a);
	free(b);
}

/* Whoever made wake_pending true is about to queue the thread: nobody else does. */
static void two_that_wake_a_thread_queue_it_once(void **state)
{
	struct thread *t = make(2, 100, 0);

	(void)state;
	use(0);
	t->state = THREAD_BLOCKED;
	t->wake_pending = true;
	thread_wake(t);
	assert_int_equal(t->state, THREAD_BLOCKED);
	assert_int_equal(kicks[1], 0);
	t->wake_pending = false;
	thread_wake(t);
	assert_ptr_equal(idle(1), t);
	free(t);
}

/* Work that comes to an idle CPU by another way than by being placed there makes it busy too,
 * before it has looked: the next thread stays where nobody waits. */
static void a_cpu_that_has_got_work_is_not_idle(void **state)
{
	struct thread *owner = make(2, 100, 0), *waits = make(2, 100, 0),
		      *runs = make(1, 100, 0), *t = make(3, 100, 0);

	(void)state;
	use(0);
	thread_wake(runs);
	assert_ptr_equal(idle(0), runs);
	assert_int_equal(sched_own_cpu(owner), 0);
	thread_wake(waits); /* nowhere for now */
	sched_disown_cpu(owner);
	thread_wake(t);
	assert_int_equal(t->home, 0);
	assert_ptr_equal(idle(1), waits);
	free(owner);
	free(waits);
	free(runs);
	free(t);
}

/* A thread that is alone looks at nothing, not even at the clock; one that was asked does. */
static void giving_way_to_nobody_costs_nothing(void **state)
{
	struct thread *t = make(1, 100, 0);

	(void)state;
	use(0);
	thread_wake(t);
	assert_ptr_equal(idle(0), t);
	clock_reads = 0;
	thread_yield();
	assert_int_equal(clock_reads, 0);
	thread_slice_over();
	thread_yield();
	assert_true(clock_reads > 0);
	assert_false(thread_should_yield());
	assert_ptr_equal(thread_current(), t);
	free(t);
}

/* A CPU that has nothing to do takes from another what waits there and may run here. */
static void an_idle_cpu_takes_what_waits_elsewhere(void **state)
{
	struct thread *here = make(1, 100, 0), *there = make(2, 100, 0), *t = make(3, 100, 0),
		      *stays = make(1, 100, 0);

	(void)state;
	use(0);
	thread_wake(here);
	assert_ptr_equal(idle(0), here);
	thread_wake(there);
	assert_ptr_equal(idle(1), there);
	use(0);
	thread_wake(stays);
	t->home = 0;
	block(1);
	assert_null(idle(1)); /* it may not run here */
	thread_wake(there);
	assert_ptr_equal(idle(1), there);
	use(0);
	assert_ptr_equal(block(0), stays);
	thread_wake(t);
	assert_int_equal(t->home, 0);
	block(1);
	assert_ptr_equal(idle(1), t);
	assert_int_equal(t->home, 1);
	use(0);
	thread_wake(here); /* that queue is nobody's now */
	assert_ptr_equal(block(0), here);
	free(here);
	free(there);
	free(t);
	free(stays);
}

/* ---- beginning and end ---------------------------------------------------------------------
 */

static void *argument;

static void body(void *arg)
{
	argument = arg;
	assert_true(check_irqs_on());
}

/* What it has in the CPU is put away before it is off its stack, and is back when it goes on.
 */
static void what_a_thread_has_in_the_cpu_goes_with_it(void **state)
{
	struct thread *t = make(1, 100, 0);

	(void)state;
	t->ops = &ops;
	use(0);
	thread_wake(t);
	assert_ptr_equal(idle(0), t);
	steps[0] = 0;
	thread_yield(); /* it stays */
	assert_string_equal(steps, "");
	assert_ptr_not_equal(block(0), t);
	assert_string_equal(steps, "out switch in ");
	free(t);
}

/* A thread begins with what its CPU owes the one before, and is buried when it is off its
 * stack, not before. */
static void a_thread_is_buried_by_the_next(void **state)
{
	struct thread *t = make(1, 100, 0), *next = make(1, 100, 0);
	int how;

	(void)state;
	next->fn = body;
	next->arg = &argument;
	next->ops = &ops;
	use(0);
	thread_wake(t);
	assert_ptr_equal(idle(0), t);
	thread_wake(next);
	if (!sigsetjmp(gone, 1))
		sched_exit();
	assert_null(buried);
	assert_ptr_equal(left, t);
	assert_ptr_equal(thread_current(), next);
	steps[0] = 0;
	how = sigsetjmp(gone, 1);
	if (!how)
		sched_thread_start();
	assert_int_equal(how, 2); /* by thread_exit() */
	assert_string_equal(steps, "in ");
	assert_ptr_equal(buried, t);
	assert_ptr_equal(argument, &argument);
	free(t);
	free(next);
}

/* A document for another machine: those that are there do it, or the first. */
static void absent_cpus_do_no_housekeeping(void **state)
{
	static const struct {
		uint64_t named;
		unsigned count;
		uint64_t done;
	} cases[] = {
		{0x1, 1, 0x1}, {0x6, 3, 0x6}, {0x6, 2, 0x2}, {0x6, 1, 0x1}, {0x7, 1, 0x1},
	};
	struct cpumask named = {0};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		named.bits[0] = cases[i].named;
		named.bits[ARRAY_SIZE(named.bits) - 1] |= 1ull << 63;
		assert_int_equal(sched_init(&named), 0);
		sched_settle_housekeeping(cases[i].count);
		named = (struct cpumask){{cases[i].done}};
		assert_memory_equal(sched_housekeeping(), &named, sizeof(named));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_thread_waits_for_a_cpu_that_comes_up, off,
						end),
		cmocka_unit_test_setup_teardown(without_memory_nothing_runs, off, end),
		TEST(an_interrupt_wakes_a_thread),
		TEST(a_waking_thread_runs_where_it_may),
		TEST(a_wake_up_is_never_lost),
		TEST(an_idle_cpu_is_given_work_first),
		TEST(two_that_wake_a_thread_queue_it_once),
		TEST(a_cpu_that_has_got_work_is_not_idle),
		TEST(giving_way_to_nobody_costs_nothing),
		TEST(an_idle_cpu_takes_what_waits_elsewhere),
		TEST(what_a_thread_has_in_the_cpu_goes_with_it),
		TEST(a_thread_is_buried_by_the_next),
		TEST(absent_cpus_do_no_housekeeping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The scheduler's own part, on two CPUs of the build machine, one at a time: who is kicked, who
 * runs where after a wake-up, a wake-up that comes too early, CPUs that are owned, caps and
 * weights on a clock that the test moves. Stacks are not switched: switch_stacks() comes back
 * at once, and the test goes on as whoever is current then. The queues' decisions are
 * test_runq's.
 */
/* links: kernel/sched/sched.c kernel/sched/runq.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/cpu/clock.h"
#include "kernel/cpu/smp.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/internal.h"
#include "tests/unit/checks_host.h"

#define ARCH_SET_GS 0x1001
#define CPUS	    2

static struct cpu parts[CPUS];
struct cpu cpu_boot, *cpus[CPU_MAX];
unsigned cpu_count = CPUS;
struct aspace kernel_aspace;

static uint64_t now_ns = NSEC_PER_SEC;
static unsigned clock_reads;
static char steps[64]; /* of a switch, the first ones */
static bool no_memory, no_timers;
static unsigned kicks[CPUS];
static struct thread *buried, *left;
static sigjmp_buf idle_end, gone;
static bool in_idle;
static struct thread *idle_threads[CPUS]; /* one of each CPU */
static unsigned idle_count;
static struct timer *slices[CPUS];

/* ---- what it stands on --------------------------------------------------------------------
 */

uint64_t clock_now_ns(void)
{
	clock_reads++;
	return now_ns;
}

uint64_t clock_deadline_tsc(uint64_t deadline_ns)
{
	return 3 * deadline_ns;
}

void smp_kick(unsigned index)
{
	kicks[index]++;
}

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	assert_int_equal(bytes, sizeof(struct thread));
	if (no_memory)
		return NULL;
	assert_true(idle_count < ARRAY_SIZE(idle_threads));
	return idle_threads[idle_count++] = calloc(1, bytes);
}

size_t strlcpy(char *to, const char *from, size_t room)
{
	(void)room;
	strcpy(to, from);
	return strlen(from);
}

void timer_init(struct timer *timer, void (*fn)(struct timer *))
{
	*timer = (struct timer){.fn = fn};
	slices[cpu_this()->index] = timer;
}

void timer_arm(struct timer *timer, uint64_t deadline_ns)
{
	timer->deadline_ns = deadline_ns;
	timer->armed = true;
}

void timer_cancel_here(struct timer *timer)
{
	timer->armed = false;
}

bool timer_armed(const struct timer *timer)
{
	return timer->armed;
}

int timer_init_this_cpu(void)
{
	return no_timers ? -ENOMEM : 0;
}

void thread_bury(struct thread *t)
{
	buried = t;
}

noreturn void thread_exit(void)
{
	siglongjmp(gone, 2);
}

static bool is_idle(const struct thread *t)
{
	return t == idle_threads[0] || t == idle_threads[1];
}

/* The idle loop begins with this each time; it has switched before when another is current. */
void irq_disable(void)
{
	checks_irqs_off = true;
	if (in_idle && !is_idle(thread_current()))
		siglongjmp(idle_end, 1);
}

void irq_enable(void)
{
	checks_irqs_off = false;
}

noreturn void panic(const char *fmt, ...)
{
	fail_msg("panic: %s", fmt);
	abort();
}

static void step(const char *what)
{
	if (strlen(steps) + strlen(what) < sizeof(steps))
		strcat(steps, what);
}

/* What is switched to goes on behind its own switch_stacks(): in thread_block() it forgets its
 * wake-up. `gone`, of thread.c alone, says here who sleeps. One that is dead never comes back.
 */
void switch_stacks(uint64_t *save_rsp, uint64_t load_rsp)
{
	struct thread *from = container_of(save_rsp, struct thread, rsp),
		      *to = thread_current();

	(void)load_rsp;
	assert_false(check_irqs_on());
	assert_int_equal(checks_this_cpu()->count, 1); /* the queue's */
	step("switch ");
	left = from;
	from->gone = from->state == THREAD_BLOCKED;
	if (to->gone)
		to->wake_pending = false;
	if (from->state == THREAD_DEAD)
		siglongjmp(gone, 1);
}

/* STI, which no process may. */
static void halted(int signal)
{
	(void)signal;
	siglongjmp(idle_end, 2);
}

/* ---- CPUs and threads ----------------------------------------------------------------------
 */

static void use(unsigned cpu)
{
	syscall(SYS_arch_prctl, ARCH_SET_GS, &parts[cpu]);
}

/* The CPU's idle thread, until it has switched to another: that; or halts: NULL. */
static struct thread *idle(unsigned cpu)
{
	struct sigaction action = {.sa_handler = halted, .sa_flags = SA_NODEFER}, before;
	int how;

	use(cpu);
	sigaction(SIGSEGV, &action, &before);
	how = sigsetjmp(idle_end, 1);
	if (!how) {
		parts[cpu].current = idle_threads[0];
		in_idle = true;
		sched_run_this_cpu();
	}
	sigaction(SIGSEGV, &before, NULL);
	in_idle = false;
	checks_irqs_off = false;
	return how == 1 ? thread_current() : NULL;
}

static struct thread *make(unsigned cpus_allowed, unsigned weight, unsigned cap_percent)
{
	struct thread *t = calloc(1, sizeof(*t));

	t->entity.allowed.bits[0] = cpus_allowed;
	t->entity.weight = weight;
	t->entity.cap_ns = RUNQ_CAP_PERIOD_NS / 100 * cap_percent;
	t->ops = &thread_no_ops;
	t->gone = true;
	t->home = cpus_allowed & 1 ? 0 : 1;
	return t;
}

/* Who runs on the CPU sleeps. */
static struct thread *block(unsigned cpu)
{
	use(cpu);
	thread_block();
	return thread_current();
}

static const struct cpumask first = {{1}};

static void reset(void)
{
	for (unsigned i = 0; i < CPUS; i++) {
		parts[i] = (struct cpu){.self = &parts[i], .index = i};
		cpus[i] = &parts[i];
		kicks[i] = 0;
	}
	use(0);
	buried = left = NULL;
	steps[0] = 0;
	no_memory = no_timers = false;
}

static int off(void **state)
{
	(void)state;
	reset();
	return 0;
}

static int fresh(void **state)
{
	(void)state;
	reset();
	assert_int_equal(sched_init(&first), 0);
	for (unsigned i = 0; i < CPUS; i++)
		assert_null(idle(i)); /* it is up, and halts */
	return 0;
}

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

static int end(void **state)
{
	(void)state;
	assert_true(check_irqs_on());
	while (idle_count)
		free(idle_threads[--idle_count]);
	return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, end)
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
		TEST(cpu_time_goes_by_weight),
		TEST(a_cap_is_kept_to_the_nanosecond),
		TEST(a_share_can_be_changed),
		TEST(who_waits_first_starts_the_slices),
		TEST(a_slice_ends_by_timer_or_by_the_thread),
		TEST(a_cpu_has_one_owner_and_no_other_thread),
		TEST(a_cpu_that_is_given_back_is_used),
		TEST(what_a_thread_has_in_the_cpu_goes_with_it),
		TEST(a_thread_is_buried_by_the_next),
		TEST(absent_cpus_do_no_housekeeping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

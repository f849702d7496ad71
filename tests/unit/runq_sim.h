/*
 * Run queues in simulated time: N threads on M CPUs, in steps of 250 us. Not the switching and
 * the locks of kernel/sched/thread.c.
 */
#ifndef TESTS_UNIT_RUNQ_SIM_H
#define TESTS_UNIT_RUNQ_SIM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/sched/runq.h"

#define CPUS_MAX    16
#define THREADS_MAX 64
#define STEP_NS	    (250 * NSEC_PER_USEC)

struct sim_thread {
	struct runq_entity e;
	unsigned cpu;
	uint64_t run_for_ns, sleep_ns; /* 0: runs for ever */
	uint64_t burst_end_ns, wakes_at_ns;
	uint64_t longest_wait_ns;
	unsigned moves;
};

static struct runq queues[CPUS_MAX];
static struct runq_set set;
static bool resched[CPUS_MAX];
static struct sim_thread threads[THREADS_MAX];
static unsigned thread_count, cpu_count;
static uint64_t now;
static uint64_t busy_ns[CPUS_MAX];
static unsigned picks[CPUS_MAX];

static void sim_start(unsigned cpus)
{
	memset(threads, 0, sizeof(threads));
	memset(busy_ns, 0, sizeof(busy_ns));
	memset(picks, 0, sizeof(picks));
	memset(resched, 0, sizeof(resched));
	thread_count = 0;
	cpu_count = cpus;
	now = 12345 * NSEC_PER_SEC;
	for (unsigned i = 0; i < cpus; i++) {
		runq_init(&queues[i], i);
		queues[i].online = queues[i].idle = true;
		set.queues[i] = &queues[i];
	}
}

/* What thread.c does when a thread has been put into a queue. */
static void notify(struct runq *rq, struct runq_entity *e)
{
	rq->idle = false;
	if (runq_preempts(rq, e) || rq->waiting_count == 1)
		resched[rq->cpu] = true;
}

static void sim_wake(struct sim_thread *t)
{
	struct runq *rq = runq_place(&set, &t->e, t->cpu);

	assert_non_null(rq);
	if (t->cpu != rq->cpu)
		t->moves++;
	t->cpu = rq->cpu;
	t->burst_end_ns = runq_run_ns(&t->e, now) + t->run_for_ns;
	runq_wake(rq, &t->e, now);
	notify(rq, &t->e);
}

static struct sim_thread *sim_thread(unsigned weight, unsigned cap_percent, int pin)
{
	struct sim_thread *t = &threads[thread_count++];

	t->e.weight = weight;
	t->e.cap_ns = cap_percent * (RUNQ_CAP_PERIOD_NS / 100);
	for (unsigned i = 0; i < cpu_count; i++)
		if (pin < 0 || (unsigned)pin == i)
			cpumask_set(&t->e.allowed, i);
	t->cpu = pin < 0 ? 0 : (unsigned)pin;
	return t;
}

static struct sim_thread *sim_spinner(unsigned weight, unsigned cap_percent, int pin)
{
	struct sim_thread *t = sim_thread(weight, cap_percent, pin);

	sim_wake(t);
	return t;
}

static struct sim_thread *of(struct runq_entity *e)
{
	return container_of(e, struct sim_thread, e);
}

static void move_to(struct runq *from, struct runq *to, struct runq_entity *e)
{
	runq_remove(from, e, now);
	of(e)->cpu = to->cpu;
	of(e)->moves++;
	runq_move(to, e, now);
	notify(to, e);
}

static void reschedule(struct runq *rq, enum runq_fate fate)
{
	struct runq_entity *next, *e;
	struct runq *better;

	resched[rq->cpu] = false;
	picks[rq->cpu]++;
	next = runq_pick(rq, fate, now);
	if (next)
		assert_true(cpumask_test(&next->allowed, rq->cpu));
	while ((e = runq_better(&set, rq, &better, now)))
		move_to(rq, better, e);
	for (unsigned i = 1; !rq->current && i < cpu_count; i++) {
		struct runq *other = &queues[(rq->cpu + i) % cpu_count];

		e = runq_stealable(other, rq);
		if (e) {
			move_to(other, rq, e);
			runq_pick(rq, RUNQ_STAYS, now);
		}
	}
	rq->idle = !rq->current;
}

static void sim_cpu(struct runq *rq)
{
	struct runq_entity *e = rq->current;

	if (e && of(e)->run_for_ns && runq_run_ns(e, now) >= of(e)->burst_end_ns) {
		of(e)->wakes_at_ns = now + of(e)->sleep_ns;
		reschedule(rq, RUNQ_LEAVES);
	} else if (resched[rq->cpu] || runq_next_event(rq) <= now) {
		reschedule(rq, RUNQ_STAYS);
	}
	if (rq->current)
		busy_ns[rq->cpu] += STEP_NS;
}

static void sim_run(uint64_t ns)
{
	for (uint64_t end = now + ns; now < end; now += STEP_NS) {
		for (unsigned i = 0; i < thread_count; i++) {
			struct sim_thread *t = &threads[i];

			if (t->e.state == RUNQ_OFF && t->wakes_at_ns && t->wakes_at_ns <= now)
				sim_wake(t);
			if (t->e.state == RUNQ_WAITING)
				t->longest_wait_ns =
					MAX(t->longest_wait_ns, now - t->e.since_ns);
		}
		for (unsigned i = 0; i < cpu_count; i++)
			sim_cpu(&queues[i]);
	}
}

static double ran(const struct sim_thread *t)
{
	return (double)runq_run_ns(&t->e, now);
}

static void assert_within(double value, double want, double percent)
{
	if (value < want * (1 - percent / 100) || value > want * (1 + percent / 100))
		fail_msg("%.0f is not within %.0f %% of %.0f", value, percent, want);
}

#endif

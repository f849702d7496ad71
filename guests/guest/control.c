/*
 * The control thread, which learns what became of the guests' VMs, and gives guests their turns
 * to start. The life decides (life.c), act.c does what it says.
 */
#include <errno.h>
#include <stdio.h>

#include "guests/events/event.h"
#include "guests/guest/internal.h"
#include "guests/guest/registry.h"
#include "guests/guest/worker.h"
#include "kernel/cpu/clock.h"
#include "kernel/log/log.h"
#include "kernel/sched/thread.h"

static struct thread *control;
static _Atomic bool told; /* there is something to look at: a wake-up may be lost to a lock */
static _Atomic unsigned turns_held;
static _Atomic bool appeared; /* something that guests may wait for */

void control_wake(void)
{
	atomic_store(&told, true);
	thread_wake(control);
}

void control_tell(struct guest *g, enum life_input fact)
{
	atomic_fetch_or(&g->facts, BIT(fact));
	control_wake();
}

void guests_try_waiting(void)
{
	atomic_store(&appeared, true);
	control_wake();
}

/* What it names is not there; whoever makes it appear tells so. */
static void absent(struct guest *g)
{
	snprintf(g->reason, sizeof g->reason, "%s", g->worker.why);
	log_warn(g->config.name,
		 "waits: %s; it is tried again when volumes or the configuration change, or by "
		 "`start %s`",
		 g->reason, g->config.name);
	event_post(EVENT_GUEST_WAITING, g->config.name, "%s", g->reason);
}

/* It could not be started, or the start was given up. */
static void not_prepared(struct guest *g, bool waits)
{
	if (g->life.state == GUEST_STARTING && waits) {
		absent(g);
	} else if (g->life.state == GUEST_STARTING) {
		snprintf(g->reason, sizeof g->reason, "not started: %s", g->worker.why);
		log_error(g->config.name, "%s", g->reason);
		event_post(EVENT_GUEST_FAILED, g->config.name, "%s", g->reason);
	} else {
		log_info(g->config.name, "%s", g->reason);
		event_post(EVENT_GUEST_STOPPED, g->config.name, "%s", g->reason);
	}
	worker_freed();
}

static void released(struct guest *g)
{
	if (g->life.crashed)
		log_error(g->config.name, "%s", g->reason);
	else
		log_info(g->config.name, "%s", g->reason);
	event_post(g->life.crashed ? EVENT_GUEST_FAILED : EVENT_GUEST_STOPPED, g->config.name,
		   "%s", g->reason);
	worker_freed();
}

/* Caller holds g->lock. */
static void take_fact(struct guest *g, enum life_input fact)
{
	enum life_action action;

	if (fact == LIFE_NOT_PREPARED || fact == LIFE_ABSENT)
		not_prepared(g, fact == LIFE_ABSENT);
	else if (fact == LIFE_RELEASED)
		released(g);
	life_take(&g->life, fact, &action);
	act(g, action, &g->starter);
	if (life_at_rest(&g->life))
		g->leave.asked = false;
}

/* Its turn has come, where guests of `order` and lower ones start. Caller holds g->lock. */
static void take_turn(struct guest *g, uint32_t order)
{
	if (!g->life.due || g->turn.state != TURN_WAITS || g->config.start.order > order)
		return;
	g->turn.state = TURN_COMES;
	g->due_ns = clock_now_ns() + g->config.start.delay_seconds * NSEC_PER_SEC;
}

/* The lowest order for which others wait: those of higher ones do. UINT32_MAX: there is none.
 * *until_ns: when this may change without anything being told. */
static uint32_t lowest_order(uint64_t *until_ns)
{
	uint32_t lowest = UINT32_MAX;

	for (struct guest *g = registry_next(NULL); g; g = registry_next(g)) {
		uint64_t until;

		mutex_lock(&g->lock);
		until = turn_holds_until(&g->turn, &g->life, clock_now_ns());
		if (until)
			lowest = MIN(lowest, g->config.start.order);
		if (until)
			*until_ns = MIN(*until_ns, until);
		mutex_unlock(&g->lock);
	}
	return atomic_load(&turns_held) ? 0 : lowest;
}

/* Guests of `order` and lower ones have their turn to start. Returns when the guest is to be
 * served again; UINT64_MAX: when something is told of it. */
static uint64_t serve(struct guest *g, uint32_t order)
{
	uint32_t facts = atomic_exchange(&g->facts, 0);
	uint64_t due_ns;

	mutex_lock(&g->lock);
	for (unsigned fact = LIFE_PREPARED; fact < LIFE_INPUTS; fact++)
		if (facts & BIT(fact))
			take_fact(g, fact);
	take_turn(g, order);
	if (g->life.due && g->due_ns <= clock_now_ns())
		take_fact(g, LIFE_DUE);
	due_ns = leaving_attend(g);
	if (g->life.due)
		due_ns = MIN(due_ns, g->due_ns);
	mutex_unlock(&g->lock);
	return due_ns;
}

static void control_thread(void *arg)
{
	struct guest *g;
	uint64_t next_ns;
	uint32_t order, anew;

	(void)arg;
	for (;;) {
		atomic_store(&told, false);
		next_ns = UINT64_MAX;
		order = lowest_order(&next_ns);
		anew = atomic_exchange(&appeared, false) ? BIT(LIFE_APPEARED) : 0;
		for (g = registry_next(NULL); g; g = registry_next(g)) {
			atomic_fetch_or(&g->facts, anew);
			next_ns = MIN(next_ns, serve(g, order));
		}
		while ((g = registry_take_dead()))
			request_free(g);
		if (!atomic_load(&told) && lowest_order(&next_ns) == order)
			thread_block_until(next_ns);
	}
}

void guests_hold_turns(void)
{
	atomic_fetch_add(&turns_held, 1);
}

void guests_release_turns(void)
{
	atomic_fetch_sub(&turns_held, 1);
	control_wake();
}

bool guests_turns_over(void)
{
	bool over = atomic_load(&turns_held) == 0;

	for (struct guest *g = guest_next(NULL); g; g = guest_next(g)) {
		mutex_lock(&g->lock);
		over = over && !turn_holds_until(&g->turn, &g->life, clock_now_ns());
		mutex_unlock(&g->lock);
	}
	return over;
}

int guests_init(void)
{
	const struct thread_params params = {
		.name = "control",
		.fn = control_thread,
		.weight = THREAD_WEIGHT_SERVICE,
	};

	registry_init(control_wake);
	control = thread_create(&params);
	return control ? 0 : -ENOMEM;
}

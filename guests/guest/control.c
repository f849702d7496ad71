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
#include "kernel/mem/frames.h"
#include "kernel/sched/thread.h"

static struct thread *control;
static _Atomic bool told; /* there is something to look at: a wake-up may be lost to a lock */
static _Atomic unsigned turns_held;
static _Atomic bool appeared; /* something that guests may wait for */
static _Atomic bool freed;    /* memory: some may wait for that */

/* What the control thread goes by, from one look at all guests to the next. */
struct pass {
	uint32_t order;		 /* guests of this start.order and lower ones have their turn */
	uint64_t starting_bytes; /* memory of those being prepared, who may not have it yet */
	bool appeared, freed;	 /* since the last */
	uint64_t next_ns;	 /* when to look again, if nothing is told */
};

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
		 "waits: %s; it is tried again when %s or the configuration changes, or by "
		 "`start %s`",
		 g->reason, g->worker.no_memory ? "a guest gives memory back" : "a volume",
		 g->config.name);
	event_post(EVENT_GUEST_WAITING, g->config.name, "%s", g->reason);
}

/* Some of it is free now: who waits for memory is tried in the next pass. */
static void note_freed(void)
{
	worker_freed();
	atomic_store(&freed, true);
	atomic_store(&told, true);
}

/* It could not be started, or the start was given up. One that waits is no reason to try it. */
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
	if (g->life.state == GUEST_STARTING && waits)
		worker_freed();
	else
		note_freed();
}

static void released(struct guest *g)
{
	if (g->life.crashed)
		log_error(g->config.name, "%s", g->reason);
	else
		log_info(g->config.name, "%s", g->reason);
	event_post(g->life.crashed ? EVENT_GUEST_FAILED : EVENT_GUEST_STOPPED, g->config.name,
		   "%s", g->reason);
	note_freed();
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
		g->leave.asked = g->leave.later = false;
}

/* Its turn has come, where guests of `order` and lower ones start. Caller holds g->lock. */
static void take_turn(struct guest *g, uint32_t order)
{
	if (!g->life.due || g->turn.state != TURN_WAITS || g->config.start.order > order)
		return;
	g->turn.state = TURN_COMES;
	g->due_ns = clock_now_ns() + g->config.start.delay_seconds * NSEC_PER_SEC;
}

/* Whether its memory is free, and stays so when those that are being prepared take theirs.
 * Caller holds g->lock, as for the next. */
static bool fits(const struct guest *g, const struct pass *pass)
{
	return pass->starting_bytes + g->config.memory_bytes <= guest_frames_free_bytes();
}

/* Of guests that start in turn and are too large together, those before have their memory
 * first. */
static bool stands_back(const struct guest *g, const struct pass *pass)
{
	return g->turn.state == TURN_COMES && pass->starting_bytes && !fits(g, pass);
}

/* What it may wait for has come. One that waits for memory is tried only if that may do. */
static bool is_to_try(const struct guest *g, const struct pass *pass)
{
	if (pass->appeared || g->life.state != GUEST_WAITING)
		return pass->appeared || pass->freed;
	return pass->freed && g->worker.no_memory && fits(g, pass);
}

/* The beginning of a pass: whose turn it is, and how long, if nothing is told. */
static struct pass look(void)
{
	struct pass pass = {.order = UINT32_MAX, .next_ns = UINT64_MAX};

	for (struct guest *g = registry_next(NULL); g; g = registry_next(g)) {
		uint64_t until;

		mutex_lock(&g->lock);
		until = turn_holds_until(&g->turn, &g->life, clock_now_ns());
		if (until) {
			pass.order = MIN(pass.order, g->config.start.order);
			pass.next_ns = MIN(pass.next_ns, until);
		}
		if (until && g->turn.state == TURN_STARTS)
			pass.starting_bytes += g->config.memory_bytes;
		mutex_unlock(&g->lock);
	}
	if (atomic_load(&turns_held))
		pass.order = 0;
	return pass;
}

/* Whether what the pass went by is so still. */
static bool is_over(struct pass *pass)
{
	struct pass now = look();

	pass->next_ns = MIN(pass->next_ns, now.next_ns);
	return !atomic_load(&told) && now.order == pass->order &&
	       now.starting_bytes == pass->starting_bytes;
}

/* A start that is due, or that what has come allows. Caller holds g->lock. */
static void start_due(struct guest *g, struct pass *pass)
{
	bool started = g->life.state == GUEST_STARTING;

	if (is_to_try(g, pass))
		take_fact(g, LIFE_APPEARED);
	take_turn(g, pass->order);
	if (g->life.due && g->due_ns <= clock_now_ns() && !stands_back(g, pass))
		take_fact(g, LIFE_DUE);
	if (g->life.due && !stands_back(g, pass))
		pass->next_ns = MIN(pass->next_ns, g->due_ns);
	if (!started && g->life.state == GUEST_STARTING)
		pass->starting_bytes += g->config.memory_bytes;
}

static void serve(struct guest *g, struct pass *pass)
{
	uint32_t facts = atomic_exchange(&g->facts, 0);

	mutex_lock(&g->lock);
	for (unsigned fact = LIFE_PREPARED; fact < LIFE_INPUTS; fact++)
		if (facts & BIT(fact))
			take_fact(g, fact);
	start_due(g, pass);
	pass->next_ns = MIN(pass->next_ns, leaving_attend(g));
	mutex_unlock(&g->lock);
}

static void control_thread(void *arg)
{
	struct guest *g;

	(void)arg;
	for (;;) {
		struct pass pass;

		atomic_store(&told, false);
		pass = look();
		pass.appeared = atomic_exchange(&appeared, false);
		pass.freed = atomic_exchange(&freed, false);
		for (g = registry_next(NULL); g; g = registry_next(g))
			serve(g, &pass);
		while ((g = registry_take_dead()))
			request_free(g);
		if (is_over(&pass))
			thread_block_until(pass.next_ns);
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

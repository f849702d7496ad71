/* Run queues: virtual time, caps, and moving between CPUs. Pure; see runq.h. */
#include "kernel/sched/runq.h"

void runq_init(struct runq *rq, unsigned cpu)
{
	*rq = (struct runq){.cpu = cpu};
	list_init(&rq->waiting);
	list_init(&rq->throttled);
}

static struct runq_entity *first(const struct list *head)
{
	return list_empty(head) ? NULL : list_first(head, struct runq_entity, link);
}

static uint64_t virtual_ns(uint64_t ns, unsigned weight)
{
	return ns * RUNQ_WEIGHT_UNIT / weight;
}

/* CPUs' clocks agree but for a little, so what another CPU noted may lie in the future. */
static uint64_t elapsed(uint64_t since, uint64_t now)
{
	return now > since ? now - since : 0;
}

/* Begins a new cap period when the old one is over; run time beyond the cap is carried over. */
static void refill(struct runq_entity *e, uint64_t now)
{
	uint64_t periods = elapsed(e->period_ns, now) / RUNQ_CAP_PERIOD_NS;

	if (!e->cap_ns || !periods)
		return;
	e->period_ns += periods * RUNQ_CAP_PERIOD_NS;
	e->used_ns -= MIN(e->used_ns, periods * e->cap_ns);
}

static uint64_t period_end(const struct runq_entity *e)
{
	return e->period_ns + RUNQ_CAP_PERIOD_NS;
}

/* Puts `e` behind its equals, so that equals take turns. */
static void insert_waiting(struct runq *rq, struct runq_entity *e)
{
	struct list *at = &rq->waiting;

	while (at->prev != &rq->waiting &&
	       list_entry(at->prev, struct runq_entity, link)->vtime_ns > e->vtime_ns)
		at = at->prev;
	list_insert_before(at, &e->link);
	e->state = RUNQ_WAITING;
	rq->waiting_count++;
}

static void insert_throttled(struct runq *rq, struct runq_entity *e)
{
	struct list *at = &rq->throttled;

	while (at->prev != &rq->throttled &&
	       period_end(list_entry(at->prev, struct runq_entity, link)) > period_end(e))
		at = at->prev;
	list_insert_before(at, &e->link);
	e->state = RUNQ_THROTTLED;
}

static void insert(struct runq *rq, struct runq_entity *e, uint64_t now)
{
	refill(e, now);
	e->since_ns = now;
	if (e->cap_ns && e->used_ns >= e->cap_ns)
		insert_throttled(rq, e);
	else
		insert_waiting(rq, e);
}

/* The least virtual time here only rises, but an empty queue takes that of its first entity. */
static void advance_min(struct runq *rq)
{
	const struct runq_entity *head = first(&rq->waiting);
	uint64_t least = rq->current ? rq->current->vtime_ns : UINT64_MAX;

	if (head)
		least = MIN(least, head->vtime_ns);
	if (least != UINT64_MAX)
		rq->min_vtime_ns = MAX(rq->min_vtime_ns, least);
}

void runq_remove(struct runq *rq, struct runq_entity *e, uint64_t now)
{
	list_remove(&e->link);
	if (e->state == RUNQ_WAITING) {
		e->wait_ns += elapsed(e->since_ns, now);
		rq->waiting_count--;
	} else {
		e->capped_ns += elapsed(e->since_ns, now);
	}
	e->state = RUNQ_OFF;
}

/* Brings the current entity's times up to now. */
static void charge(struct runq *rq, uint64_t now)
{
	struct runq_entity *e = rq->current;
	uint64_t forgotten =
		atomic_exchange_explicit(&rq->forgotten_ns, 0, memory_order_relaxed);
	uint64_t ran;

	if (!e)
		return;
	ran = elapsed(e->since_ns, now);
	e->since_ns = now;
	e->run_ns += ran;
	e->used_ns += ran;
	e->vtime_ns += virtual_ns(ran, e->weight) + forgotten;
	refill(e, now);
	advance_min(rq);
	atomic_store_explicit(&rq->hint_vtime_ns, e->vtime_ns, memory_order_relaxed);
	atomic_store_explicit(&rq->hint_since_ns, now, memory_order_relaxed);
}

/* Bounds how far behind or ahead of this queue an entity comes in. */
static void enter(struct runq *rq, struct runq_entity *e, uint64_t behind_ns, uint64_t now)
{
	charge(rq, now);
	if (!rq->current && !rq->waiting_count)
		rq->min_vtime_ns = e->vtime_ns;
	else if (e->vtime_ns + behind_ns < rq->min_vtime_ns)
		e->vtime_ns = rq->min_vtime_ns - behind_ns;
	else
		e->vtime_ns = MIN(e->vtime_ns, rq->min_vtime_ns + RUNQ_DRIFT_NS);
	insert(rq, e, now);
}

void runq_wake(struct runq *rq, struct runq_entity *e, uint64_t now)
{
	enter(rq, e, RUNQ_SLICE_NS, now);
}

void runq_move(struct runq *rq, struct runq_entity *e, uint64_t now)
{
	enter(rq, e, RUNQ_DRIFT_NS, now);
}

/* What it ran under another cap is not held against it: a period begins. */
void runq_change(struct runq *rq, struct runq_entity *e, unsigned weight, uint64_t cap_ns,
		 const struct cpumask *allowed, uint64_t now)
{
	bool queued = e->state == RUNQ_WAITING || e->state == RUNQ_THROTTLED;

	charge(rq, now);
	if (queued)
		runq_remove(rq, e, now);
	if (e->cap_ns != cap_ns) {
		e->period_ns = now;
		e->used_ns = 0;
	}
	e->weight = weight;
	e->cap_ns = cap_ns;
	e->allowed = *allowed;
	if (queued)
		insert(rq, e, now);
	if (rq->current == e)
		atomic_store_explicit(&rq->hint_weight, weight, memory_order_relaxed);
}

static void release_throttled(struct runq *rq, uint64_t now)
{
	struct runq_entity *e;

	while ((e = first(&rq->throttled)) && period_end(e) <= now) {
		runq_remove(rq, e, now);
		insert(rq, e, now);
	}
}

static void make_current(struct runq *rq, struct runq_entity *e, uint64_t now)
{
	if (e) {
		runq_remove(rq, e, now);
		e->state = RUNQ_RUNNING;
		e->since_ns = now;
		atomic_store_explicit(&rq->hint_vtime_ns, e->vtime_ns, memory_order_relaxed);
		atomic_store_explicit(&rq->hint_since_ns, now, memory_order_relaxed);
		atomic_store_explicit(&rq->hint_weight, e->weight, memory_order_relaxed);
	} else {
		atomic_store_explicit(&rq->hint_weight, 0, memory_order_relaxed);
	}
	rq->current = e;
	rq->slice_end_ns = now + RUNQ_SLICE_NS;
	advance_min(rq);
}

/* The first that may run here: if the CPU has got an owner, others have yet to leave. */
static struct runq_entity *best(const struct runq *rq)
{
	return runq_stealable(rq, rq);
}

/* Whom a yielding entity lets go first. It may wait for any of the others, so those who waited
 * longest go first and all have had their turn before it comes here again; by virtual time,
 * whoever ran long last would be the last of many turns. No one gets further ahead by it than
 * RUNQ_DRIFT_NS. */
static struct runq_entity *longest_waiting(const struct runq *rq, uint64_t vtime_ns)
{
	struct runq_entity *longest = NULL;

	list_for_each(e, &rq->waiting, struct runq_entity, link)
	{
		if (e->vtime_ns > vtime_ns + RUNQ_DRIFT_NS)
			break;
		if (runq_may_run(rq, e) && (!longest || e->since_ns < longest->since_ns))
			longest = e;
	}
	return longest;
}

struct runq_entity *runq_pick(struct runq *rq, enum runq_fate fate, uint64_t now)
{
	struct runq_entity *current = rq->current, *next = NULL;

	charge(rq, now);
	release_throttled(rq, now);
	rq->current = NULL;
	if (current && fate == RUNQ_YIELDS)
		next = longest_waiting(rq, current->vtime_ns);
	if (current && fate == RUNQ_LEAVES)
		current->state = RUNQ_OFF;
	else if (current)
		insert(rq, current, now);
	if (!next)
		next = best(rq);
	make_current(rq, next, now);
	return next;
}

bool runq_preempts(const struct runq *rq, const struct runq_entity *e)
{
	uint64_t grain = e->weight >= RUNQ_SERVICE ? 0 : RUNQ_GRAIN_NS;

	if (e->state != RUNQ_WAITING)
		return false;
	return !rq->current || e->vtime_ns + grain <= rq->current->vtime_ns || rq->owner == e;
}

uint64_t runq_next_event(const struct runq *rq)
{
	const struct runq_entity *current = rq->current, *release = first(&rq->throttled);
	uint64_t event = UINT64_MAX;

	if (current && rq->waiting_count)
		event = rq->slice_end_ns;
	if (current && current->cap_ns) {
		uint64_t left = current->cap_ns - MIN(current->cap_ns, current->used_ns);

		event = MIN(event, current->since_ns + left);
	}
	if (release)
		event = MIN(event, period_end(release));
	return event;
}

uint64_t runq_run_ns(const struct runq_entity *e, uint64_t now)
{
	return e->run_ns + (e->state == RUNQ_RUNNING ? elapsed(e->since_ns, now) : 0);
}

uint64_t runq_wait_ns(const struct runq_entity *e, uint64_t now)
{
	return e->wait_ns + (e->state == RUNQ_WAITING ? elapsed(e->since_ns, now) : 0);
}

uint64_t runq_capped_ns(const struct runq_entity *e, uint64_t now)
{
	return e->capped_ns + (e->state == RUNQ_THROTTLED ? elapsed(e->since_ns, now) : 0);
}

bool runq_may_run(const struct runq *rq, const struct runq_entity *e)
{
	const struct runq_entity *owner = rq->owner;

	return rq->online && cpumask_test(&e->allowed, rq->cpu) && (!owner || owner == e);
}

static bool claim_idle(struct runq *rq)
{
	return atomic_load_explicit(&rq->idle, memory_order_relaxed) &&
	       atomic_exchange(&rq->idle, false);
}

/* `last` is looked at first, and so preferred among equals: its caches may still be warm. */
struct runq *runq_place(struct runq_set *set, const struct runq_entity *e, unsigned last)
{
	struct runq *best = set->queues[last];

	if (!runq_may_run(best, e))
		best = NULL;
	else if (claim_idle(best))
		return best;
	cpumask_for_each(cpu, &e->allowed)
	{
		struct runq *rq = set->queues[cpu];

		if (!runq_may_run(rq, e))
			continue;
		if (claim_idle(rq))
			return rq;
		if (!best || rq->waiting_count < best->waiting_count)
			best = rq;
	}
	return best;
}

/*
 * Virtual time of a queue's current entity by now, as far as can be told without its lock; 0
 * when it has none. If it is behind `least`, that is forgotten down to `least`.
 */
static uint64_t hinted_vtime(struct runq *rq, uint64_t least, uint64_t now)
{
	unsigned weight = atomic_load_explicit(&rq->hint_weight, memory_order_relaxed);
	uint64_t since = atomic_load_explicit(&rq->hint_since_ns, memory_order_relaxed);
	uint64_t vtime = atomic_load_explicit(&rq->hint_vtime_ns, memory_order_relaxed);
	uint64_t forgotten = atomic_load_explicit(&rq->forgotten_ns, memory_order_relaxed);

	if (!weight)
		return 0;
	vtime += forgotten + virtual_ns(elapsed(since, now), weight);
	if (vtime < least)
		(void)atomic_compare_exchange_strong(&rq->forgotten_ns, &forgotten,
						     forgotten + (least - vtime));
	return MAX(vtime, least);
}

/* Another CPU must be further on than this one too. Where both are ahead of `e`, it would have
 * either just as soon, and two CPUs that look at once must not pass it to and fro. */
static struct runq *better_for(struct runq_set *set, struct runq *from,
			       const struct runq_entity *e, uint64_t now)
{
	uint64_t least = from->min_vtime_ns - MIN(from->min_vtime_ns, RUNQ_DRIFT_NS);
	uint64_t here = hinted_vtime(from, 0, now);
	uint64_t furthest = MAX(e->vtime_ns, here) + RUNQ_SLICE_NS;
	struct runq *best = NULL;

	cpumask_for_each(cpu, &e->allowed)
	{
		struct runq *rq = set->queues[cpu];
		uint64_t vtime;

		if (rq == from || !runq_may_run(rq, e))
			continue;
		if (claim_idle(rq))
			return rq;
		vtime = hinted_vtime(rq, least, now);
		if (vtime > furthest) {
			furthest = vtime;
			best = rq;
		}
	}
	return best;
}

struct runq_entity *runq_better(struct runq_set *set, struct runq *from, struct runq **to,
				uint64_t now)
{
	list_for_each(e, &from->waiting, struct runq_entity, link)
	{
		if (runq_may_run(from, e))
			*to = better_for(set, from, e, now);
		else /* the CPU got an owner */
			*to = runq_place(set, e, from->cpu);
		if (*to)
			return e;
	}
	return NULL;
}

struct runq_entity *runq_stealable(const struct runq *from, const struct runq *to)
{
	list_for_each(e, &from->waiting, struct runq_entity,
		      link) if (runq_may_run(to, e)) return e;
	return NULL;
}

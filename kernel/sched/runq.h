/*
 * The run queue of one CPU, and what queues do with each other: who runs next, for how long,
 * and where. Pure data and time: no locks, no CPUs, no switching (that is thread.c), so that
 * fairness can be tried in simulated time.
 *
 * Each entity has a virtual time, which advances by run time / weight; the lowest runs. All
 * queues use one scale: whoever waits while another CPU's thread is further on moves there, so
 * that shares are by weight over all CPUs, not on each alone. What one is behind or ahead of
 * others counts up to RUNQ_DRIFT_NS; more is forgotten.
 */
#ifndef KERNEL_SCHED_RUNQ_H
#define KERNEL_SCHED_RUNQ_H

#include "kernel/lib/types.h" /* first: newlib's stdatomic.h wants stdint.h */

#include <stdatomic.h>

#include "kernel/lib/cpumask.h"
#include "kernel/lib/list.h"

#define RUNQ_SLICE_NS	   (5 * NSEC_PER_MSEC)
#define RUNQ_GRAIN_NS	   (1 * NSEC_PER_MSEC) /* lead below which a waking thread waits */
#define RUNQ_DRIFT_NS	   (20 * NSEC_PER_MSEC)
#define RUNQ_CAP_PERIOD_NS (100 * NSEC_PER_MSEC)
#define RUNQ_WEIGHT_UNIT   100	/* at this weight virtual time is run time */
#define RUNQ_SERVICE	   1000 /* from this weight on, no grain */

enum runq_state { RUNQ_OFF, RUNQ_WAITING, RUNQ_THROTTLED, RUNQ_RUNNING };

/* One thread as the queues see it. `weight`, `cap_ns`, `allowed` are set before its first use,
 * and from then on by runq_change() alone; all is guarded by the lock of the queue it is in. */
struct runq_entity {
	struct list link; /* WAITING: by virtual time; THROTTLED: by end of period */
	enum runq_state state;
	unsigned weight;
	uint64_t cap_ns; /* run time in each cap period; 0: no cap */
	struct cpumask allowed;

	uint64_t vtime_ns;
	uint64_t since_ns;		     /* charged, or waiting, from here on */
	uint64_t period_ns, used_ns;	     /* start of the cap period, run time in it */
	uint64_t run_ns, wait_ns, capped_ns; /* totals; wait_ns is without capped_ns */
};

/* Guarded by its owner's lock, except the atomics: those are hints that any CPU may read, and
 * `idle` and `forgotten_ns`, which any CPU may write. */
struct runq {
	unsigned cpu;
	struct runq_entity *current; /* NULL: idle */
	struct list waiting, throttled;
	uint64_t min_vtime_ns; /* never falls while the queue has entities */
	uint64_t slice_end_ns;

	_Atomic bool online;
	_Atomic bool idle; /* looking for work; cleared by who brings it some */
	_Atomic unsigned waiting_count;
	struct runq_entity *_Atomic owner; /* alone may run here; NULL: anyone */
	_Atomic uint64_t forgotten_ns;	   /* to be added to the virtual time of `current` */
	_Atomic uint64_t hint_vtime_ns, hint_since_ns; /* of `current` */
	_Atomic unsigned hint_weight;
};

/* All queues, by CPU; those of CPUs that some entity may run on exist. */
struct runq_set {
	struct runq *queues[CPU_MAX];
};

void runq_init(struct runq *rq, unsigned cpu);

/* Puts in an entity that slept: it may have the CPU soon, but no credit for its sleep. */
void runq_wake(struct runq *rq, struct runq_entity *e, uint64_t now);
/* Puts in an entity taken from another queue by runq_remove. */
void runq_move(struct runq *rq, struct runq_entity *e, uint64_t now);
/* Takes out one that is WAITING or THROTTLED. */
void runq_remove(struct runq *rq, struct runq_entity *e, uint64_t now);

/* Gives an entity another share, cap and CPUs. It is in this queue, whatever it does, or sleeps
 * and was there last; afterwards the CPU must pick again, and look for whom is better off
 * elsewhere: one that may no longer run here leaves then. */
void runq_change(struct runq *rq, struct runq_entity *e, unsigned weight, uint64_t cap_ns,
		 const struct cpumask *allowed, uint64_t now);

/* What the current entity does when another is picked: goes on if it is the best; leaves (it
 * sleeps or ends); lets the others go first, one after the other. */
enum runq_fate { RUNQ_STAYS, RUNQ_LEAVES, RUNQ_YIELDS };

/* Makes the best waiting entity current and returns it, or NULL when there is none. */
struct runq_entity *runq_pick(struct runq *rq, enum runq_fate fate, uint64_t now);

/* Whether `e`, which was just put in here, should have the CPU at the next safe point. */
bool runq_preempts(const struct runq *rq, const struct runq_entity *e);

/* When to pick again if nothing else happens: end of slice when others wait, end of a cap's
 * allowance or of its period. UINT64_MAX: never. */
uint64_t runq_next_event(const struct runq *rq);

/* Totals of an entity up to now, in its queue's lock. */
uint64_t runq_run_ns(const struct runq_entity *e, uint64_t now);
uint64_t runq_wait_ns(const struct runq_entity *e, uint64_t now);
uint64_t runq_capped_ns(const struct runq_entity *e, uint64_t now);

/* Whether `e` may run on the queue's CPU. */
bool runq_may_run(const struct runq *rq, const struct runq_entity *e);

/* The two below need no lock of the queues that they look at, only hints; an idle CPU that they
 * return is claimed, so something must be put there. */

/* Where a waking entity goes: `last` if that is idle, else an idle CPU, else where the fewest
 * wait. NULL when no CPU that it may run on is online. */
struct runq *runq_place(struct runq_set *set, const struct runq_entity *e, unsigned last);
/* The first entity waiting in `from` (in its lock) that would be better off on another CPU,
 * `*to`; or NULL. For when something was just picked. */
struct runq_entity *runq_better(struct runq_set *set, struct runq *from, struct runq **to,
				uint64_t now);

/* The best entity waiting in `from` that may run on `to`, or NULL. In `from`'s lock. */
struct runq_entity *runq_stealable(const struct runq *from, const struct runq *to);

#endif

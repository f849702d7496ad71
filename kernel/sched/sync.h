/* Waiting for each other, asleep: for threads only. Spinlocks are kernel/lib/lock.h. */
#ifndef KERNEL_SCHED_SYNC_H
#define KERNEL_SCHED_SYNC_H

#include "kernel/lib/list.h"
#include "kernel/lib/lock.h"

struct thread;

/* Threads asleep for one reason, first come first served; guarded by `lock` of what it is in.
 */
struct wait_queue {
	struct list waiters; /* struct waiter in sync.c, on the sleepers' stacks */
};

/* Held by one thread at a time, which may sleep meanwhile. Not recursive. */
struct mutex {
	struct spinlock lock; /* guards the rest */
	struct thread *owner;
	struct wait_queue queue;
#ifdef CHECKS
	struct check_lock check;
#endif
};

#ifdef CHECKS
#define MUTEX_CHECK(what) .check.name = (what),
#else
#define MUTEX_CHECK(what)
#endif

/* A static one that needs no mutex_init(); `m` is its own name, `what` says what it guards, as
 * a spinlock's does. */
#define MUTEX(m, what)                                                     \
	{                                                                  \
		MUTEX_CHECK(what).lock = SPINLOCK("mutex"),                \
		.queue.waiters = {&(m).queue.waiters, &(m).queue.waiters}, \
	}
void mutex_init(struct mutex *m, const char *what);
void mutex_lock(struct mutex *m); /* thread context, no spinlock held, as all that sleeps */
bool mutex_trylock(struct mutex *m);
bool mutex_held(struct mutex *m);   /* by the calling thread */
void mutex_unlock(struct mutex *m); /* by the owner; passes it to the first that waits */

/* A number of things to be had: down() takes one, asleep until there is one. */
struct semaphore {
	struct spinlock lock; /* guards the rest */
	unsigned count;
	struct wait_queue queue;
};

void semaphore_init(struct semaphore *s, unsigned count);
void semaphore_down(struct semaphore *s);
/* False when there was none until `deadline_ns` (clock_now_ns() scale). */
bool semaphore_down_until(struct semaphore *s, uint64_t deadline_ns);
void semaphore_up(struct semaphore *s); /* any context */

#endif

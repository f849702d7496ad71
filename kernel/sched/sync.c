/*
 * Mutex and semaphore. What is given up goes straight to the first that waits, so a thread that
 * comes back at once cannot starve the others.
 */
#include "kernel/sched/sync.h"

#include "kernel/cpu/clock.h"
#include "kernel/sched/thread.h"

struct waiter {
	struct list link;
	struct thread *thread;
	_Atomic bool given; /* set, under the lock, by who gave; the waiter may be gone then */
};

static void wait_begin(struct wait_queue *q, struct waiter *w)
{
	*w = (struct waiter){.thread = thread_current()};
	list_push_back(&q->waiters, &w->link);
}

/* Gives to the first that waits, and returns it to be woken; NULL if none does. */
static struct thread *give(struct wait_queue *q)
{
	struct waiter *w;
	struct thread *thread;

	if (list_empty(&q->waiters))
		return NULL;
	w = list_first(&q->waiters, struct waiter, link);
	list_remove(&w->link);
	thread = w->thread;
	w->given = true;
	return thread;
}

void mutex_init(struct mutex *m)
{
	*m = (struct mutex){.lock = SPINLOCK("mutex")};
	list_init(&m->queue.waiters);
}

bool mutex_trylock(struct mutex *m)
{
	uint64_t flags = spin_lock_irqsave(&m->lock);
	bool free = !m->owner;

	if (free)
		m->owner = thread_current();
	spin_unlock_irqrestore(&m->lock, flags);
	return free;
}

void mutex_lock(struct mutex *m)
{
	struct waiter w = {0};
	uint64_t flags;

	check_may_wait("a mutex");
	flags = spin_lock_irqsave(&m->lock);
	w.given = !m->owner;
	if (w.given)
		m->owner = thread_current();
	else
		wait_begin(&m->queue, &w);
	spin_unlock_irqrestore(&m->lock, flags);
	while (!w.given)
		thread_block();
}

/* Wakes under the lock: the next owner cannot end, nor free the mutex, before. */
void mutex_unlock(struct mutex *m)
{
	uint64_t flags = spin_lock_irqsave(&m->lock);

	m->owner = give(&m->queue);
	if (m->owner)
		thread_wake(m->owner);
	spin_unlock_irqrestore(&m->lock, flags);
}

void semaphore_init(struct semaphore *s, unsigned count)
{
	*s = (struct semaphore){.lock = SPINLOCK("semaphore"), .count = count};
	list_init(&s->queue.waiters);
}

bool semaphore_down_until(struct semaphore *s, uint64_t deadline_ns)
{
	struct waiter w = {0};
	uint64_t flags;
	bool given;

	check_may_wait("a semaphore");
	flags = spin_lock_irqsave(&s->lock);
	w.given = s->count > 0;
	if (w.given)
		s->count--;
	else
		wait_begin(&s->queue, &w);
	spin_unlock_irqrestore(&s->lock, flags);
	while (!w.given && clock_now_ns() < deadline_ns)
		thread_block_until(deadline_ns);

	/* Also when given: who gave may still be about to wake us, under the lock. */
	flags = spin_lock_irqsave(&s->lock);
	given = w.given;
	if (!given)
		list_remove(&w.link);
	spin_unlock_irqrestore(&s->lock, flags);
	return given;
}

void semaphore_down(struct semaphore *s)
{
	(void)semaphore_down_until(s, UINT64_MAX);
}

void semaphore_up(struct semaphore *s)
{
	uint64_t flags = spin_lock_irqsave(&s->lock);
	struct thread *thread = give(&s->queue);

	if (thread)
		thread_wake(thread);
	else
		s->count++;
	spin_unlock_irqrestore(&s->lock, flags);
}

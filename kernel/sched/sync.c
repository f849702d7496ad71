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

/* Where it is taken is the caller's business: its address would say no more than its name. */
#ifdef CHECKS
#define CHECK_TAKE(m)  check_mutex_take(&(m)->check, (m)->check.name)
#define CHECK_TAKEN(m) check_mutex_taken(&(m)->check, (m)->check.name)
#define CHECK_GIVE(m)  check_mutex_give(&(m)->check)
#else
#define CHECK_TAKE(m)  ((void)0)
#define CHECK_TAKEN(m) ((void)0)
#define CHECK_GIVE(m)  ((void)0)
#endif

void mutex_init(struct mutex *m, const char *what)
{
	(void)what;
	*m = (struct mutex){MUTEX_CHECK(what).lock = SPINLOCK("mutex")};
	list_init(&m->queue.waiters);
}

bool mutex_trylock(struct mutex *m)
{
	uint64_t flags = spin_lock_irqsave(&m->lock);
	bool free = !m->owner;

	if (free)
		m->owner = thread_current();
	spin_unlock_irqrestore(&m->lock, flags);
	if (free)
		CHECK_TAKEN(m);
	return free;
}

bool mutex_held(struct mutex *m)
{
	uint64_t flags = spin_lock_irqsave(&m->lock);
	bool held = m->owner == thread_current();

	spin_unlock_irqrestore(&m->lock, flags);
	return held;
}

void mutex_lock(struct mutex *m)
{
	struct waiter w = {0};
	uint64_t flags;

	check_may_wait("a mutex");
	CHECK_TAKE(m);
	flags = spin_lock_irqsave(&m->lock);
	w.given = !m->owner;
	if (w.given)
		m->owner = thread_current();
	else
		wait_begin(&m->queue, &w);
	spin_unlock_irqrestore(&m->lock, flags);
	while (!w.given)
		thread_block();
	CHECK_TAKEN(m);
}

/* Wakes under the lock: the next owner cannot end, nor free the mutex, before. */
void mutex_unlock(struct mutex *m)
{
	uint64_t flags;

	CHECK_GIVE(m);
	flags = spin_lock_irqsave(&m->lock);
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

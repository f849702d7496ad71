/*
 * Threads' lives: creation, naming, sleeping for a time, ending. When they run, and how they
 * are switched, is sched.c's.
 */
#include "kernel/sched/internal.h"

#include <string.h>

#include "kernel/cpu/clock.h"
#include "kernel/lib/lock.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"

static struct spinlock join_lock = SPINLOCK("join"); /* taken before a queue's lock */

static void deadline_passed(struct timer *timer)
{
	thread_wake(container_of(timer, struct thread, timer));
}

/* A stack as switch_stacks() leaves it: six registers, all zero, so that backtraces end here,
 * and where to return to; above that a return address for sched_thread_start's frame. */
static void make_stack(struct thread *t)
{
	uint64_t *top = t->stack_top;

	top[-2] = (uint64_t)sched_thread_start;
	t->rsp = (uint64_t)(top - 8);
}

static void set_entity(struct runq_entity *e, const struct thread_params *p)
{
	e->weight = p->weight ? p->weight : THREAD_WEIGHT_DEFAULT;
	e->cap_ns = p->cap_percent * (RUNQ_CAP_PERIOD_NS / 100);
	e->allowed = cpumask_count(&p->allowed) ? p->allowed : *sched_housekeeping();
}

static void free_thread(struct thread *t)
{
	if (t->owns_cpu)
		sched_disown_cpu(t);
	_reclaim_reent(&t->reent);
	stack_free(t->stack_top, THREAD_STACK_BYTES, t->account);
	heap_free(t);
}

static void set_aspace(struct thread *t, struct aspace *as)
{
	t->aspace = as ? as : &kernel_aspace;
	t->cr3 = t->aspace->cr3;
}

struct thread *thread_create(const struct thread_params *p)
{
	struct thread *t = heap_zalloc(sizeof(*t), p->account);

	if (!t)
		return NULL;
	set_entity(&t->entity, p);
	t->fn = p->fn;
	t->arg = p->arg;
	t->ops = p->ops ? p->ops : &thread_no_ops;
	t->account = p->account;
	set_aspace(t, p->aspace);
	strlcpy(t->name, p->name, sizeof(t->name));
	_REENT_INIT_PTR(&t->reent);
	t->stack_top = stack_alloc(THREAD_STACK_BYTES, p->account);
	if (t->stack_top && p->owns_cpu)
		t->owns_cpu = sched_own_cpu(t) == 0;
	t->ends_slices = p->ends_slices;
	if (!t->stack_top || t->owns_cpu != p->owns_cpu) {
		log_error("sched", "cannot create thread %s: %s", t->name,
			  t->stack_top ? "its CPU is not to be had" : "out of memory");
		free_thread(t);
		return NULL;
	}
	make_stack(t);
	timer_init(&t->timer, deadline_passed);
	t->home = sched_only_cpu(&t->entity.allowed) % CPU_MAX; /* CPU 0 if there are several */
	thread_wake(t);
	return t;
}

/* An interrupt between the two steps finds the kernel's half, which all spaces share. */
struct aspace *thread_set_aspace(struct aspace *as)
{
	struct thread *t = thread_current();
	struct aspace *old = t->aspace;

	set_aspace(t, as);
	if (t->aspace != old)
		__asm__ volatile("mov %0, %%cr3" : : "r"(t->cr3) : "memory");
	return old;
}

void thread_exit(void)
{
	sched_exit();
}

/* Tells a dead thread's joiner. From here on it may be freed. */
void thread_bury(struct thread *t)
{
	spin_lock(&join_lock);
	t->gone = true;
	if (t->joiner)
		thread_wake(t->joiner);
	spin_unlock(&join_lock);
}

static void wait_for_end(struct thread *t)
{
	check_may_wait("a thread's end");
	for (;;) {
		uint64_t flags = spin_lock_irqsave(&join_lock);
		bool gone = t->gone;

		t->joiner = thread_current();
		spin_unlock_irqrestore(&join_lock, flags);
		if (gone)
			break;
		thread_block();
	}
}

void thread_leave_cpu(struct thread *t)
{
	wait_for_end(t);
	if (t->owns_cpu)
		sched_disown_cpu(t);
	t->owns_cpu = false;
}

void thread_join(struct thread *t)
{
	wait_for_end(t);
	free_thread(t);
}

void thread_block_until(uint64_t deadline_ns)
{
	struct thread *t = thread_current();

	if (clock_now_ns() >= deadline_ns)
		return;
	if (deadline_ns != UINT64_MAX)
		timer_arm(&t->timer, deadline_ns);
	thread_block();
	timer_cancel(&t->timer);
}

void thread_sleep_ns(uint64_t ns)
{
	uint64_t deadline_ns = clock_now_ns() + ns;

	while (clock_now_ns() < deadline_ns)
		thread_block_until(deadline_ns);
}

struct _reent *thread_reent(void)
{
	struct thread *t = thread_current();

	return t ? &t->reent : _GLOBAL_REENT;
}

#ifdef CHECKS
struct check_held *checks_this_thread(void)
{
	struct thread *t = thread_current();

	return t && !log_in_panic() ? &t->mutexes : NULL;
}
#endif

void *thread_arg(const struct thread *t)
{
	return t->arg;
}

unsigned thread_cpu(const struct thread *t)
{
	return t->home;
}

uint64_t thread_time_run_ns(const struct thread *t)
{
	return sched_time_of(t, runq_run_ns);
}

uint64_t thread_time_waiting_ns(const struct thread *t)
{
	return sched_time_of(t, runq_wait_ns);
}

uint64_t thread_time_capped_ns(const struct thread *t)
{
	return sched_time_of(t, runq_capped_ns);
}

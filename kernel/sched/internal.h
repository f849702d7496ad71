/* What thread.c and sched.c know of each other. The public face is thread.h. */
#ifndef KERNEL_SCHED_INTERNAL_H
#define KERNEL_SCHED_INTERNAL_H

#include "kernel/sched/newlib.h"

#include "kernel/sched/runq.h"
#include "kernel/sched/thread.h"
#include "kernel/sched/timer.h"

#define THREAD_STACK_BYTES (32 * KIB)
#define THREAD_NAME_BYTES  32

enum thread_state { THREAD_BLOCKED, THREAD_RUNNABLE, THREAD_DEAD };

/*
 * `home`, `state` and `entity` are guarded by the lock of the queue of CPU `home`, which is
 * held through a switch: who has the lock knows that a thread that is not current is off its
 * stack. The fields below the line are fixed at creation, or the thread's own.
 */
struct thread {
	struct runq_entity entity;
	_Atomic unsigned home; /* CPU it is on, queued on, or slept on */
	enum thread_state state;
	_Atomic bool wake_pending; /* a wake-up that no thread_block() has taken yet */
	bool gone;		   /* off its stack for good; guarded by thread.c's join_lock */
	struct thread *joiner;	   /* guarded by join_lock */

	/* -- */
	uint64_t rsp; /* while not running */
	struct aspace *aspace;
	uint64_t cr3;
	const struct thread_ops *ops;
	void (*fn)(void *arg);
	void *arg;
	void *stack_top;
	struct mem_account *account;
	bool owns_cpu, ends_slices;
	struct timer timer; /* thread_block_until */
#ifdef CHECKS
	struct check_held mutexes;
#endif
	struct _reent reent;
	char name[THREAD_NAME_BYTES];
};

extern const struct thread_ops thread_no_ops;

/* Where a new thread's stack returns to: starts it. */
noreturn void sched_thread_start(void);
/* Ends the current thread; once off its stack, thread_bury() is called for it. */
noreturn void sched_exit(void);
void thread_bury(struct thread *t);

/* The only CPU of the set, or CPU_MAX if there are more or none. */
unsigned sched_only_cpu(const struct cpumask *mask);
/* Gives the thread the one CPU that it may run on: whoever else is there leaves at the CPU's
 * next choice. -EINVAL for a housekeeping CPU or several, -EBUSY if it has an owner. */
int sched_own_cpu(struct thread *t);
void sched_disown_cpu(struct thread *t);

/* A total of the thread's (runq_run_ns, ...) up to now. */
uint64_t sched_time_of(const struct thread *t,
		       uint64_t (*total)(const struct runq_entity *, uint64_t now));

#endif

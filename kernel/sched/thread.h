/*
 * Threads: every vCPU, device worker and service is one. Switching is cooperative inside the
 * hypervisor; a vCPU is preempted at its next exit after its slice timer fired.
 */
#ifndef KERNEL_SCHED_THREAD_H
#define KERNEL_SCHED_THREAD_H

#include <reent.h>

#include "kernel/lib/cpumask.h"
#include "kernel/lib/list.h"
#include "kernel/lib/lock.h"
#include "kernel/mem/hostmap.h"

struct thread;

enum thread_state { THREAD_RUNNABLE, THREAD_RUNNING, THREAD_BLOCKED, THREAD_DEAD };

struct thread_ops {
	/* Called with interrupts off on the CPU concerned, before the thread's first
	 * instruction after a switch and after its last before one. For vCPUs: registers that
	 * the kernel itself does not use (XSAVE state, VMLOAD state). May be NULL. */
	void (*switch_in)(struct thread *);
	void (*switch_out)(struct thread *);
};

#define THREAD_WEIGHT_DEFAULT 100
#define THREAD_WEIGHT_SERVICE                                           \
	1000 /* device workers, console, network: run soon, run shortly \
	      */

struct thread_params {
	const char *name;
	void (*fn)(void *arg);
	void *arg;
	struct cpumask allowed; /* CPUs it may run on; none set: the housekeeping CPUs */
	bool owns_cpu;		/* pinned vCPU: `allowed` is one CPU, which runs only this */
	unsigned weight;	/* share against others; 0: THREAD_WEIGHT_DEFAULT */
	unsigned cap_percent;	/* of one CPU, over 100 ms; 0: no cap */
	struct aspace *aspace;	/* NULL: kernel_aspace */
	const struct thread_ops *ops;
	struct mem_account *account;
};

/* Creates and makes runnable. NULL when out of memory. */
struct thread *thread_create(const struct thread_params *params);
noreturn void thread_exit(void);
/* Waits for the thread's end and frees it. May sleep. */
void thread_join(struct thread *t);

struct thread *thread_current(void);
/* newlib's state of the current thread, or the boot CPU's before there are threads. */
struct _reent *thread_reent(void);
const char *thread_name(const struct thread *t);
void *thread_arg(const struct thread *t);
/* The CPU it runs on now or ran on last. */
unsigned thread_cpu(const struct thread *t);

/*
 * Sleeping without losing wake-ups: thread_wake() on a thread that is not blocked makes its
 * next thread_block() return at once. So: for (;;) { if (condition) break; thread_block(); }.
 * thread_block: thread context, no spinlock held. thread_wake: any context.
 */
void thread_block(void);
void thread_block_until(uint64_t deadline_ns); /* clock_now_ns() scale */
void thread_wake(struct thread *t);
void thread_yield(void);
void thread_sleep_ns(uint64_t ns);

/* True when another thread should have this CPU: the slice is over or a better one waits.
 * Cheap; for the vCPU loop, which then calls thread_yield(). Interrupts may be off. */
bool thread_should_yield(void);

/* Whether another runnable thread waits on this CPU (spinning vCPUs give way only then). */
bool thread_others_waiting(void);

/* Accounting, ns: on a CPU, and runnable but waiting for one. */
uint64_t thread_time_run_ns(const struct thread *t);
uint64_t thread_time_waiting_ns(const struct thread *t);

/* Start-up: sched_init once with the set of housekeeping CPUs; then each CPU enters
 * sched_run_this_cpu(), which turns the calling context into its idle thread. */
int sched_init(const struct cpumask *housekeeping);
noreturn void sched_run_this_cpu(void);
const struct cpumask *sched_housekeeping(void);

#endif

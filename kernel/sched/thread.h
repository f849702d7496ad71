/*
 * Threads: every vCPU, device worker and service is one. Switching is cooperative inside the
 * hypervisor; a vCPU is preempted at its next exit after its slice has ended.
 */
#ifndef KERNEL_SCHED_THREAD_H
#define KERNEL_SCHED_THREAD_H

#include "kernel/cpu/cpu.h"
#include "kernel/lib/cpumask.h"
#include "kernel/lib/types.h"
#include "kernel/mem/hostmap.h"

struct _reent; /* newlib's */
struct thread;

struct thread_ops {
	/* Called with interrupts off on the CPU concerned, before the thread's first
	 * instruction after a switch and after its last before one. For vCPUs: registers that
	 * the kernel itself does not use (XSAVE state, VMLOAD state). May be NULL. */
	void (*switch_in)(struct thread *);
	void (*switch_out)(struct thread *);
};

#define THREAD_WEIGHT_DEFAULT 100
#define THREAD_WEIGHT_SERVICE 1000 /* workers, console, network: run soon, run shortly */

struct thread_params {
	const char *name;
	void (*fn)(void *arg);
	void *arg;
	struct cpumask allowed; /* CPUs it may run on; none set: the housekeeping CPUs */
	bool owns_cpu;		/* pinned vCPU: `allowed` is one CPU, which runs only this */
	bool ends_slices; /* no timer does it: the thread calls thread_slice_over() in time */
	unsigned weight;  /* share against others; 0: THREAD_WEIGHT_DEFAULT */
	unsigned cap_percent;  /* of one CPU, over 100 ms; 0: no cap */
	struct aspace *aspace; /* NULL: kernel_aspace */
	const struct thread_ops *ops;
	struct mem_account *account;
};

/* Creates and makes runnable. NULL when out of memory, or when it cannot own the CPU it asks
 * for (a housekeeping CPU, or another's). Thread context, or start-up after sched_init(). */
struct thread *thread_create(const struct thread_params *params);
noreturn void thread_exit(void); /* also by returning from fn */
/* Waits for the thread's end and frees it. Once for each thread that ends. May sleep. */
void thread_join(struct thread *t);
/* Waits for its end; the CPU that it owned, if it did, is free then. It is still there, to be
 * woken in vain, and to be joined. One caller at a time. May sleep. */
void thread_leave_cpu(struct thread *t);

/* What it has of the CPUs, as in struct thread_params; `allowed` is not empty. */
struct thread_share {
	struct cpumask allowed;
	unsigned weight, cap_percent;
};
/* Changes that, from now on; nothing of one that owns its CPU. A thread that runs where it no
 * longer may leaves at its next safe point. Any context, under spinlocks too. */
void thread_set_share(struct thread *t, const struct thread_share *share);

static inline struct thread *thread_current(void)
{
	return cpu_this()->current;
}
/* newlib's state of the current thread, or the boot CPU's before there are threads. */
struct _reent *thread_reent(void);
void *thread_arg(const struct thread *t);
/* The CPU it runs on now or ran on last. */
unsigned thread_cpu(const struct thread *t);

/* Moves the calling thread into another address space, NULL for the kernel's, and returns the
 * one it was in: for reaching a guest's memory from a thread that is not the guest's. */
struct aspace *thread_set_aspace(struct aspace *as);

/*
 * Sleeping without losing wake-ups: thread_wake() on a thread that is not blocked makes its
 * next thread_block() return at once. So: for (;;) { if (condition) break; thread_block(); }.
 * thread_block: thread context, no spinlock held. thread_wake: any context.
 */
void thread_block(void);
void thread_block_until(uint64_t deadline_ns); /* clock_now_ns() scale; UINT64_MAX: none */
void thread_wake(struct thread *t);
void thread_sleep_ns(uint64_t ns);

/* Lets the scheduler choose again if thread_should_yield(); else lets any other thread that
 * waits for this CPU go first. Thread context, no spinlock held. */
void thread_yield(void);

/* True when another thread should have this CPU: the slice is over or a better one waits.
 * Cheap; for the vCPU loop, which then calls thread_yield(). Interrupts may be off. */
static inline bool thread_should_yield(void)
{
	return atomic_load_explicit(&cpu_this()->need_resched, memory_order_relaxed);
}

/*
 * For threads that end their own slices, by a timer of the CPU's that counts only while a guest
 * runs: the TSC value of this CPU, with interrupts off, at which the slice is over, or
 * UINT64_MAX; and that it has come.
 */
static inline uint64_t thread_slice_end_tsc(void)
{
	return cpu_this()->slice_end_tsc;
}
static inline void thread_slice_over(void)
{
	atomic_store_explicit(&cpu_this()->need_resched, true, memory_order_relaxed);
}

/* Whether another runnable thread waits on this CPU (spinning vCPUs give way only then). */
bool thread_others_waiting(void);

/* Accounting, ns: on a CPU, and runnable but waiting for one. */
uint64_t thread_time_run_ns(const struct thread *t);
uint64_t thread_time_waiting_ns(const struct thread *t);
uint64_t thread_time_capped_ns(const struct thread *t); /* that its cap kept it waiting */

/*
 * Start-up, on CPU 0, after mem_init and before the other CPUs run: threads can be created from
 * then on. Each CPU then enters sched_run_this_cpu() on a stack that it keeps, interrupts off
 * or on, and that context becomes its idle thread.
 */
int sched_init(const struct cpumask *housekeeping);
/* Once all CPUs run that will, `count` of them, and before any thread is made for housekeeping:
 * those of the housekeeping CPUs that are not there do none; without any, CPU 0 does. */
void sched_settle_housekeeping(unsigned count);
noreturn void sched_run_this_cpu(void);
const struct cpumask *sched_housekeeping(void);

#endif

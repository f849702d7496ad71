/* One-shot timers per CPU, driven by the local APIC timer. No periodic tick exists. */
#ifndef KERNEL_SCHED_TIMER_H
#define KERNEL_SCHED_TIMER_H

#include "kernel/lib/types.h"

struct timer_cpu;

/* All but `owner` is guarded by the lock of the queue it names. Whoever arms and cancels a
 * timer from several CPUs does so under a lock of his own; `fn` itself needs none for it. */
struct timer {
	uint64_t deadline_ns; /* clock_now_ns() scale */
	void (*fn)(struct timer *timer);
	struct timer_cpu *_Atomic owner; /* queue it was last armed on, NULL if never */
	_Atomic bool armed; /* changed under the lock; timer_armed() reads it without */
	struct timer *left, *right, *parent; /* in the queue's heap */
};

/* fn runs once in interrupt context (IF = 0) on the CPU that armed the timer, at or after the
 * deadline; or, if it was armed while fn still ran on another CPU, there. It may arm the timer
 * again. */
void timer_init(struct timer *timer, void (*fn)(struct timer *));

/* Arms, or moves, the timer to `deadline_ns` on the calling CPU. Any context. */
void timer_arm(struct timer *timer, uint64_t deadline_ns);

/* Disarms. When it returns, fn is neither pending nor running, which may take waiting for
 * another CPU: thread context, no spinlock held. */
void timer_cancel(struct timer *timer);
/* The same for one that the calling CPU alone arms; it waits for nobody. Any context. */
void timer_cancel_here(struct timer *timer);

bool timer_armed(const struct timer *timer);

/* Before the first timer_arm on a CPU; needs the heap; harmless if done before. 0 or -ENOMEM.
 */
int timer_init_this_cpu(void);

#endif

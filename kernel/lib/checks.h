/*
 * Rules of the core that are checked while it runs: in builds with CHECKS, which are all unit
 * tests and the kernel of `make checked`. Elsewhere all of this is nothing, and costs nothing.
 *
 * - Nothing waits for other CPUs or threads with interrupts off, in an interrupt handler, with
 * a spinlock held, or with access to the guest's window open: check_may_wait() stands at the
 *   head of all that may, whether or not it has to this time.
 * - Locks are taken in one order, lock_order.h's. A lock's class is what it guards
 * (spin_lock_init(), mutex_init()), and is in that list. Two of one class are never held.
 * - Spinlocks are looked at among those that a CPU holds, mutexes among a thread's.
 * - A class that interrupt handlers take is never taken with interrupts on, nor under it one
 *   that is.
 * That frames have one owner is kernel/mem/owners.h.
 */
#ifndef KERNEL_LIB_CHECKS_H
#define KERNEL_LIB_CHECKS_H

#include "kernel/lib/types.h" /* first: newlib's stdatomic.h wants stdint.h */

#include <stdatomic.h>

#ifdef CHECKS

#define CHECK_TEXT_(text) #text
#define CHECK_TEXT(text)  CHECK_TEXT_(text)
#define CHECK_SITE	  __FILE__ ":" CHECK_TEXT(__LINE__)

/* In every spinlock and mutex. */
struct check_lock {
	const char *name;	/* what it guards; NULL: it was never named */
	_Atomic unsigned class; /* 1 and more once it was taken */
};

#define CHECK_HELD_MAX 16

/* The spinlocks that one CPU holds, or the mutexes that one thread does. */
struct check_held {
	struct {
		const struct check_lock *lock;
		const char *site;
	} held[CHECK_HELD_MAX];
	unsigned count;
};

/* Kept by kernel/cpu/checks.c; on the build machine by tests/unit/checks_host.c. */
struct check_held *checks_this_cpu(void); /* NULL: too early */
/* Kept by kernel/sched/thread.c, and there likewise. NULL: no thread yet. */
struct check_held *checks_this_thread(void);
bool check_irqs_on(void);
bool check_in_irq(void);
bool check_starting(void);    /* this CPU runs no threads yet: nobody waits for it */
bool check_window_open(void); /* between user_access_begin() and user_access_end() */
uint64_t check_irq_save(void);
void check_irq_restore(uint64_t flags);
/* A rule was broken. Does not return, but in tests that expect it. */
void check_failed(const char *fmt, ...) printf_like(1, 2);

/* Around taking a lock and giving it back; `site` is FILE:LINE. */
void check_lock_take(struct check_lock *lock, const char *site);
void check_lock_taken(struct check_lock *lock, const char *site);
void check_lock_give(struct check_lock *lock);
/* In place of both for one that was taken without waiting. */
void check_lock_tried(struct check_lock *lock, const char *site);

/* The same for a mutex, in thread context. */
void check_mutex_take(struct check_lock *lock, const char *site);
void check_mutex_taken(struct check_lock *lock, const char *site);
void check_mutex_give(struct check_lock *lock);

void check_wait_at(const char *what, const char *site);
/* The caller may wait for others now. Any context. */
#define check_may_wait(what) check_wait_at(what, CHECK_SITE)

/* For a report: classes of locks, orders between two of them, waits that were looked at. */
struct check_counts {
	unsigned classes, orders;
	uint64_t waits;
};
struct check_counts check_counts(void);

/* Says in the log that this is such a build; once. */
void check_announce(void);

/* Forgets classes and orders, and has `order` instead of lock_order; NULL: that again. For
 * tests. */
void check_forget(const char *const *order);

#else

#define check_may_wait(what) ((void)0)
#define check_announce()     ((void)0)

#endif
#endif

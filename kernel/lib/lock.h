/*
 * Ticket spinlocks, with and without disabling interrupts. Nothing here sleeps; sleeping
 * locks are in kernel/sched. On the build machine (unit tests) interrupts are left alone. In
 * builds with checks, each lock knows what it guards, and their order is looked at (checks.h).
 */
#ifndef KERNEL_LIB_LOCK_H
#define KERNEL_LIB_LOCK_H

#include "kernel/lib/types.h" /* first: newlib's stdatomic.h wants stdint.h */

#include <stdatomic.h>
#if __STDC_HOSTED__
#include <sched.h>
#endif

#include "kernel/lib/checks.h"

/* Zeroed memory is a free lock, but one without a name, whose order is not checked. */
struct spinlock {
	_Atomic uint32_t next, owner;
#ifdef CHECKS
	struct check_lock check;
#endif
};

/* A free lock; `what` says what it guards, and is the same for all of its kind. For static ones
 * SPINLOCK(), for others spin_lock_init(). */
#ifdef CHECKS
#define SPINLOCK(what)               \
	{                            \
		.check.name = (what) \
	}
#define spin_lock_init(lock, what) (*(lock) = (struct spinlock)SPINLOCK(what))
#else
#define SPINLOCK(what)    \
	{                 \
		.next = 0 \
	}
#define spin_lock_init(lock, what) (*(lock) = (struct spinlock){.next = 0})
#endif

/* On the build machine whoever is waited for may want this very CPU. */
static inline void cpu_relax(void)
{
#if __STDC_HOSTED__
	sched_yield();
#else
	__asm__ volatile("pause");
#endif
}

/* Saves RFLAGS and clears IF. */
static inline uint64_t irq_save(void)
{
#if __STDC_HOSTED__ && defined CHECKS
	return check_irq_save();
#elif __STDC_HOSTED__
	return 0;
#else
	uint64_t flags;

	__asm__ volatile("pushfq; pop %0; cli" : "=r"(flags) : : "memory");
	return flags;
#endif
}

/* Sets IF again if the matching irq_save() found it set. */
static inline void irq_restore(uint64_t flags)
{
#if __STDC_HOSTED__ && defined CHECKS
	check_irq_restore(flags);
#elif __STDC_HOSTED__
	(void)flags;
#else
	if (flags & BIT(9))
		__asm__ volatile("sti" : : : "memory");
#endif
}

static inline void spin_lock_raw(struct spinlock *lock)
{
	uint32_t ticket = atomic_fetch_add_explicit(&lock->next, 1, memory_order_relaxed);

	while (atomic_load_explicit(&lock->owner, memory_order_acquire) != ticket)
		cpu_relax();
}

static inline bool spin_trylock_raw(struct spinlock *lock)
{
	uint32_t owner = atomic_load_explicit(&lock->owner, memory_order_acquire);

	return atomic_compare_exchange_strong_explicit(
		&lock->next, &owner, owner + 1, memory_order_acquire, memory_order_relaxed);
}

static inline void spin_unlock_raw(struct spinlock *lock)
{
	uint32_t owner = atomic_load_explicit(&lock->owner, memory_order_relaxed);

	atomic_store_explicit(&lock->owner, owner + 1, memory_order_release);
}

static inline uint64_t spin_lock_irqsave_raw(struct spinlock *lock)
{
	uint64_t flags = irq_save();

	spin_lock_raw(lock);
	return flags;
}

#ifndef CHECKS

/* For locks that no interrupt handler takes. Not recursive. */
#define spin_lock(lock)	   spin_lock_raw(lock)
#define spin_trylock(lock) spin_trylock_raw(lock)
#define spin_unlock(lock)  spin_unlock_raw(lock)
/* For locks that an interrupt handler (a timer's function, say) takes too. */
#define spin_lock_irqsave(lock) spin_lock_irqsave_raw(lock)

#else

#define spin_lock(lock)		spin_lock_at(lock, CHECK_SITE)
#define spin_trylock(lock)	spin_trylock_at(lock, CHECK_SITE)
#define spin_lock_irqsave(lock) spin_lock_irqsave_at(lock, CHECK_SITE)

static inline void spin_lock_at(struct spinlock *lock, const char *site)
{
	check_lock_take(&lock->check, site);
	spin_lock_raw(lock);
	check_lock_taken(&lock->check, site);
}

/* Who does not wait for a lock takes part in no deadlock, so any order will do; but others wait
 * for it from then on. */
static inline bool spin_trylock_at(struct spinlock *lock, const char *site)
{
	bool taken = spin_trylock_raw(lock);

	if (taken)
		check_lock_tried(&lock->check, site);
	return taken;
}

static inline uint64_t spin_lock_irqsave_at(struct spinlock *lock, const char *site)
{
	uint64_t flags = irq_save();

	spin_lock_at(lock, site);
	return flags;
}

static inline void spin_unlock(struct spinlock *lock)
{
	check_lock_give(&lock->check);
	spin_unlock_raw(lock);
}

#endif

static inline void spin_unlock_irqrestore(struct spinlock *lock, uint64_t flags)
{
	spin_unlock(lock);
	irq_restore(flags);
}

#endif

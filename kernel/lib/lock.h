/*
 * Ticket spinlocks, with and without disabling interrupts. Nothing here sleeps; sleeping
 * locks are in kernel/sched. On the build machine (unit tests) interrupts are left alone.
 */
#ifndef KERNEL_LIB_LOCK_H
#define KERNEL_LIB_LOCK_H

#include "kernel/lib/types.h" /* first: newlib's stdatomic.h wants stdint.h */

#include <stdatomic.h>
#if __STDC_HOSTED__
#include <sched.h>
#endif

struct spinlock {
	_Atomic uint32_t next, owner;
};

#define SPINLOCK_INIT \
	{             \
		0, 0  \
	}

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
#if __STDC_HOSTED__
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
#if __STDC_HOSTED__
	(void)flags;
#else
	if (flags & BIT(9))
		__asm__ volatile("sti" : : : "memory");
#endif
}

/* For locks that no interrupt handler takes. Not recursive. */
static inline void spin_lock(struct spinlock *lock)
{
	uint32_t ticket = atomic_fetch_add_explicit(&lock->next, 1, memory_order_relaxed);

	while (atomic_load_explicit(&lock->owner, memory_order_acquire) != ticket)
		cpu_relax();
}

static inline bool spin_trylock(struct spinlock *lock)
{
	uint32_t owner = atomic_load_explicit(&lock->owner, memory_order_acquire);

	return atomic_compare_exchange_strong_explicit(
		&lock->next, &owner, owner + 1, memory_order_acquire, memory_order_relaxed);
}

static inline void spin_unlock(struct spinlock *lock)
{
	uint32_t owner = atomic_load_explicit(&lock->owner, memory_order_relaxed);

	atomic_store_explicit(&lock->owner, owner + 1, memory_order_release);
}

/* For locks that an interrupt handler (a timer's function, say) takes too. */
static inline uint64_t spin_lock_irqsave(struct spinlock *lock)
{
	uint64_t flags = irq_save();

	spin_lock(lock);
	return flags;
}

static inline void spin_unlock_irqrestore(struct spinlock *lock, uint64_t flags)
{
	spin_unlock(lock);
	irq_restore(flags);
}

#endif

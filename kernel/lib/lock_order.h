/*
 * The order in which locks are taken: one list of all classes of locks that there are, by the
 * names that SPINLOCK(), spin_lock_init(), MUTEX() and mutex_init() give. What a class guards
 * is in docs/architecture.md, in the same order.
 */
#ifndef KERNEL_LIB_LOCK_ORDER_H
#define KERNEL_LIB_LOCK_ORDER_H

/* Whoever has a lock takes only locks whose names come later; ends in NULL. Mutexes come before
 * spinlocks, as nobody waits for them with one of those held. In builds with checks only. */
extern const char *const lock_order[];

#endif

/*
 * newlib's locks (sys/lock.h): recursive spinlocks held with interrupts off, since library code
 * may run in any context and what it does under them is short and never sleeps.
 */
#include <reent.h>
#include <stdlib.h>
#include <sys/lock.h>

#include "kernel/lib/lock.h"
#include "kernel/lib/types.h"

/* owner, depth and flags are the holder's, and so guarded by `lock`. */
struct __lock {
	struct spinlock lock;
	struct _reent *_Atomic owner; /* the thread, known by its newlib state */
	unsigned depth;
	uint64_t flags;
};

struct __lock __lock___sfp_recursive_mutex;
struct __lock __lock___sinit_recursive_mutex;
struct __lock __lock___atexit_recursive_mutex;
struct __lock __lock___at_quick_exit_mutex;
struct __lock __lock___malloc_recursive_mutex;
struct __lock __lock___env_recursive_mutex;
struct __lock __lock___tz_mutex;
struct __lock __lock___dd_hash_mutex;
struct __lock __lock___arc4random_mutex;

void __retarget_lock_init(_LOCK_T *lock)
{
	*lock = calloc(1, sizeof(**lock));
}

void __retarget_lock_init_recursive(_LOCK_T *lock)
{
	__retarget_lock_init(lock);
}

void __retarget_lock_close(_LOCK_T lock)
{
	free(lock);
}

void __retarget_lock_close_recursive(_LOCK_T lock)
{
	free(lock);
}

/* Nobody but the holder can find itself to be the owner. The allocation of a file's lock may
 * have failed: then the file goes unguarded. */
static bool acquire(_LOCK_T lock, bool wait)
{
	struct _reent *self = __getreent();
	uint64_t flags = irq_save();

	if (!lock || lock->owner == self) {
		irq_restore(flags);
		if (lock)
			lock->depth++;
		return true;
	}
	if (wait) {
		spin_lock(&lock->lock);
	} else if (!spin_trylock(&lock->lock)) {
		irq_restore(flags);
		return false;
	}
	lock->owner = self;
	lock->flags = flags;
	return true;
}

static void release(_LOCK_T lock)
{
	uint64_t flags;

	if (!lock)
		return;
	if (lock->depth) {
		lock->depth--;
		return;
	}
	flags = lock->flags;
	lock->owner = NULL;
	spin_unlock(&lock->lock);
	irq_restore(flags);
}

void __retarget_lock_acquire(_LOCK_T lock)
{
	(void)acquire(lock, true);
}

void __retarget_lock_acquire_recursive(_LOCK_T lock)
{
	(void)acquire(lock, true);
}

int __retarget_lock_try_acquire(_LOCK_T lock)
{
	return acquire(lock, false);
}

int __retarget_lock_try_acquire_recursive(_LOCK_T lock)
{
	return acquire(lock, false);
}

void __retarget_lock_release(_LOCK_T lock)
{
	release(lock);
}

void __retarget_lock_release_recursive(_LOCK_T lock)
{
	release(lock);
}

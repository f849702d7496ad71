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

#define LIBC_LOCK(what) struct __lock __lock___##what = {.lock = SPINLOCK("libc " #what)}

LIBC_LOCK(sfp_recursive_mutex);
LIBC_LOCK(sinit_recursive_mutex);
LIBC_LOCK(atexit_recursive_mutex);
LIBC_LOCK(at_quick_exit_mutex);
LIBC_LOCK(malloc_recursive_mutex);
LIBC_LOCK(env_recursive_mutex);
LIBC_LOCK(tz_mutex);
LIBC_LOCK(dd_hash_mutex);
LIBC_LOCK(arc4random_mutex);

void __retarget_lock_init(_LOCK_T *lock)
{
	*lock = calloc(1, sizeof(**lock));
	if (*lock)
		spin_lock_init(&(*lock)->lock, "libc file");
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

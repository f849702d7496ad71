/* The table of interrupt handlers. */
#include "kernel/cpu/vectors.h"

#include <errno.h>
#include <stdatomic.h>

#include "kernel/lib/lock.h"

struct handler {
	trap_handler fn;
	void *arg;
};

static struct handler handlers[256];
static struct spinlock handlers_lock =
	SPINLOCK("handlers"); /* writers of `handlers`; dispatching takes none */

void trap_register(unsigned vector, trap_handler handler, void *arg)
{
	uint64_t flags = spin_lock_irqsave(&handlers_lock);

	handlers[vector].arg = arg;
	atomic_signal_fence(memory_order_seq_cst);
	*(volatile trap_handler *)&handlers[vector].fn = handler;
	spin_unlock_irqrestore(&handlers_lock, flags);
}

int trap_alloc_vector(trap_handler handler, void *arg)
{
	uint64_t flags = spin_lock_irqsave(&handlers_lock);
	int found = -ENOSPC;

	for (int vector = VECTOR_DEVICE_FIRST; vector <= VECTOR_DEVICE_LAST; vector++) {
		if (!handlers[vector].fn) {
			handlers[vector] = (struct handler){handler, arg};
			found = vector;
			break;
		}
	}
	spin_unlock_irqrestore(&handlers_lock, flags);
	return found;
}

bool vectors_handle(unsigned vector)
{
	const struct handler *handler = &handlers[vector];

	if (unlikely(!handler->fn))
		return false;
	handler->fn(vector, handler->arg);
	return true;
}

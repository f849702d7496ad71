/*
 * Senders that wait for room: at a port whose queue is full, or at a NIC. They do not sleep;
 * their consumers' ready() is called.
 */
#include "net/switch/internal.h"

static struct spinlock waiters_lock = SPINLOCK("waiters"); /* guards all lists of waiters */

void waiters_add(struct list *waiters, struct port *sender)
{
	uint64_t flags = spin_lock_irqsave(&waiters_lock);

	list_remove(&sender->waiting);
	list_push_back(waiters, &sender->waiting);
	spin_unlock_irqrestore(&waiters_lock, flags);
}

void waiters_leave(struct port *sender)
{
	uint64_t flags = spin_lock_irqsave(&waiters_lock);

	list_remove(&sender->waiting);
	spin_unlock_irqrestore(&waiters_lock, flags);
}

/* Those that are there now, into `list`: who comes again while being called waits for the next
 * time. */
static void take_all(struct list *waiters, struct list *list)
{
	uint64_t flags = spin_lock_irqsave(&waiters_lock);

	list_init(list);
	if (!list_empty(waiters)) {
		list_insert_before(waiters->next, list);
		list_remove(waiters);
	}
	spin_unlock_irqrestore(&waiters_lock, flags);
}

static struct port *take_first(struct list *list)
{
	uint64_t flags = spin_lock_irqsave(&waiters_lock);
	struct port *sender = NULL;

	if (!list_empty(list)) {
		sender = port_get(list_first(list, struct port, waiting));
		list_remove(&sender->waiting);
	}
	spin_unlock_irqrestore(&waiters_lock, flags);
	return sender;
}

void waiters_wake(struct list *waiters)
{
	struct list now;
	struct port *sender;

	take_all(waiters, &now);
	while ((sender = take_first(&now))) {
		netdev_ready(&sender->dev);
		port_put(sender);
	}
}

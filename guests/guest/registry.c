/* Guests by name and in order, and who refers to them. Knows nothing of what a guest does. */
#include "guests/guest/registry.h"

#include <errno.h>
#include <string.h>

#include "guests/guest/internal.h"
#include "kernel/lib/lock.h"

/* Guards both lists, every registry_entry, and the numbers. */
static struct spinlock lock = SPINLOCK("guests");
static struct list guests = {&guests, &guests};
static struct list dead = {&dead, &dead};
static unsigned listed; /* guests that are not removed */
static uint64_t last_generation;

static void (*tell_dead)(void); /* fixed after start-up */

void registry_init(void (*on_dead)(void))
{
	tell_dead = on_dead;
}

/* The guest after one of that generation. Caller holds the lock. */
static struct guest *following(uint64_t generation, bool removed_too)
{
	list_for_each(g, &guests, struct guest, entry.link)
	{
		if (g->entry.generation > generation && (removed_too || !g->entry.removed))
			return g;
	}
	return NULL;
}

/* Caller holds the lock. */
static struct guest *find(const char *name)
{
	list_for_each(g, &guests, struct guest, entry.link)
	{
		if (!g->entry.removed && !strcmp(g->config.name, name))
			return g;
	}
	return NULL;
}

int registry_add(struct guest *guest)
{
	int err = 0;

	spin_lock(&lock);
	if (find(guest->config.name))
		err = -EEXIST;
	else if (listed == CONFIG_GUESTS_MAX)
		err = -ENOSPC;
	if (!err) {
		listed++;
		guest->entry.generation = ++last_generation;
		guest->entry.references = 2;
		list_push_back(&guests, &guest->entry.link);
	}
	spin_unlock(&lock);
	return err;
}

bool registry_remove(struct guest *guest)
{
	bool first;

	spin_lock(&lock);
	first = !guest->entry.removed;
	listed -= first;
	guest->entry.removed = true;
	spin_unlock(&lock);
	return first;
}

bool registry_removed(const struct guest *guest)
{
	bool removed;

	spin_lock(&lock);
	removed = guest->entry.removed;
	spin_unlock(&lock);
	return removed;
}

/* Caller holds the lock. True: that was the last, and it waits to be freed. */
static bool put(struct guest *guest)
{
	if (--guest->entry.references)
		return false;
	list_push_back(&dead, &guest->entry.link);
	return true;
}

void registry_drop(struct guest *guest)
{
	bool last;

	spin_lock(&lock);
	list_remove(&guest->entry.link);
	last = put(guest);
	spin_unlock(&lock);
	if (last)
		tell_dead();
}

void guest_put(struct guest *guest)
{
	bool last;

	if (!guest)
		return;
	spin_lock(&lock);
	last = put(guest);
	spin_unlock(&lock);
	if (last)
		tell_dead();
}

struct guest *registry_take_dead(void)
{
	struct guest *guest = NULL;

	spin_lock(&lock);
	if (!list_empty(&dead)) {
		guest = list_first(&dead, struct guest, entry.link);
		list_remove(&guest->entry.link);
	}
	spin_unlock(&lock);
	return guest;
}

static struct guest *next(struct guest *after, bool removed_too)
{
	struct guest *guest;

	spin_lock(&lock);
	guest = following(after ? after->entry.generation : 0, removed_too);
	if (guest)
		guest->entry.references++;
	spin_unlock(&lock);
	guest_put(after);
	return guest;
}

struct guest *registry_next(struct guest *after)
{
	return next(after, true);
}

struct guest *guest_next(struct guest *after)
{
	return next(after, false);
}

struct guest *guest_get(const char *name)
{
	struct guest *guest;

	spin_lock(&lock);
	guest = find(name);
	if (guest)
		guest->entry.references++;
	spin_unlock(&lock);
	return guest;
}

uint64_t guest_generation(const struct guest *guest)
{
	return guest->entry.generation;
}

const char *guest_name(const struct guest *guest)
{
	return guest->config.name;
}

struct console *guest_console(struct guest *guest)
{
	return guest->console;
}

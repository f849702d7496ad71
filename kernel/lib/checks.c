/* See checks.h: what may wait, and the order of locks. Whose frames are whose is
 * kernel/mem/owners.c. Empty in builds without checks. */
#include "kernel/lib/checks.h"

#ifdef CHECKS

#include <string.h>

#include "kernel/lib/lock_order.h"

#define CLASSES 128

/* One kind of lock: number n is lock_order[n - 1]. Where it was first taken by an interrupt
 * handler, and with interrupts on; NULL: never. */
static struct class
{
	const char *name; /* NULL: none was taken yet */
	const char *in_irq, *irqs_on;
} classes[CLASSES];
static unsigned class_count;
static const char *const *table = lock_order;

/* orders[a][b]: b was taken under a, which is less; where each was taken then. */
static struct order {
	const char *outer, *inner;
} orders[CLASSES][CLASSES];
static unsigned order_count;
static _Atomic uint64_t waits;

/* Guards all above against changes. Not a spinlock: those are looked at here. */
static atomic_flag busy = ATOMIC_FLAG_INIT;

static uint64_t enter(void)
{
	uint64_t flags = check_irq_save();

	while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire))
		__asm__ volatile("pause");
	return flags;
}

static void leave(uint64_t flags)
{
	atomic_flag_clear_explicit(&busy, memory_order_release);
	check_irq_restore(flags);
}

struct check_counts check_counts(void)
{
	return (struct check_counts){class_count, order_count, waits};
}

void check_forget(const char *const *order)
{
	memset(classes, 0, sizeof classes);
	memset(orders, 0, sizeof orders);
	class_count = 0;
	order_count = 0;
	table = order ? order : lock_order;
}

/* 0: the table does not have it, or is too long. */
static unsigned find_class(const char *name)
{
	unsigned i = 1;

	while (i < CLASSES && table[i - 1] && strcmp(table[i - 1], name) != 0)
		i++;
	if (i == CLASSES || !table[i - 1])
		return 0;
	class_count += !classes[i].name;
	classes[i].name = table[i - 1];
	return i;
}

/* Whether `to` was ever taken under `from`, or under what was. */
static bool leads_to(unsigned from, unsigned to)
{
	if (orders[from][to].inner)
		return true;
	for (unsigned next = from + 1; next < to; next++)
		if (orders[from][next].inner && leads_to(next, to))
			return true;
	return false;
}

/* A pair of classes, the first taken by interrupt handlers and the other under it, though it is
 * taken with interrupts on elsewhere: whoever is interrupted there holds up the handler's CPU.
 */
static bool irq_conflict(unsigned *handler, unsigned *open)
{
	for (unsigned a = 1; a < CLASSES; a++)
		for (unsigned b = a + 1; classes[a].in_irq && b < CLASSES; b++)
			if (classes[b].irqs_on && leads_to(a, b)) {
				*handler = a;
				*open = b;
				return true;
			}
	return false;
}

/* Notes how the class is taken now. Returns false where that breaks the rule. */
static bool note_context(struct class *class, const char *site)
{
	if (check_in_irq() && !class->in_irq)
		class->in_irq = site;
	else if (!check_in_irq() && check_irqs_on() && !class->irqs_on)
		class->irqs_on = site;
	else
		return true;
	return !(class->in_irq && class->irqs_on);
}

static void check_context(unsigned class, const char *site)
{
	unsigned handler = class, open = class;
	uint64_t flags;
	bool fine, irq = check_in_irq();

	if (irq ? classes[class].in_irq != NULL : classes[class].irqs_on || !check_irqs_on())
		return;
	fine = note_context(&classes[class], site);
	flags = enter();
	fine = fine && !irq_conflict(&handler, &open);
	leave(flags);
	if (!fine)
		check_failed("an interrupt handler takes '%s' at %s; with interrupts on '%s' "
			     "is taken at %s",
			     classes[handler].name, classes[handler].in_irq, classes[open].name,
			     classes[open].irqs_on);
}

/* `inner` is about to be taken under `outer`, which was taken at `outer_site`. */
static void check_order(unsigned outer, const char *outer_site, unsigned inner,
			const char *site)
{
	unsigned handler = 0, open = 0;
	uint64_t flags;
	bool conflict;

	if (outer == inner) {
		check_failed("two of '%s' at once: taken at %s, and at %s", classes[outer].name,
			     outer_site, site);
		return;
	}
	if (inner < outer) {
		check_failed("'%s', taken at %s under '%s' of %s: kernel/lib/lock_order.c has "
			     "them the other way round",
			     classes[inner].name, site, classes[outer].name, outer_site);
		return;
	}
	if (orders[outer][inner].inner)
		return;
	flags = enter();
	order_count += !orders[outer][inner].inner;
	orders[outer][inner] = (struct order){outer_site, site};
	conflict = irq_conflict(&handler, &open);
	leave(flags);
	if (conflict)
		check_failed("an interrupt handler takes '%s' at %s, and under it '%s', which "
			     "is taken with interrupts on at %s",
			     classes[handler].name, classes[handler].in_irq, classes[open].name,
			     classes[open].irqs_on);
}

static unsigned class_of(struct check_lock *lock)
{
	unsigned class = atomic_load_explicit(&lock->class, memory_order_relaxed);
	uint64_t flags;

	if (class || !lock->name)
		return class;
	flags = enter();
	class = find_class(lock->name);
	leave(flags);
	if (!class)
		check_failed("the lock '%s' is not in kernel/lib/lock_order.c: it goes behind "
			     "all that it is taken under",
			     lock->name);
	atomic_store_explicit(&lock->class, class, memory_order_relaxed);
	return class;
}

static unsigned named_class(struct check_lock *lock, const char *site)
{
	unsigned class = class_of(lock);

	if (!__STDC_HOSTED__ && !class) /* tests make objects without their create functions */
		check_failed("the lock at %s has no name: spin_lock_init() or mutex_init()",
			     site);
	return class;
}

static void check_not_held(const struct check_held *by, const struct check_lock *lock,
			   const char *site)
{
	for (unsigned i = 0; i < by->count; i++)
		if (by->held[i].lock == lock)
			check_failed("'%s', taken at %s, is held since %s",
				     lock->name ? lock->name : "?", site, by->held[i].site);
}

static void check_orders(const struct check_held *by, unsigned class, const char *site)
{
	for (unsigned i = 0; i < by->count; i++)
		if (by->held[i].lock->class)
			check_order(by->held[i].lock->class, by->held[i].site, class, site);
}

void check_lock_take(struct check_lock *lock, const char *site)
{
	const struct check_held *cpu = checks_this_cpu();
	unsigned class;

	if (!cpu)
		return;
	class = named_class(lock, site);
	check_not_held(cpu, lock, site);
	if (!class)
		return;
	check_context(class, site);
	check_orders(cpu, class, site);
}

void check_mutex_take(struct check_lock *lock, const char *site)
{
	const struct check_held *thread = checks_this_thread();
	unsigned class;

	if (!thread)
		return;
	class = named_class(lock, site);
	check_not_held(thread, lock, site);
	if (class)
		check_orders(thread, class, site);
}

/* Returns false where there is no room. */
static bool hold(struct check_held *by, struct check_lock *lock, const char *site)
{
	if (!by)
		return true;
	if (by->count == CHECK_HELD_MAX)
		return false;
	by->held[by->count].lock = lock;
	by->held[by->count++].site = site;
	return true;
}

static void let_go(struct check_held *by, const struct check_lock *lock)
{
	unsigned at = by ? by->count : 0;

	while (at && by->held[at - 1].lock != lock)
		at--;
	if (!at)
		return;
	for (; at < by->count; at++)
		by->held[at - 1] = by->held[at];
	by->count--;
}

void check_lock_taken(struct check_lock *lock, const char *site)
{
	uint64_t flags = check_irq_save(); /* a handler's locks lie above ours, or not at all */
	bool fits = hold(checks_this_cpu(), lock, site);

	check_irq_restore(flags);
	if (!fits)
		check_failed("more than %u spinlocks held, at %s", CHECK_HELD_MAX, site);
}

/* In a handler it holds nobody up who was interrupted; elsewhere a handler may wait for it. */
void check_lock_tried(struct check_lock *lock, const char *site)
{
	unsigned class = checks_this_cpu() ? named_class(lock, site) : 0;

	if (class && !check_in_irq())
		check_context(class, site);
	check_lock_taken(lock, site);
}

void check_lock_give(struct check_lock *lock)
{
	uint64_t flags = check_irq_save();

	let_go(checks_this_cpu(), lock);
	check_irq_restore(flags);
}

void check_mutex_taken(struct check_lock *lock, const char *site)
{
	if (!hold(checks_this_thread(), lock, site))
		check_failed("more than %u mutexes held, at %s", CHECK_HELD_MAX, site);
}

void check_mutex_give(struct check_lock *lock)
{
	let_go(checks_this_thread(), lock);
}

void check_wait_at(const char *what, const char *site)
{
	const struct check_held *cpu = checks_this_cpu();

	if (!cpu || check_starting())
		return;
	atomic_fetch_add_explicit(&waits, 1, memory_order_relaxed);
	if (check_in_irq())
		check_failed("%s at %s, in an interrupt handler", what, site);
	else if (cpu->count)
		check_failed("%s at %s, with '%s' held since %s", what, site,
			     cpu->held[cpu->count - 1].lock->name
				     ? cpu->held[cpu->count - 1].lock->name
				     : "?",
			     cpu->held[cpu->count - 1].site);
	else if (!check_irqs_on())
		check_failed("%s at %s, with interrupts off", what, site);
	else if (check_window_open())
		check_failed("%s at %s, with the guest's window open", what, site);
}

#endif

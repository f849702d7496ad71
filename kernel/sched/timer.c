/*
 * Timers: one queue per CPU, a skew heap by deadline (insertion and removal take amortised
 * O(log n)), whose earliest is programmed into the CPU's local APIC timer.
 */
#include "kernel/sched/timer.h"

#include <errno.h>

#include "kernel/cpu/apic.h"
#include "kernel/cpu/clock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/traps.h"
#include "kernel/lib/lock.h"
#include "kernel/mem/heap.h"

/* 73 years from boot. Later deadlines, which guests can ask for, would overflow in ticks, and a
 * timer that fires at once each time it is armed would leave the CPU no time for else. */
#define NEVER_NS BIT(61)

/* What the APIC timer is set to, once it has fired: on QEMU's TCG it goes on (apic.c). */
#define FIRED_NS UINT64_MAX

/* Guarded by `lock`, but for `running`, which cancellers read without it. */
struct timer_cpu {
	struct spinlock lock;
	struct timer *root;	       /* earliest deadline */
	struct timer *_Atomic running; /* its fn is being called, by this CPU */
	uint64_t programmed_ns;	       /* what the APIC timer is set to, 0: nothing */
};

/* Joins two heaps. Each node passed swaps its children, which keeps the right paths short. */
static struct timer *merge(struct timer *a, struct timer *b)
{
	struct timer *root = NULL, *parent = NULL, **link = &root;

	while (a && b) {
		if (b->deadline_ns < a->deadline_ns) {
			struct timer *swap = a;

			a = b;
			b = swap;
		}
		struct timer *rest = a->right;

		*link = a;
		a->parent = parent;
		a->right = a->left;
		parent = a;
		link = &a->left;
		a = rest;
	}
	*link = a ? a : b;
	if (*link)
		(*link)->parent = parent;
	return root;
}

static void insert(struct timer_cpu *q, struct timer *timer)
{
	timer->left = timer->right = timer->parent = NULL;
	timer->armed = true;
	q->root = merge(q->root, timer);
}

static void remove(struct timer_cpu *q, struct timer *timer)
{
	struct timer *rest = merge(timer->left, timer->right), *parent = timer->parent;

	if (rest)
		rest->parent = parent;
	if (!parent)
		q->root = rest;
	else if (parent->left == timer)
		parent->left = rest;
	else
		parent->right = rest;
	timer->armed = false;
}

/* Sets this CPU's APIC timer to the earliest deadline, if it isn't. */
static void program(struct timer_cpu *q)
{
	uint64_t deadline_ns = 0;

	if (q->root && q->root->deadline_ns < NEVER_NS)
		deadline_ns = MAX(q->root->deadline_ns, 1ull);

	if (deadline_ns != q->programmed_ns)
		apic_timer_arm(deadline_ns);
	q->programmed_ns = deadline_ns;
}

void timer_init(struct timer *timer, void (*fn)(struct timer *))
{
	*timer = (struct timer){.fn = fn};
}

/* Takes the timer out of the queue it is in. Interrupts are off. */
static void disarm(struct timer_cpu *q, struct timer *timer)
{
	spin_lock(&q->lock);
	if (timer->armed)
		remove(q, timer);
	if (q == cpu_this()->timer)
		program(q); /* another CPU's stays: it finds nothing due, and sets it anew */
	spin_unlock(&q->lock);
}

/* The queue to arm the timer in: this CPU's. But while another CPU calls its fn it stays there,
 * so that who cancels it knows for which CPU to wait; that CPU looks at its queue once fn has
 * returned, and needs no interrupt. Returns with the queue locked and the timer out of it. */
static struct timer_cpu *lock_queue(struct timer *timer)
{
	struct timer_cpu *here = cpu_this()->timer, *old = timer->owner;

	if (old && old != here) {
		spin_lock(&old->lock);
		if (timer->armed)
			remove(old, timer);
		if (old->running == timer)
			return old;
		spin_unlock(&old->lock);
	}
	spin_lock(&here->lock);
	if (timer->armed)
		remove(here, timer);
	return here;
}

void timer_arm(struct timer *timer, uint64_t deadline_ns)
{
	uint64_t flags = irq_save();
	struct timer_cpu *q = lock_queue(timer);

	timer->owner = q;
	timer->deadline_ns = deadline_ns;
	insert(q, timer);
	if (q == cpu_this()->timer)
		program(q);
	spin_unlock(&q->lock);
	irq_restore(flags);
}

/* After fn was waited for, look again: it may have armed the timer anew. */
void timer_cancel(struct timer *timer)
{
	struct timer_cpu *q;

	check_may_wait("a timer's function on another CPU");
	while ((q = timer->owner)) {
		uint64_t flags = irq_save();
		bool elsewhere;

		disarm(q, timer);
		elsewhere = q->running == timer && q != cpu_this()->timer;
		irq_restore(flags);
		if (!elsewhere)
			return;
		while (q->running == timer)
			cpu_relax();
	}
}

void timer_cancel_here(struct timer *timer)
{
	uint64_t flags = irq_save();

	if (timer->owner)
		disarm(timer->owner, timer);
	irq_restore(flags);
}

bool timer_armed(const struct timer *timer)
{
	return timer->armed;
}

/* Calls what is due. The timer is not touched after its fn, which may have freed it. */
static void timer_interrupt(unsigned vector, void *arg)
{
	struct timer_cpu *q = cpu_this()->timer;
	struct timer *timer;

	(void)vector;
	(void)arg;
	spin_lock(&q->lock);
	q->programmed_ns = FIRED_NS;
	while ((timer = q->root) && timer->deadline_ns <= clock_now_ns()) {
		remove(q, timer);
		q->running = timer;
		spin_unlock(&q->lock);
		timer->fn(timer);
		spin_lock(&q->lock);
		q->running = NULL;
	}
	program(q);
	spin_unlock(&q->lock);
}

int timer_init_this_cpu(void)
{
	struct cpu *cpu = cpu_this();

	if (cpu->timer)
		return 0;
	cpu->timer = heap_zalloc(sizeof(*cpu->timer), NULL);
	if (!cpu->timer)
		return -ENOMEM;
	spin_lock_init(&cpu->timer->lock, "timers");
	trap_register(VECTOR_TIMER, timer_interrupt, NULL);
	return 0;
}

/* The ring of events, and who waits for the next. See event.h. */
#include "guests/events/event.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/cpu/clock.h"
#include "kernel/lib/lock.h"

/* `lock` guards all of this. An event's text is made before it is taken; under it the watchers'
 * wake-ups are called, so it comes before the scheduler's locks and after all others. */
static struct spinlock lock = SPINLOCK("events");
static struct event ring[EVENT_RING]; /* number n is at n % EVENT_RING */
static uint64_t last;		      /* number that was given last; 0: none was */
static struct list watches = {&watches, &watches};

const char *event_kind_name(uint32_t kind)
{
	static const char *const names[EVENT_KINDS] = {
		[EVENT_GUEST_ADDED] = "guest-added",
		[EVENT_GUEST_CHANGED] = "guest-changed",
		[EVENT_GUEST_REMOVED] = "guest-removed",
		[EVENT_GUEST_STARTING] = "guest-starting",
		[EVENT_GUEST_STARTED] = "guest-started",
		[EVENT_GUEST_STOPPING] = "guest-stopping",
		[EVENT_GUEST_STOPPED] = "guest-stopped",
		[EVENT_GUEST_FAILED] = "guest-failed",
		[EVENT_GUEST_WAITING] = "guest-waiting",
		[EVENT_GUEST_TROUBLE] = "guest-trouble",
		[EVENT_GUEST_MEMORY] = "guest-memory",
		[EVENT_NETWORK_ADDED] = "network-added",
		[EVENT_NETWORK_REMOVED] = "network-removed",
		[EVENT_DISK_GONE] = "disk-gone",
		[EVENT_VOLUME_CREATED] = "volume-created",
		[EVENT_VOLUME_RESIZED] = "volume-resized",
		[EVENT_VOLUME_REMOVED] = "volume-removed",
		[EVENT_VOLUME_WRITTEN] = "volume-written",
		[EVENT_JOB_STARTED] = "job-started",
		[EVENT_JOB_ENDED] = "job-ended",
		[EVENT_MACHINE_GOING_DOWN] = "machine-going-down",
	};

	return kind < EVENT_KINDS ? names[kind] : "unknown";
}

static void make_printable(char *text)
{
	for (char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

uint64_t event_post(enum event_kind kind, const char *subject, const char *fmt, ...)
{
	struct event event = {.kind = kind};
	uint64_t flags;
	va_list args;

	va_start(args, fmt);
	vsnprintf(event.text, sizeof event.text, fmt, args);
	va_end(args);
	snprintf(event.subject, sizeof event.subject, "%s", subject);
	make_printable(event.text);
	make_printable(event.subject);

	flags = spin_lock_irqsave(&lock);
	event.time_ns = clock_now_ns(); /* so that the stream's times are in its order */
	event.wall_ns = clock_wall_ns();
	event.number = ++last;
	ring[event.number % EVENT_RING] = event;
	list_for_each(watch, &watches, struct event_watch, link) watch->wake(watch->arg);
	spin_unlock_irqrestore(&lock, flags);
	return event.number;
}

/* Caller holds the lock. */
static uint64_t oldest(void)
{
	return last < EVENT_RING ? 1 : last - EVENT_RING + 1;
}

struct event_range event_range(void)
{
	uint64_t flags = spin_lock_irqsave(&lock);
	struct event_range range = {oldest(), last + 1};

	spin_unlock_irqrestore(&lock, flags);
	return range;
}

unsigned event_read(uint64_t from, struct event *events, unsigned max)
{
	unsigned count = 0;

	/* One at a time: who posts does not wait for a long copy. */
	for (; count < max; count++, from++) {
		uint64_t flags = spin_lock_irqsave(&lock);
		bool any;

		from = MAX(from, oldest());
		any = from <= last;
		if (any)
			events[count] = ring[from % EVENT_RING];
		spin_unlock_irqrestore(&lock, flags);
		if (!any)
			break;
	}
	return count;
}

void event_watch(struct event_watch *watch)
{
	uint64_t flags = spin_lock_irqsave(&lock);

	list_push_back(&watches, &watch->link);
	spin_unlock_irqrestore(&lock, flags);
}

void event_unwatch(struct event_watch *watch)
{
	uint64_t flags = spin_lock_irqsave(&lock);

	list_remove(&watch->link);
	spin_unlock_irqrestore(&lock, flags);
}

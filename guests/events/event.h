/*
 * What happened, as one numbered stream with replay from a number: for whoever follows the
 * machine (the console, later the API and the cluster). Not the log: that is for people and
 * says more; an event is about one thing, has a kind, and is never a message of ours to
 * ourselves. The stream lives in memory and begins anew with the machine.
 */
#ifndef GUESTS_EVENTS_EVENT_H
#define GUESTS_EVENTS_EVENT_H

#include "kernel/lib/list.h"
#include "kernel/lib/types.h"

#define EVENT_SUBJECT_BYTES 64
#define EVENT_TEXT_BYTES    384 /* a guest's reason, and a bit */
#define EVENT_RING	    512 /* so many can be replayed */

enum event_kind {
	EVENT_GUEST_ADDED,
	EVENT_GUEST_CHANGED, /* its document */
	EVENT_GUEST_REMOVED,
	EVENT_GUEST_STARTING,
	EVENT_GUEST_STARTED,
	EVENT_GUEST_STOPPING,
	EVENT_GUEST_STOPPED, /* the text says why */
	EVENT_GUEST_FAILED,  /* crashed, or not started: the text says why */
	EVENT_GUEST_WAITING, /* not started, as this machine lacks something: the text says what
			      */
	EVENT_GUEST_TROUBLE, /* it runs, and is not well */
	EVENT_GUEST_MEMORY,  /* asked to make do with another amount */
	EVENT_NETWORK_ADDED,
	EVENT_NETWORK_REMOVED,
	EVENT_DISK_GONE,
	EVENT_VOLUME_CREATED,
	EVENT_VOLUME_RESIZED,
	EVENT_VOLUME_REMOVED,
	EVENT_VOLUME_WRITTEN, /* an image, over all that it held */
	EVENT_JOB_STARTED,    /* subject: its number */
	EVENT_JOB_ENDED,
	EVENT_MACHINE_GOING_DOWN,
	EVENT_KINDS
};

struct event {
	uint64_t number;  /* from 1, without a gap */
	uint64_t time_ns; /* clock_now_ns() */
	uint64_t wall_ns; /* since 1970 UTC, as clock_wall_ns() */
	uint32_t kind;	  /* enum event_kind */
	uint32_t reserved;
	char subject[EVENT_SUBJECT_BYTES]; /* name of the guest, disk, ... that it is about */
	char text[EVENT_TEXT_BYTES];	   /* a sentence; printable ASCII */
};

/* "guest-started": for machines, and never changed. "unknown" for what is no kind. */
const char *event_kind_name(uint32_t kind);

/*
 * Adds an event and returns its number. What is longer than its field is cut; what is not
 * printable comes out as '?', as guests' data may be among the arguments. Any context, under
 * any spinlock but the scheduler's and the log's; never sleeps, never fails: the oldest event
 * makes room.
 */
uint64_t event_post(enum event_kind kind, const char *subject, const char *fmt, ...)
	printf_like(3, 4);

/* What there is to read: numbers from `oldest` up to, but not including, `next`. */
struct event_range {
	uint64_t oldest, next;
};
struct event_range event_range(void);

/*
 * Copies events from number `from` on, the oldest first, `max` at most; returns how many. Where
 * events of these numbers were dropped it goes on with the oldest that there is, and the first
 * one's number is larger than `from`: so many are lost. A number that is still to come gives
 * none. Any context.
 */
unsigned event_read(uint64_t from, struct event *events, unsigned max);

/*
 * Who waits for the next one. `wake` comes after each event, in the context of whoever posted
 * it and under the stream's spinlock: it may wake a thread, and post or read nothing. After
 * event_unwatch() it comes no more. Any context.
 */
struct event_watch {
	void (*wake)(void *arg);
	void *arg;
	struct list link; /* under the stream's lock */
};
void event_watch(struct event_watch *watch);
void event_unwatch(struct event_watch *watch);

#endif

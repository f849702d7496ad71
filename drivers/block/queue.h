/*
 * What drivers of disk controllers have in common: requests that wait while the hardware is
 * full, deadlines, sending again, recovery, and a log that stays short. Not the hardware, and
 * not what a request is: that is kernel/io/blkdev.h.
 *
 * How a driver uses it. A controller (of AHCI, a port) is a `struct block_host`, each place
 * where hardware takes commands a `struct block_queue` with as many tags as that takes at once.
 * The driver fills struct block_host_ops; its blkdev's submit and commit are one line each,
 *
 *	block_queue_submit(q, request);		block_queue_commit(q);
 *
 * and so is its interrupt handler: `return block_queue_interrupt(q);`. Locks, lists and
 * deadlines are here; a driver writes a command when start() says so, looks for finished ones
 * when reap() says so, and brings the hardware back when reset() says so.
 */
#ifndef DRIVERS_BLOCK_QUEUE_H
#define DRIVERS_BLOCK_QUEUE_H

#include "kernel/io/blkdev.h"
#include "kernel/lib/lock.h"
#include "kernel/sched/timer.h"

#define BLOCK_ATTEMPTS_MAX 3 /* times that a request is sent, before it fails */
#define BLOCK_RESETS_MAX   3 /* in a row, nothing done between: one more, and it is given up */

struct thread;
struct block_host;
struct block_queue;

struct block_host_ops {
	/*
	 * Gives the request to the hardware as number request->tag. 0; -EBUSY: not now, but
	 * when one that is under way has finished; another error fails the request. With
	 * q->lock held.
	 */
	int (*start)(struct block_queue *q, struct blk_request *request);
	/* Tells the hardware of what start() prepared. With q->lock held. NULL: start does. */
	void (*ring)(struct block_queue *q);
	/* Calls block_queue_done() or block_queue_failed() for each request that the hardware
	 * has finished. Whether it had anything to say, a fault included. With q->lock held. */
	bool (*reap)(struct block_queue *q);
	/* Looks whether the hardware is there and well, once a second while something is under
	 * way, and no recovery: NULL, or why it needs a reset. NULL function: can't tell. Any
	 * context. */
	const char *(*check)(struct block_host *h);
	/* Asks the hardware to give up one request, which then finishes soon, by reap().
	 * Whether it took that. NULL: it can't be asked. */
	bool (*abort)(struct block_queue *q, uint32_t tag);
	/*
	 * Brings the hardware back to where it takes commands. When it returns, or after a
	 * failure lost(), no request is under way and no memory is written any more. It may
	 * call block_queue_failed() (with q->lock held) for a request that is known to be the
	 * cause; the others are sent again. 0; 1 where a failed command had to be cleared away,
	 * and the hardware is well; a negative errno: the host is lost.
	 */
	int (*reset)(struct block_host *h);
	/* Marks its blkdevs as gone. No memory is written from then on. */
	void (*lost)(struct block_host *h);
	/* Power goes off: makes what was written safe. Nothing is under way. NULL: nothing to
	 * do. Like abort, reset and lost on a thread, which may sleep, with no lock held. */
	void (*shutdown)(struct block_host *h);
};

/* A controller. Fixed once set up, save the last fields. */
struct block_host {
	const struct block_host_ops *ops;
	char name[BLKDEV_NAME_MAX];    /* in the log: "nvme0" */
	struct blk_counters *counters; /* resets, interrupts, doorbells: its first blkdev's */
	uint64_t timeout_ns;	       /* of one request */
	struct thread *thread;	       /* recovery */
	struct list queues;
	struct list link; /* of all hosts */

	_Atomic bool overdue;	   /* a deadline has passed: for the thread */
	const char *_Atomic fault; /* why the thread shall reset; NULL: it need not */
	_Atomic bool lost;
	_Atomic unsigned resets;	 /* in a row */
	_Atomic uint64_t quiet_until_ns; /* no line in the log before */
	_Atomic uint32_t unlogged;	 /* lines that were not written since the last */
};

/* Guarded by `lock`, which handlers take: interrupts off. */
struct block_queue {
	struct block_host *host;
	struct spinlock lock;
	struct list waiting;	     /* not with the hardware */
	struct list finished;	     /* done() is called when the lock is given up */
	struct blk_request **active; /* with the hardware, by tag; NULL: free */
	bool *aborted;		     /* by tag */
	uint32_t *free;		     /* tags, as a stack */
	uint32_t depth, free_count;
	bool stopped;	     /* nothing is started: recovery, or the end */
	_Atomic bool unrung; /* start() was called and ring() not yet */
	bool ticking;	     /* `timer` is armed */
	struct timer timer;
	struct list link; /* of the host's queues */
};

/* Thread context, all three. `h` is zeroed, with ops, name, counters and timeout_ns set. 0 or
 * -ENOMEM. There is no taking back: a host that probe() gives up afterwards is lost. */
int block_host_init(struct block_host *h);
int block_queue_init(struct block_queue *q, struct block_host *h, uint32_t depth);
/* Stops every disk's hardware in good order, for power-off and reset of the machine. */
void block_hosts_shutdown(void);

/* For blkdev_ops. Thread context. */
void block_queue_submit(struct block_queue *q, struct blk_request *request);
void block_queue_commit(struct block_queue *q);

/* Reaps, starts what waited, and finishes requests. Whether the hardware had anything to say.
 * Any context, q->lock not held. */
bool block_queue_interrupt(struct block_queue *q);

/* For reap(), start() and reset(), with q->lock held. A tag that is not in use is the
 * hardware's mistake: false, and nothing happens. */
bool block_queue_done(struct block_queue *q, uint32_t tag);
/* `error` as of blk_request.done; `words` say what the hardware said. With `again`, it is sent
 * again unless that was its last attempt. Logged, in turn. */
bool block_queue_failed(struct block_queue *q, uint32_t tag, int error, bool again,
			const char *words);

/* The driver wants to start() it once more, next, for a second step of it, which
 * request->private tells: that is NULL when the request is submitted. */
void block_queue_again(struct block_queue *q, uint32_t tag);

/* Finishes those that wait and that `which` picks. */
void block_queue_waiting_done(struct block_queue *q,
			      bool (*which)(const struct blk_request *request));

/* Has the thread reset the host, soon. `why`: constant, "its fatal error bit is set". Any
 * context. */
void block_host_fault(struct block_host *h, const char *why);
/* A line about trouble with `who` (the host's name, or a blkdev's), at most one a minute for
 * each host; it says how many were left out. Any context. */
void block_host_log(struct block_host *h, const char *who, const char *fmt, ...)
	printf_like(3, 4);

/* Between queue.c and host.c. */
void block_queue_stop(struct block_queue *q);
/* Takes all that the hardware had, which has forgotten it, to send it again, or to fail it, and
 * what waits too, with `error`; and goes on. Returns how many the hardware had. */
unsigned block_queue_restart(struct block_queue *q, int error);
/* The tag of a request whose deadline has passed, or -1; *aborted: whether its abort was
 * tried, which it counts as from now on, with a deadline of its own. */
int block_queue_overdue(struct block_queue *q, bool *aborted);
bool block_queue_idle(struct block_queue *q);

#endif

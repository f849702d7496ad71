/*
 * Requests to a volume that lies in several runs, on one device or several: extents, segments,
 * stripes. What lies in one run is passed on as it is; what crosses runs is cut into parts, of
 * which each volume has a fixed number; who finds none left waits, and a thread goes on once
 * parts come back. Where the runs are is the volume's knowledge, not this one's.
 *
 * How a volume uses it: it has a `struct split` beside its `struct blkdev`, fills what split.h
 * says, calls split_init(), then split_limits(), and its blkdev_ops are one line each:
 *
 *	static void lv_submit(struct blkdev *dev, struct blk_request *request)
 *	{
 *		split_submit(&container_of(dev, struct lv, dev)->split, request);
 *	}
 */
#ifndef DRIVERS_VOLUME_SPLIT_H
#define DRIVERS_VOLUME_SPLIT_H

#include "kernel/io/blkdev.h"
#include "kernel/lib/lock.h"

#define SPLIT_PARTS    32
#define SPLIT_JOBS     16
#define SPLIT_SEGMENTS 64 /* of a part; of more, only what does not fit otherwise */

struct mem_account;
struct split_job;
struct split_part;

/* Bytes that lie one behind the other on a device. */
struct split_run {
	struct blkdev *dev;
	uint64_t offset, bytes;
};

struct split {
	/* The volume's to fill, fixed from split_init() on. */
	struct blkdev *volume;
	/* The run that begins with byte `offset` of the volume (which is inside it, and a
	 * multiple of its block_bytes, as is the run's length). In a stripe: to its end. Any
	 * context, with a spinlock held and interrupts off: neither sleeps nor reads. */
	struct split_run (*find)(struct blkdev *volume, uint64_t offset);
	struct blkdev *const *members; /* each device that runs lie on, once */
	unsigned member_count;

	/* split.c's; `lock` guards it. */
	struct spinlock lock;
	struct list waiting;	   /* requests, by `link`, not begun */
	struct split_job *current; /* being cut; NULL: none */
	struct list free_parts, free_jobs;
	bool starved; /* somebody waits for a part or a job */
	struct split_part *parts;
	struct split_job *jobs;
	struct list work; /* in the thread's list; guarded by its lock */
};

/* Starts the thread too, where this is the first volume. 0 or -ENOMEM. Thread context. */
int split_init(struct split *split, struct mem_account *account);
/* No request may be under way. May sleep. After a failed split_init() it is harmless. */
void split_fini(struct split *split);

/* Sets the volume's block sizes, limits and properties (all but its names and size) to what its
 * members have in common. -EINVAL where they can't be one device: the volume's size, or a
 * member's limits, are not multiples of the common block size. */
int split_limits(struct split *split);

/* For the volume's blkdev_ops. */
void split_submit(struct split *split, struct blk_request *request);
void split_commit(struct split *split);
/* Each run by itself: a striped volume rather names one run for each device. */
int split_pieces(struct split *split, uint64_t offset, uint64_t bytes,
		 int (*visit)(void *arg, struct blkdev *part, uint64_t offset, uint64_t bytes),
		 void *arg);

#endif

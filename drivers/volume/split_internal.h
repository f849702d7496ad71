/* What split.c, split_cut.c and split_worker.c know of each other. */
#ifndef DRIVERS_VOLUME_SPLIT_INTERNAL_H
#define DRIVERS_VOLUME_SPLIT_INTERNAL_H

#include "drivers/volume/split.h"

/* A request that is cut, and what of it is under way. Guarded by split.lock. */
struct split_job {
	struct list link; /* while free */
	struct blk_request *request;
	uint64_t next;	  /* the byte of the request, or the member of a flush, that is next */
	unsigned segment; /* where byte `next` is in its segments */
	uint32_t segment_offset;
	unsigned pending; /* parts under way, and one more while it is being cut */
	int error;	  /* the first that came */
};

/* From split_cut() to its `done`, a part is its request's. */
struct split_part {
	struct list link; /* while free */
	struct split *split;
	struct split_job *job;
	struct blkdev *dev;
	struct blk_request request;
	struct io_segment *long_segments; /* from the heap; else NULL */
	struct io_segment segments[SPLIT_SEGMENTS];
};

/* Makes `part` the job's next; false when there is no more to make of it, or when it failed
 * (job->error). Under the lock; all but part->link and `done` is filled. */
bool split_cut(struct split *split, struct split_job *job, struct split_part *part);

/* Sends what waits while there are parts. Thread context, no lock held. */
void split_pump(struct split *split);

/* The one thread that goes on when parts came back. wake: any context, split.lock held.
 * forget: returns once the thread has nothing to do with it any more; may sleep. */
int split_worker_start(void);
void split_worker_wake(struct split *split);
void split_worker_forget(struct split *split);

#endif

/*
 * The block device's own structures, shared by blk.c (the device), blk_request.c (what the
 * guest asks for) and blk_part.c (what the disk is asked for).
 */
#ifndef GUESTS_DEVICES_VIRTIO_BLK_INTERNAL_H
#define GUESTS_DEVICES_VIRTIO_BLK_INTERNAL_H

#include "guests/devices/virtio/blk.h"
#include "guests/devices/virtio/virtio.h"
#include "kernel/io/blkdev.h"
#include "kernel/io/virtio_blk.h"
#include "kernel/lib/bucket.h"
#include "kernel/sched/timer.h"

#define BLK_QUEUE_SIZE	  256
#define BLK_SEG_MAX	  (VIRTQ_SEGMENTS_MAX - 2) /* of data: less header and status */
#define BLK_JOBS	  128			   /* requests of the guest under way */
#define BLK_PARTS	  128			   /* requests to the disk under way */
#define BLK_PART_SEGMENTS 32
#define BLK_RANGES_MAX	  16 /* of one discard or write-zeroes */
/* With so many parts under way the next end is near: kicks are spared until then. */
#define BLK_BUSY_PARTS 8

/* A request of the guest, from its chain to its status. */
struct blk_job {
	struct list link; /* of free ones */
	uint8_t queue, status;
	enum blk_op op;	  /* BLK_OPS: none of the disk's */
	bool handed_over; /* no more parts will be made of it */
	uint16_t id, descriptors;
	uint64_t status_gpa;
	uint32_t bytes;	  /* of data */
	uint32_t written; /* to guest memory, if it goes well */
	unsigned parts;	  /* under way */
};

/* A request to the disk: all of a job, or what fits. */
struct blk_part {
	struct blk_request io;
	struct list link; /* of free ones; from its end on, of `done` */
	struct virtio_blk *blk;
	struct blk_job *job;
	int error;
	struct io_segment segments[BLK_PART_SEGMENTS];
	uint64_t gpas[BLK_PART_SEGMENTS]; /* of each segment: pinned */
};

/* The chain that was taken last, while parts are made of it. */
struct blk_cut {
	struct blk_job *job; /* NULL: none */
	enum blk_op op;
	bool charged; /* against the limits */
	bool unmap;
	unsigned range, ranges; /* of a discard or write-zeroes: next, and how many */
	uint64_t offset, left;	/* bytes of the disk that remain of the data, or of the range */
	unsigned segment;	/* of the chain: where the data goes on, */
	uint32_t at;		/* ... and the byte in it */
	struct virtq_chain chain;
};

/*
 * All but `done` and the counters belongs to the device's thread. `done_lock`, taken with
 * interrupts off, guards `done`.
 */
struct virtio_blk {
	struct virtio virtio; /* first */
	struct gmem *gm;
	struct blkdev *dev;
	struct virtio_blk_config config;
	char serial[VIRTIO_BLK_ID_BYTES];
	bool read_only;
	bool write_back;	    /* what `writeback` is after a reset */
	_Atomic bool guests_choice; /* `writeback` now */

	struct blk_job *jobs;
	struct blk_part *parts;
	struct list free_jobs, free_parts;
	unsigned in_flight;		  /* parts */
	unsigned busy[CONFIG_QUEUES_MAX]; /* jobs of each queue */
	uint64_t stopping; /* queues whose guest's memory is left alone: a bit for each */
	struct blk_cut cut;
	unsigned next_queue; /* to be served first */
	uint64_t waiting;    /* queues that may have more: a bit for each */
	uint64_t pushed;     /* queues that a chain was given back to: a bit for each */

	struct bucket requests, bytes;
	struct timer limit;

	struct spinlock done_lock;
	struct list done;

	struct {
		_Atomic uint64_t requests[BLK_OPS], errors;
		_Atomic uint64_t bytes[BLK_WRITE + 1], throttled;
	} counters;
};

/* blk_request.c: takes up blk->cut.chain, which came from `queue`; a job is free. Either
 * blk->cut is ready for blk_hand_over(), or the job is finished already. -EINVAL: the driver
 * broke the rules; *why says how. */
int blk_begin(struct virtio_blk *blk, unsigned queue, const char **why);
/* The next range of a discard or write-zeroes into blk->cut. -EINVAL: not to be done, and the
 * job's status is set. */
int blk_next_range(struct virtio_blk *blk);
/* The end of a job: its status, and the chain given back. */
void blk_finish(struct virtio_blk *blk, struct blk_job *job);

/* blk_part.c: a part that is free, to begin with. */
void blk_init_part(struct virtio_blk *blk, struct blk_part *part);
/* Gives the disk as much of blk->cut as there are parts for and limits allow. False:
 * some is left, for another time. */
bool blk_hand_over(struct virtio_blk *blk);
/* The device stops: no more parts of blk->cut. */
void blk_abandon(struct virtio_blk *blk);
/* Takes back what the disk has done, and finishes the jobs that this ends. */
void blk_reap(struct virtio_blk *blk);

#endif

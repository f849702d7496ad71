/*
 * Requests whose memory the hardware can't reach as it lies: at odd addresses, with gaps inside
 * pages, too high. They go through buffers of ours, copied by a thread, a piece at a time.
 * Slow, and rare: guests' drivers hand over whole pages. One thread and a few buffers for all
 * disks.
 */
#ifndef DRIVERS_BLOCK_BOUNCE_H
#define DRIVERS_BLOCK_BOUNCE_H

#include "kernel/io/blkdev.h"

/* block_host_init() does it, once for all. Thread context. 0 or -ENOMEM. */
int block_bounce_init(void);

/* For the blkdev's submit, instead of passing on a read or write: it comes back to submit as
 * requests of one contiguous segment in the host pool, at the start of a page. */
void block_bounce(struct blk_request *request);

#endif

/*
 * A block device that is one piece of another: a partition. The same request goes on with its
 * offset moved; nothing is copied or allocated. What lies in several places is split.h's.
 */
#ifndef DRIVERS_VOLUME_PIECE_H
#define DRIVERS_VOLUME_PIECE_H

#include "kernel/io/blkdev.h"

/*
 * Makes a device of `bytes` at `start` of `below`, both multiples of its block_bytes and inside
 * it. Name, serial, location and model are the caller's to fill; all else is as `below` has it.
 * Its ops->close frees it, and leaves `below` as it is. Counters are of requests and bytes as
 * they are passed on; errors are counted below. 0, -EINVAL or -ENOMEM.
 */
int piece_create(struct blkdev *below, uint64_t start, uint64_t bytes, struct blkdev **dev);

/* Passes a request of a volume to `to`, in which what the volume has at request->offset lies at
 * `offset`, and counts it at the volume. For a volume's own ops->submit. */
void piece_forward(struct blkdev *volume, struct blk_request *request, struct blkdev *to,
		   uint64_t offset);

#endif

/*
 * What a volume is made of, down to the devices that are made of nothing else: a sorted list of
 * runs of bytes. For kernel/io/storage, which compares them. Not how data gets there.
 */
#ifndef KERNEL_IO_EXTENTS_H
#define KERNEL_IO_EXTENTS_H

#include "kernel/io/blkdev.h"

#define EXTENTS_MAX	  65536 /* runs of one volume */
#define EXTENTS_DEPTH_MAX 8	/* volumes upon volumes */

struct extent {
	struct blkdev *disk;
	uint64_t offset, bytes;
};

/* Sorted by disk and offset; neighbours are one. Zeroed: empty. */
struct extents {
	struct extent *at;
	unsigned count, capacity;
};

/* Adds what [offset, offset + bytes) of `dev` is made of. 0; -ENOMEM; -E2BIG beyond
 * EXTENTS_MAX; -ELOOP beyond EXTENTS_DEPTH_MAX. Uses the heap. */
int extents_add(struct extents *extents, struct blkdev *dev, uint64_t offset, uint64_t bytes);
void extents_free(struct extents *extents); /* empties it */

/* Whether the two share a byte; then *where is the first run of them. With n runs in the one
 * that has fewer and m in the other, n * log2(m) comparisons. */
bool extents_overlap(const struct extents *a, const struct extents *b, struct extent *where);

#endif

/*
 * The contents of one block device put onto another: an image that is to be a guest's disk. Who
 * may do that with which devices is the caller's matter.
 */
#ifndef KERNEL_IO_COPY_H
#define KERNEL_IO_COPY_H

#include "kernel/io/blkdev.h"

struct copy_progress {
	/* Between pieces; not 0 ends the copy with that. `done` of from->bytes. */
	int (*step)(void *arg, uint64_t done);
	void *arg;
	/* Out, after an error of a device: which one, and where. */
	struct blkdev *failed; /* NULL: it was none */
	uint64_t at;
	/* Out: bytes that were written, as they were not there already; and whether any write
	 * was tried, after whose error nobody knows what is there. */
	uint64_t written;
	bool touched;
};

/*
 * Copies all of `from` to the beginning of `to`, which is as large at least (-ENOSPC), and may
 * have larger blocks: the last is filled with zeroes. What is zero on both stays untouched. The
 * first piece is zeroed before anything else and comes last, after a flush: a copy that does
 * not come to its end holds no file system. 0, -ENOMEM, what `step` said, or what a request
 * says. Thread context; sleeps.
 */
int copy_image(struct blkdev *from, struct blkdev *to, struct copy_progress *progress);

/* Whether the first piece of a device, where partition tables and file systems begin, holds
 * anything but zeroes: 1, 0, or a negative errno. Thread context; sleeps. */
int copy_holds_data(struct blkdev *dev);

#endif

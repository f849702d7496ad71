/* Disks made of memory, for tests of volumes: they answer at once, or when the test says. */
#ifndef TESTS_UNIT_FAKE_BLKDEV_H
#define TESTS_UNIT_FAKE_BLKDEV_H

#include "kernel/io/blkdev.h"

struct fake_disk {
	struct blkdev dev;
	uint8_t *data;
	struct list held; /* requests that wait for fake_disk_answer() */
	bool holds;
	unsigned submits, commits, flushes;
	unsigned largest_segments; /* of any request */
	int fail;		   /* the error that all requests end with, if not 0 */
	unsigned answers, fail_at; /* so far; the one of this number is -EIO */
};

/* `bytes` of zeroes; free() of `data` is the caller's. */
void fake_disk_init(struct fake_disk *disk, const char *name, uint64_t bytes, uint32_t block);

/* Answers what is held, the newest first; returns how many there were. */
unsigned fake_disk_answer(struct fake_disk *disk);

/* One request from start to end over the segments given; returns its error. */
int fake_request(struct blkdev *dev, enum blk_op op, uint64_t offset, uint64_t bytes,
		 const struct io_segment *segments, unsigned count);

#endif

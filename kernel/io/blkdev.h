/*
 * What a block device promises, whoever provides it: a driver (NVMe, AHCI ...), a volume made
 * of other block devices (partition, logical volume), a RAM disk, later an NFS file. And the
 * list of the machine's disks. Not what a guest sees: that is guests/devices.
 */
#ifndef KERNEL_IO_BLKDEV_H
#define KERNEL_IO_BLKDEV_H

#include "kernel/lib/types.h" /* first: newlib's stdatomic.h wants stdint.h */

#include <stdatomic.h>

#include "kernel/lib/list.h"

struct aspace;
struct blkdev;

/* A piece of memory of a request. `phys` is what devices use. `virt` is the same bytes as the
 * CPU sees them while in the request's address space; of a guest they are user pages, so
 * between user_access_begin() and user_access_end(), and may change at any moment. */
struct io_segment {
	uint64_t phys;
	void *virt;
	uint32_t bytes; /* > 0; any alignment */
};

enum blk_op {
	BLK_READ,
	BLK_WRITE,
	BLK_FLUSH,	  /* offset and bytes are 0 */
	BLK_DISCARD,	  /* contents become undefined; no segments */
	BLK_WRITE_ZEROES, /* no segments */
	BLK_OPS
};

/*
 * One request. The submitter fills the first part and keeps it, its segments and their memory
 * in place until `done`. From blk_submit() to `done` the rest belongs to the provider, and a
 * volume may change `offset` on the way down.
 */
struct blk_request {
	enum blk_op op;
	bool fua;		/* BLK_WRITE, BLK_WRITE_ZEROES: done means on the medium */
	bool unmap;		/* BLK_WRITE_ZEROES: may be deallocated */
	uint64_t offset, bytes; /* multiples of the device's block_bytes */
	const struct io_segment *segments; /* BLK_READ, BLK_WRITE: `bytes` in all */
	unsigned segment_count;
	struct aspace *aspace; /* where `virt` is valid; NULL: everywhere (the host's memory) */
	/* 0, or -EIO, -ENODEV (the device is gone), -ETIMEDOUT, -EROFS, -EINVAL, -EOPNOTSUPP,
	 * -ENOMEM. Any context, interrupts off or on, perhaps before blk_submit() returned;
	 * must not sleep. The request may be used again from within it. */
	void (*done)(struct blk_request *request, int error);

	/* The provider's. */
	struct blkdev *dev;
	struct list link;
	uint64_t deadline_ns;
	uint32_t attempts;
	uint32_t tag;
	int error;
	void *private;
};

struct blkdev_ops {
	/* Takes the request, whatever the state of the device; never sleeps. It is checked: in
	 * range, aligned, allowed. Thread context, interrupts on. */
	void (*submit)(struct blkdev *dev, struct blk_request *request);
	/* The submitter has no more for now: ring doorbells. NULL where submit does. */
	void (*commit)(struct blkdev *dev);
	/* For volumes: names the pieces of other devices that [offset, offset + bytes) is made
	 * of, in any order, rather more than less (of stripes, one run for each device);
	 * `visit` returns non-zero to stop, which is returned. NULL: the device is made of
	 * nothing else. */
	int (*pieces)(struct blkdev *dev, uint64_t offset, uint64_t bytes,
		      int (*visit)(void *arg, struct blkdev *part, uint64_t offset,
				   uint64_t bytes),
		      void *arg);
	/* A volume that storage_open() made is closed: no request is under way. May sleep.
	 * NULL: the device stays for good. */
	void (*close)(struct blkdev *dev);
};

/* Since start; written by the provider with relaxed atomics, read by anyone. */
struct blk_counters {
	_Atomic uint64_t requests[BLK_OPS];
	_Atomic uint64_t bytes_read, bytes_written;
	_Atomic uint64_t bytes_copied; /* by the CPU, on the way */
	_Atomic uint64_t errors;       /* requests that failed in the end */
	_Atomic uint64_t retries, resets, timeouts;
	_Atomic uint64_t interrupts, doorbells;
};

#define BLKDEV_NAME_MAX	  32
#define BLKDEV_SERIAL_MAX 64

/* Fixed once registered or opened, save what says otherwise. */
struct blkdev {
	const struct blkdev_ops *ops;
	char name[BLKDEV_NAME_MAX];	/* for people: "nvme0", "vg0/web" */
	char serial[BLKDEV_SERIAL_MAX]; /* as the device says it, trimmed; "" if it says none */
	char location[BLKDEV_NAME_MAX]; /* of a disk: "pci:00:03.0", or "pci:00:1f.2/port1" */
	char model[BLKDEV_SERIAL_MAX];
	uint64_t bytes;
	uint32_t block_bytes; /* what offset and bytes are multiples of: 512 ... 4096, a power
				 of two */
	uint32_t physical_block_bytes; /* what is best written as one */
	uint32_t max_bytes;	       /* of a read or write; multiples of block_bytes */
	uint64_t max_discard_bytes;    /* 0: discards are refused with -EOPNOTSUPP */
	uint32_t discard_align_bytes;
	uint64_t max_zeroes_bytes; /* 0: no BLK_WRITE_ZEROES */
	bool read_only, rotational;
	bool write_cache;  /* volatile: a write is safe only after a flush */
	_Atomic bool gone; /* every request fails with -ENODEV from now on */
	struct blk_counters counters;
	struct list link; /* of registered disks */
};

/* Checks the request against the device and hands it over; a request that does not fit is done
 * with an error at once, and so is, with 0, a flush of a device that has no write cache. That
 * the segments add up to `bytes` is the submitter's promise. Thread context, interrupts on, no
 * spinlock held; never sleeps. */
void blk_submit(struct blkdev *dev, struct blk_request *request);
/* After the last of some submits: the device may wait for it before it starts. */
void blk_commit(struct blkdev *dev);

/* For providers: finishes a request and counts it. Any context. */
void blk_done(struct blk_request *request, int error);

/* Any size that is a multiple of the block's, in requests of max_bytes, asleep until done.
 * `buf` is the host's own memory (heap or frames), so not on a stack. 0, -EINVAL where it is
 * not, or what the request says. Thread context. */
int blk_read(struct blkdev *dev, uint64_t offset, void *buf, size_t bytes);
int blk_write(struct blkdev *dev, uint64_t offset, const void *buf, size_t bytes);
int blk_flush(struct blkdev *dev);

/* For providers that move data by the CPU: copies `bytes` from `at` within the request's
 * segments to or from `buf`, in the request's address space, and counts them as copied. Thread
 * context; switches the thread's address space meanwhile if it must. */
void blk_copy_from(struct blk_request *request, uint64_t at, void *buf, size_t bytes);
void blk_copy_to(struct blk_request *request, uint64_t at, const void *buf, size_t bytes);

/* Disks that drivers found, in the order they registered; they are never unregistered: one that
 * disappears is `gone`. Thread context. */
void blkdev_register(struct blkdev *dev);
struct blkdev *blkdev_at(unsigned index); /* NULL at the end */

/* For providers: every request fails with -ENODEV from now on. Who listens is told, once, of a
 * disk that is registered. Thread context, no lock of the disk's held. */
void blkdev_set_gone(struct blkdev *dev);
/* At start-up: who listens, for all disks. */
void blkdev_on_gone(void (*fn)(const struct blkdev *dev));

#endif

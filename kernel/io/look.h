/*
 * Reading disks that one looks through for something, whoever has them: partition tables, LVM2
 * metadata. One of them may not answer, and who looks is not to hang with it, as its own disks
 * may be well. For a disk that one needs itself blk_read() waits as long as its driver does.
 */
#ifndef KERNEL_IO_LOOK_H
#define KERNEL_IO_LOOK_H

#include "kernel/io/blkdev.h"

/* Longer than a disk at rest takes to spin up; a request that its driver sends again and again
 * may take three times as long. */
#define LOOK_LIMIT_NS (15 * NSEC_PER_SEC)

/*
 * As blk_read(), from a disk or a piece of one; any memory. -ETIMEDOUT when a read took longer
 * than LOOK_LIMIT_NS, and at once from then on until the disk has answered that one; -ENOMEM.
 * Thread context; may sleep.
 */
int look_read(struct blkdev *dev, uint64_t offset, void *buf, size_t bytes);

/* `told` is called when a disk has answered a read that was given up, and without an error:
 * from its interrupt. At start-up. */
void look_on_answer(void (*told)(void));

#endif

/* The disks and partitions of this machine that may be physical volumes. */
#ifndef DRIVERS_VOLUME_LVM_MEMBERS_H
#define DRIVERS_VOLUME_LVM_MEMBERS_H

#include "drivers/volume/lvm/disk.h"
#include "drivers/volume/partition.h"
#include "kernel/io/storage.h"

#define LVM_LEFT_OUT_BYTES 96

struct lvm_member {
	struct lvm_disk disk;
	struct blkdev *dev;
	struct blkdev *whole; /* the disk that `partition` is of; NULL: `dev` is one */
	struct partition partition;
};

struct lvm_members {
	struct lvm_member *at;
	struct lvm_disk **disks; /* the same, for lvm_scan() */
	unsigned count, capacity;
	char left_out[LVM_LEFT_OUT_BYTES]; /* names of PVs that guests have: ", nvme1, nvme2p3"
					    */
};

/*
 * All disks without a partition table, and all partitions of the others, but for those whose
 * beginning a guest has or, by the document, may write: what it writes there is not for us to
 * believe. A disk that can't be read is left out. 0 or -ENOMEM. Thread context; may sleep.
 */
int lvm_members_open(struct lvm_members *members);
void lvm_members_close(struct lvm_members *members);

/* Adds to a reason for which something was not found which disks were not looked at. */
void lvm_members_explain(const struct lvm_members *members, char why[STORAGE_WHY_BYTES]);

/* Opens the member's device once more: the caller closes it. 0 or -ENOMEM. */
int lvm_members_share(const struct lvm_disk *disk, struct blkdev **dev);

#endif

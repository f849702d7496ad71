/* The machine's disks and what LVM2's metadata there says, at one moment. */
#ifndef DRIVERS_VOLUME_LVM_PICTURE_H
#define DRIVERS_VOLUME_LVM_PICTURE_H

#include "drivers/volume/lvm/members.h"
#include "drivers/volume/lvm/scan.h"

struct lvm_picture {
	struct lvm_members members;
	struct lvm_scan scan;
};

/* 0 or -ENOMEM. Thread context; may sleep; under lvm_volume_lock(). */
int lvm_picture_take(struct lvm_picture *picture);
void lvm_picture_drop(struct lvm_picture *picture);

#endif

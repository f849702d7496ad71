/* A logical volume as a block device. */
#ifndef DRIVERS_VOLUME_LVM_VOLUME_H
#define DRIVERS_VOLUME_LVM_VOLUME_H

#include "drivers/volume/lvm/members.h"
#include "drivers/volume/lvm/scan.h"

/*
 * Opens a volume of a picture, which it does not need afterwards: it has what it lies on open
 * itself. ops->close undoes that. 0; -EINVAL with the rest of a sentence, where it can't be
 * served; -ENOMEM. One at a time: the caller has lvm_volume_lock.
 */
int lvm_volume_open(const struct lvm_vg *vg, const struct lvm_lv *lv, struct blkdev **dev,
		    char why[LVM_WHY_BYTES]);

/* The device of a volume that is open, or NULL. Under lvm_volume_lock. */
struct blkdev *lvm_volume_find(const struct lvm_vg *vg, const struct lvm_lv *lv);

/* Guards the list of open volumes, and lets only one at a time read or write metadata. Threads
 * that hold it may sleep. */
void lvm_volume_lock(void);
void lvm_volume_unlock(void);

/* What the disks say may be another thing now: a document's check that is under way looks anew.
 * Under lvm_volume_lock. */
void lvm_source_changed(void);

#endif

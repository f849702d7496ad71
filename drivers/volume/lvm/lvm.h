/*
 * LVM2: logical volumes of the disks' volume groups are made, resized and removed. Each call
 * reads the disks anew, so that it does not matter who changed them before. One at a time: the
 * caller has the lock.
 */
#ifndef DRIVERS_VOLUME_LVM_LVM_H
#define DRIVERS_VOLUME_LVM_LVM_H

#include "drivers/volume/lvm/change.h"
#include "drivers/volume/lvm/scan.h"

struct volume_watch;

/* What every change needs. */
struct lvm_job {
	struct lvm_disk *const *disks;
	unsigned disk_count;
	const struct lvm_author *author;
	/* Asked before anything is written: whether the group's metadata may be written now,
	 * and extents of `lv` (NULL: of none) taken away or added. 0, or a negative errno with
	 * the rest of a sentence. NULL: all may be. */
	int (*allow)(void *arg, const struct lvm_vg *vg, const struct lvm_lv *lv,
		     char why[LVM_WHY_BYTES]);
	void *arg;
	const struct volume_watch *watch; /* kernel/io/volume.h; NULL: nobody */
};

/*
 * `path` is "vg0/web". 0, with *bytes the size that the volume has now; -ENOENT, -EEXIST,
 * -EINVAL, -EBUSY, -ENOSPC, -EALREADY, -ENOMEM, -EIO, or what job->watch said, with the rest of
 * a sentence about the volume in `why`.
 *
 * A new volume's first and last MiB are zeroed, where file systems, partition tables and RAIDs
 * have their signatures: LVM2 zeroes 4 KiB and asks blkid for the rest.
 */
int lvm_create(const struct lvm_job *job, const char *path, const struct lvm_new *new,
	       uint64_t *bytes, char why[LVM_WHY_BYTES]);
/* A volume gets smaller, and what is behind its new end is lost, only if it `may_shrink`. */
int lvm_resize(const struct lvm_job *job, const char *path, uint64_t *bytes, bool may_shrink,
	       char why[LVM_WHY_BYTES]);
int lvm_remove(const struct lvm_job *job, const char *path, char why[LVM_WHY_BYTES]);

#endif

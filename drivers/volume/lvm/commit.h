/* Writes a group's next text to all metadata areas of all its physical volumes. */
#ifndef DRIVERS_VOLUME_LVM_COMMIT_H
#define DRIVERS_VOLUME_LVM_COMMIT_H

#include "drivers/volume/lvm/vg.h"

/*
 * In LVM2's order, so that at any moment the group is the old or the new one: the text, to
 * where no text is that counts; then, as "precommitted", where it is; then that it counts. Each
 * step is on all disks' media before the next. `vg` is as scan.c left it, with neither why nor
 * keep_why. 0; -ENOSPC, -EINVAL, -EIO and the like with the rest of a sentence, which says so
 * where the change counts in spite of the error.
 */
int lvm_commit(struct lvm_vg *vg, const char *text, size_t bytes, char why[LVM_WHY_BYTES]);

#endif

/* Volume groups for whoever manages them; main.c hands it to volume_init(). */
#ifndef DRIVERS_VOLUME_LVM_MANAGE_H
#define DRIVERS_VOLUME_LVM_MANAGE_H

#include "kernel/io/volume.h"

extern const struct volume_provider lvm_provider;

/* Whether a physical volume of LVM2's begins at `offset`: for storage_set_holds(). */
int lvm_holds(struct blkdev *dev, uint64_t offset, uint64_t bytes,
	      char what[STORAGE_WHY_BYTES]);

/* Logs the groups that there are, and what is wrong with them. `host_name` is what the metadata
 * will say of who made a volume: letters, digits, '-' and '.'. Once; thread context. */
void lvm_manage_start(const char *host_name);

#endif

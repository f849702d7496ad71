/*
 * Where a file lies on a FAT file system (FAT12, FAT16, FAT32 with long names), so that it can
 * be used in place as a disk. Read-only: nothing of the file system is ever changed. Source:
 * Microsoft's "FAT: General Overview of On-Disk Format", 1.03.
 */
#ifndef DRIVERS_VOLUME_FAT_H
#define DRIVERS_VOLUME_FAT_H

#include "kernel/io/storage.h"

#define FAT_EXTENTS_MAX 16384 /* of one file: a new one on a clean disk has a few */

/* Bytes of the file from `from` on lie at `offset` of the device. */
struct fat_extent {
	uint64_t from, offset, bytes;
};

struct fat_file {
	uint64_t bytes;
	struct fat_extent *extents; /* in order, without gaps */
	unsigned count;
};

/*
 * Finds the file at `path` ('/' between names, from the root; case counts for ASCII letters not
 * at all). 0; -ENOENT; -EINVAL: the file system, or what the path leads to, is not usable so;
 * -ENOMEM, or what the device says; with the rest of a sentence in `why`. May sleep.
 */
int fat_find(struct blkdev *dev, const char *path, struct fat_file *file,
	     char why[STORAGE_WHY_BYTES]);
void fat_free(struct fat_file *file);

#endif

/*
 * Image files as disks of the LVM code, with a volatile write cache and a power cut: what was
 * written since the last flush is on the file, or not, sector by sector.
 */
#ifndef TOOLS_LVM_IMAGE_H
#define TOOLS_LVM_IMAGE_H

#include "drivers/volume/lvm/disk.h"

/* When the power goes, and what of the caches is on the files then. */
struct image_cut {
	unsigned long at_write; /* with this one, counted from 1 over all images; 0: never */
	unsigned long lost;	/* 0: all; 1: nothing; else a seed for which sectors */
};

/* Opens the file; exits with a message if it can't. */
struct lvm_disk *image_open(const char *path, uint32_t block_bytes);

void image_set_cut(const struct image_cut *cut);

/* Writes all caches to their files. */
void image_sync(void);

unsigned long image_writes(void); /* so far */

#endif

/*
 * What the LVM code asks of a disk, and LVM2's checksum. In the kernel a disk is a blkdev
 * (members.c), on the build machine a file (tools/lvm) or an array (tests/unit).
 */
#ifndef DRIVERS_VOLUME_LVM_DISK_H
#define DRIVERS_VOLUME_LVM_DISK_H

#include "kernel/lib/crc32.h"

#define LVM_SECTOR_BYTES \
	512u /* the unit of sizes in metadata, whatever the disk's blocks are */
#define LVM_CRC_INITIAL 0xf597a6cfu

struct lvm_disk {
	const char *name; /* for people */
	uint64_t bytes;
	uint32_t block_bytes; /* a power of two, from 512 to 4096 */
	/* Whole blocks inside the disk. 0 or a negative errno. */
	int (*read)(struct lvm_disk *disk, uint64_t offset, void *buf, size_t bytes);
	int (*write)(struct lvm_disk *disk, uint64_t offset, const void *buf, size_t bytes);
	int (*flush)(struct lvm_disk *disk);
};

/* Any bytes of the disk: blocks at the ends are read, and for writing completed, whole. 0;
 * -EINVAL outside of the disk, -ENOMEM, or what the disk says. */
int lvm_disk_read(struct lvm_disk *disk, uint64_t offset, void *buf, size_t bytes);
int lvm_disk_write(struct lvm_disk *disk, uint64_t offset, const void *buf, size_t bytes);

/* LVM2's CRC-32: begun with this, not inverted at the end (lib/misc/crc.c in LVM2). */
static inline uint32_t lvm_crc(const void *buf, size_t bytes)
{
	return crc32_update(LVM_CRC_INITIAL, buf, bytes);
}

#endif

/*
 * Partition tables: what a disk says of how it is divided. Read anew each time, since whoever
 * has the whole disk may change them; hostile until checked. Which partition a source names is
 * part.c's business.
 */
#ifndef DRIVERS_VOLUME_PARTITION_H
#define DRIVERS_VOLUME_PARTITION_H

#include "kernel/io/blkdev.h"

#define PARTITIONS_MAX	      1024 /* of one disk */
#define PARTITION_UUID_BYTES  37   /* a GUID's text */
#define PARTITION_LABEL_BYTES 37   /* GPT: 36 characters */
#define PARTITION_FAULT_BYTES 384

struct partition {
	unsigned number; /* as Linux numbers them: the entry in a GPT; MBR: logical from 5 */
	uint64_t offset, bytes; /* inside the disk, multiples of its block_bytes */
	/* PARTUUID as Linux writes it: a GUID in small letters, or the MBR's signature and the
	 * number, "1a2b3c4d-01". */
	char uuid[PARTITION_UUID_BYTES];
	char label[PARTITION_LABEL_BYTES]; /* GPT; "" for none, or one that is not ASCII */
};

struct partition_table {
	const char *kind; /* "GPT", "MBR"; NULL: the disk has none */
	/* What is wrong with it, for the log: "" is nothing. */
	char fault[PARTITION_FAULT_BYTES];
	struct partition *at;
	unsigned count, capacity;
};

/* Reads the disk's table. 0, also where there is none; -ENOMEM, or what the disk says. On
 * failure it is empty. May sleep. */
int partitions_read(struct blkdev *disk, struct partition_table *table);
void partitions_free(struct partition_table *table);

/* A partition as a device: "nvme0p1". 0 or -ENOMEM; its ops->close frees it. */
int partition_open(struct blkdev *disk, const struct partition *partition, struct blkdev **dev);

/* ---- for gpt.c and mbr.c ------------------------------------------------------------------
 */

/* Adds one, unless it does not lie inside the disk. 0, -EINVAL then, -ENOMEM or -E2BIG. */
int partitions_add(struct partition_table *table, const struct blkdev *disk,
		   const struct partition *partition);

/* Adds to what is wrong; what does not fit ends in "...". */
void partitions_fault(struct partition_table *table, const char *fmt, ...) printf_like(2, 3);

/* Each takes the disk's first block; 0, -ENOENT: no such table there, or as above. The GPT
 * wants a protective MBR (UEFI 2.10, 5.2.3). */
int gpt_read(struct blkdev *disk, const uint8_t *block, struct partition_table *table);
int mbr_read(struct blkdev *disk, const uint8_t *block, struct partition_table *table);

/* The text of a GUID as it lies on disk (mixed endian: UEFI 2.10, appendix A). */
void guid_text(const uint8_t guid[16], char text[PARTITION_UUID_BYTES]);

#endif

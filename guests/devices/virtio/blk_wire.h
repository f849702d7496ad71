/*
 * What driver and block device share: virtio 1.2, 5.2. Little-endian. Layouts and numbers only.
 */
#ifndef GUESTS_DEVICES_VIRTIO_BLK_WIRE_H
#define GUESTS_DEVICES_VIRTIO_BLK_WIRE_H

#include "kernel/lib/types.h"

#define BLK_SECTOR_BYTES 512 /* the unit of offsets and sizes, whatever the block size */
#define BLK_ID_BYTES	 20

/* Feature bits: 5.2.3. */
#define VIRTIO_BLK_F_SEG_MAX	  2
#define VIRTIO_BLK_F_RO		  5
#define VIRTIO_BLK_F_BLK_SIZE	  6
#define VIRTIO_BLK_F_FLUSH	  9
#define VIRTIO_BLK_F_TOPOLOGY	  10
#define VIRTIO_BLK_F_CONFIG_WCE	  11
#define VIRTIO_BLK_F_MQ		  12
#define VIRTIO_BLK_F_DISCARD	  13
#define VIRTIO_BLK_F_WRITE_ZEROES 14

/* 5.2.4; the fields of features that we never offer are named for their place only. */
struct blk_config {
	uint64_t capacity; /* sectors */
	uint32_t size_max;
	uint32_t seg_max;
	uint32_t geometry;
	uint32_t blk_size;
	uint8_t physical_block_exp; /* a physical block is 2^this logical ones */
	uint8_t alignment_offset;
	uint16_t min_io_size; /* logical blocks */
	uint32_t opt_io_size;
	uint8_t writeback;
	uint8_t unused0;
	uint16_t num_queues;
	uint32_t max_discard_sectors;
	uint32_t max_discard_seg;
	uint32_t discard_sector_alignment;
	uint32_t max_write_zeroes_sectors;
	uint32_t max_write_zeroes_seg;
	uint8_t write_zeroes_may_unmap;
	uint8_t unused1[3];
};
_Static_assert(sizeof(struct blk_config) == 64, "virtio 1.2, 5.2.4, and padding");
_Static_assert(offsetof(struct blk_config, writeback) == 32, "virtio 1.2, 5.2.4");
_Static_assert(offsetof(struct blk_config, max_discard_sectors) == 36, "virtio 1.2, 5.2.4");
_Static_assert(offsetof(struct blk_config, write_zeroes_may_unmap) == 56, "virtio 1.2, 5.2.4");

enum blk_type { /* 5.2.6 */
		BLK_T_IN = 0,
		BLK_T_OUT = 1,
		BLK_T_FLUSH = 4,
		BLK_T_GET_ID = 8,
		BLK_T_DISCARD = 11,
		BLK_T_WRITE_ZEROES = 13,
};

struct blk_header {
	uint32_t type; /* enum blk_type */
	uint32_t reserved;
	uint64_t sector;
};
_Static_assert(sizeof(struct blk_header) == 16, "virtio 1.2, 5.2.6");

struct blk_range { /* of a discard or write-zeroes */
	uint64_t sector;
	uint32_t sectors;
	uint32_t flags;
};
_Static_assert(sizeof(struct blk_range) == 16, "virtio 1.2, 5.2.6");

#define BLK_RANGE_UNMAP 1u

enum blk_status { BLK_S_OK, BLK_S_IOERR, BLK_S_UNSUPP };

#endif

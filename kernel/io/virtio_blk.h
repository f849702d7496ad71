/* The block device of virtio 1.2, 5.2, as its driver and its device share it: feature bits,
 * configuration, requests. Little-endian. Layouts and numbers only. */
#ifndef KERNEL_IO_VIRTIO_BLK_H
#define KERNEL_IO_VIRTIO_BLK_H

#include "kernel/lib/types.h"

#define VIRTIO_BLK_SECTOR_BYTES \
	512u		       /* the unit of offsets and sizes, whatever the block size */
#define VIRTIO_BLK_ID_BYTES 20 /* 5.2.6.2 */

enum virtio_blk_feature { /* bit numbers: 5.2.3 */
			  VIRTIO_BLK_F_SIZE_MAX = 1,
			  VIRTIO_BLK_F_SEG_MAX = 2,
			  VIRTIO_BLK_F_RO = 5,
			  VIRTIO_BLK_F_BLK_SIZE = 6,
			  VIRTIO_BLK_F_FLUSH = 9,
			  VIRTIO_BLK_F_TOPOLOGY = 10,
			  VIRTIO_BLK_F_CONFIG_WCE = 11,
			  VIRTIO_BLK_F_MQ = 12,
			  VIRTIO_BLK_F_DISCARD = 13,
			  VIRTIO_BLK_F_WRITE_ZEROES = 14,
};

struct virtio_blk_config { /* 5.2.4; what stands where a feature is not agreed is unknown */
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
_Static_assert(sizeof(struct virtio_blk_config) == 64, "virtio 1.2, 5.2.4, and padding");
_Static_assert(offsetof(struct virtio_blk_config, writeback) == 32, "virtio 1.2, 5.2.4");
_Static_assert(offsetof(struct virtio_blk_config, max_discard_sectors) == 36,
	       "virtio 1.2, 5.2.4");
_Static_assert(offsetof(struct virtio_blk_config, write_zeroes_may_unmap) == 56,
	       "virtio 1.2, 5.2.4");

enum virtio_blk_type { /* 5.2.6 */
		       VIRTIO_BLK_T_IN = 0,
		       VIRTIO_BLK_T_OUT = 1,
		       VIRTIO_BLK_T_FLUSH = 4,
		       VIRTIO_BLK_T_GET_ID = 8,
		       VIRTIO_BLK_T_DISCARD = 11,
		       VIRTIO_BLK_T_WRITE_ZEROES = 13,
};

struct virtio_blk_header { /* before a request's data; a byte of status follows it: 5.2.6 */
	uint32_t type;	   /* enum virtio_blk_type */
	uint32_t reserved;
	uint64_t sector;
};
_Static_assert(sizeof(struct virtio_blk_header) == 16, "virtio 1.2, 5.2.6");

struct virtio_blk_range { /* of a discard or write-zeroes: 5.2.6 */
	uint64_t sector;
	uint32_t sectors;
	uint32_t flags;
};
_Static_assert(sizeof(struct virtio_blk_range) == 16, "virtio 1.2, 5.2.6");

#define VIRTIO_BLK_RANGE_UNMAP 1u

enum virtio_blk_status { VIRTIO_BLK_S_OK, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_UNSUPP };

#endif

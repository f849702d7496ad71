/* What ATA disks say of themselves and of errors, and the commands that we give them, whatever
 * controller is in between: ATA8-ACS, and ACS-3 for what is younger. Pure. */
#ifndef DRIVERS_BLOCK_ATA_H
#define DRIVERS_BLOCK_ATA_H

#include "kernel/io/blkdev.h"

enum ata_command { /* ATA8-ACS, 7 */
		   ATA_READ_DMA = 0xc8,
		   ATA_READ_DMA_EXT = 0x25,
		   ATA_WRITE_DMA = 0xca,
		   ATA_WRITE_DMA_EXT = 0x35,
		   ATA_DATA_SET_MANAGEMENT = 0x06,
		   ATA_READ_LOG_EXT = 0x2f,
		   ATA_WRITE_DMA_FUA_EXT = 0x3d,
		   ATA_READ_FPDMA_QUEUED = 0x60,
		   ATA_WRITE_FPDMA_QUEUED = 0x61,
		   ATA_STANDBY_IMMEDIATE = 0xe0,
		   ATA_FLUSH_CACHE = 0xe7,
		   ATA_FLUSH_CACHE_EXT = 0xea,
		   ATA_IDENTIFY_DEVICE = 0xec,
		   ATA_SET_FEATURES = 0xef,
};

/* The status register: ATA8-ACS, 6.1 ff. */
#define ATA_STATUS_ERR	 0x01
#define ATA_STATUS_DRQ	 0x08
#define ATA_STATUS_DF	 0x20
#define ATA_STATUS_READY 0x40
#define ATA_STATUS_BUSY	 0x80

#define ATA_DEVICE_LBA	 0x40 /* the device register: addresses are blocks' */
#define ATA_DEVICE_SLAVE 0x10

/* The error register, when ATA_STATUS_ERR is set: ATA8-ACS, 6.3. */
#define ATA_ERROR_CRC		0x80
#define ATA_ERROR_UNCORRECTABLE 0x40
#define ATA_ERROR_NOT_FOUND	0x10
#define ATA_ERROR_ABORTED	0x04

/* DATA SET MANAGEMENT: ACS-3, 7.5. */
#define ATA_FEATURE_TRIM	  1
#define ATA_TRIM_RANGES		  64 /* in one sector of them */
#define ATA_TRIM_RANGE_BLOCKS_MAX 65535
#define ATA_TRIM_BYTES		  512

#define ATA_FEATURE_TRANSFER_MODE 0x03 /* SET FEATURES: 7.48.6 */

#define ATA_WORDS		  256 /* of IDENTIFY DEVICE's answer */

/* Blocks that one command can move. */
#define ATA_BLOCKS_MAX	   256
#define ATA_BLOCKS_MAX_EXT 65536

struct ata_identity {
	char serial[21], model[41];
	uint64_t blocks;
	uint32_t block_bytes, physical_block_bytes;
	uint8_t dma_mode; /* as firmware chose it, for SET FEATURES; 0: it chose none */
	bool lba48, flush, flush_ext, rotational;
	bool trim;
	bool fua;	      /* WRITE DMA FUA EXT, and FUA of queued writes */
	bool ncq;	      /* READ and WRITE FPDMA QUEUED */
	unsigned queue_depth; /* 1 without NCQ */
};

/* 0, or -ENODEV where it is no disk that can be used: packets, no LBA or DMA, block sizes that
 * can't be.
 */
int ata_identify(const uint16_t words[ATA_WORDS], struct ata_identity *identity);

/* Fills `ranges` with `blocks` from `lba` on, and zeroes beyond. `blocks`: at most
 * ATA_TRIM_RANGES * ATA_TRIM_RANGE_BLOCKS_MAX. */
void ata_trim_ranges(uint64_t ranges[ATA_TRIM_RANGES], uint64_t lba, uint64_t blocks);

/* What a command's end with these registers means, in words; *again: trying again may help. */
const char *ata_error(uint8_t status, uint8_t error, bool *again);

/* Fills in what a block device says of itself, but names. */
void ata_describe(const struct ata_identity *identity, struct blkdev *dev);

#endif

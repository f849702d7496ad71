/* Disks with partition tables, written here as the specifications have them. */
#ifndef TESTS_UNIT_PARTITION_DISK_H
#define TESTS_UNIT_PARTITION_DISK_H

#include <string.h>

#include "kernel/lib/crc32.h"
#include "tests/unit/fake_blkdev.h"

#define ARRAY_ENTRIES 128
#define ARRAY_BYTES   (ARRAY_ENTRIES * 128u)

static inline void put16(uint8_t *at, unsigned value)
{
	memcpy(at, &(uint16_t){(uint16_t)value}, 2);
}

static inline void put32(uint8_t *at, uint32_t value)
{
	memcpy(at, &value, 4);
}

static inline void put64(uint8_t *at, uint64_t value)
{
	memcpy(at, &value, 8);
}

static inline uint64_t disk_blocks(const struct fake_disk *disk)
{
	return disk->dev.bytes / disk->dev.block_bytes;
}

static inline uint8_t *block_at(struct fake_disk *disk, uint64_t lba)
{
	return disk->data + lba * disk->dev.block_bytes;
}

/* Entry `n` (0 to 3) of the MBR, or of a block of the chain of logical partitions. */
static inline void mbr_entry(struct fake_disk *disk, uint64_t lba, unsigned n, uint8_t type,
			     uint32_t first, uint32_t count)
{
	uint8_t *block = block_at(disk, lba), *entry = block + 446 + 16 * n;

	entry[4] = type;
	put32(entry + 8, first);
	put32(entry + 12, count);
	block[510] = 0x55;
	block[511] = 0xaa;
}

/* A GPT's header at `lba`, for the array at `array_lba` as it is. */
static inline void gpt_header(struct fake_disk *disk, uint64_t lba, uint64_t other,
			      uint64_t array_lba)
{
	uint64_t array_blocks =
		ALIGN_UP(ARRAY_BYTES, disk->dev.block_bytes) / disk->dev.block_bytes;
	uint8_t *header = block_at(disk, lba);

	memset(header, 0, disk->dev.block_bytes);
	memcpy(header, "EFI PART", 8);
	put32(header + 8, 0x10000);
	put32(header + 12, 92);
	put64(header + 24, lba);
	put64(header + 32, other);
	put64(header + 40, 2 + array_blocks);
	put64(header + 48, disk_blocks(disk) - 2 - array_blocks);
	put64(header + 72, array_lba);
	put32(header + 80, ARRAY_ENTRIES);
	put32(header + 84, 128);
	put32(header + 88, crc32(block_at(disk, array_lba), ARRAY_BYTES));
	put32(header + 16, crc32(header, 92));
}

/* Entry `n` of the array at `array_lba`; its GUID consists of bytes `guid`. */
static inline void gpt_entry(struct fake_disk *disk, uint64_t array_lba, unsigned n,
			     uint64_t first, uint64_t last, uint8_t guid, const char *label)
{
	uint8_t *entry = block_at(disk, array_lba) + 128 * n;

	memset(entry, 0, 128);
	memset(entry, 0x11, 16);
	for (unsigned i = 0; i < 16; i++)
		entry[16 + i] = (uint8_t)(guid + i);
	put64(entry + 32, first);
	put64(entry + 40, last);
	for (unsigned i = 0; label[i]; i++)
		put16(entry + 56 + 2 * i, (uint8_t)label[i]);
}

/* Both headers, after both arrays are made what the first is. */
static inline void gpt_finish(struct fake_disk *disk)
{
	uint64_t blocks = disk_blocks(disk);
	uint64_t array_blocks =
		ALIGN_UP(ARRAY_BYTES, disk->dev.block_bytes) / disk->dev.block_bytes;

	memcpy(block_at(disk, blocks - 1 - array_blocks), block_at(disk, 2), ARRAY_BYTES);
	gpt_header(disk, 1, blocks - 1, 2);
	gpt_header(disk, blocks - 1, 1, blocks - 1 - array_blocks);
	mbr_entry(disk, 0, 0, 0xee, 1, (uint32_t)blocks - 1);
}

#endif

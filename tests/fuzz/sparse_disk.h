/*
 * A disk of zeroes but for what the fuzzer's input puts on it: records of a block's number
 * (four bytes), a count less one (one byte), and that many blocks of 512 bytes; the last may be
 * short.
 */
#ifndef TESTS_FUZZ_SPARSE_DISK_H
#define TESTS_FUZZ_SPARSE_DISK_H

#include <string.h>

#include "tests/unit/fake_blkdev.h"

#define SPARSE_BLOCKS	    (80 * 1024u) /* 40 MiB: the least FAT32 fits */
#define SPARSE_RECORD_BYTES 5

static struct fake_disk sparse_disk;

/* Copies (or, with `clear`, zeroes again) all records. */
static inline void sparse_apply(const uint8_t *data, size_t bytes, bool clear)
{
	while (bytes > SPARSE_RECORD_BYTES) {
		uint32_t block;
		size_t length = ((size_t)data[4] + 1) * 512;

		memcpy(&block, data, sizeof(block));
		block %= SPARSE_BLOCKS;
		data += SPARSE_RECORD_BYTES;
		bytes -= SPARSE_RECORD_BYTES;
		length = MIN(length, bytes);
		length = MIN(length, (size_t)(SPARSE_BLOCKS - block) * 512);
		if (clear)
			memset(sparse_disk.data + (size_t)block * 512, 0, length);
		else
			memcpy(sparse_disk.data + (size_t)block * 512, data, length);
		data += length;
		bytes -= length;
	}
}

static inline void sparse_fill(const uint8_t *data, size_t bytes)
{
	if (!sparse_disk.data)
		fake_disk_init(&sparse_disk, "disk", SPARSE_BLOCKS * 512ull, 512);
	sparse_apply(data, bytes, false);
}

#endif

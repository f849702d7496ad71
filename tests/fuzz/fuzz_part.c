/*
 * Partition tables made of anything: the parsers end, and every partition lies inside the disk.
 * Where the first byte says so, the checksums of both GPTs are made right first.
 */
/* links: drivers/volume/partition.c drivers/volume/gpt.c drivers/volume/mbr.c */
/* links: kernel/lib/crc32.c tests/unit/fake_blkdev.c */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "drivers/volume/partition.h"
#include "drivers/volume/piece.h"
#include "kernel/lib/crc32.h"
#include "tests/fuzz/sparse_disk.h"

#define ARRAY_BYTES_MAX (4 * MIB)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int piece_create(struct blkdev *below, uint64_t start, uint64_t bytes, struct blkdev **dev)
{
	(void)below;
	(void)start;
	(void)bytes;
	(void)dev;
	abort(); /* nothing is opened here */
}

static void mend(uint64_t lba)
{
	uint8_t *header = sparse_disk.data + lba * 512;
	uint32_t header_bytes, count, entry_bytes, crc;
	uint64_t array_lba, array_bytes;

	memcpy(&header_bytes, header + 12, 4);
	memcpy(&array_lba, header + 72, 8);
	memcpy(&count, header + 80, 4);
	memcpy(&entry_bytes, header + 84, 4);
	array_bytes = (uint64_t)count * entry_bytes;
	if (header_bytes < 92 || header_bytes > 512 || array_lba >= SPARSE_BLOCKS ||
	    array_bytes > ARRAY_BYTES_MAX || array_bytes > (SPARSE_BLOCKS - array_lba) * 512)
		return;
	crc = crc32(sparse_disk.data + array_lba * 512, array_bytes);
	memcpy(header + 88, &crc, 4);
	memset(header + 16, 0, 4);
	crc = crc32(header, header_bytes);
	memcpy(header + 16, &crc, 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct partition_table table;

	if (!bytes)
		return 0;
	sparse_fill(data + 1, bytes - 1);
	if (data[0] & 1) {
		mend(1);
		mend(SPARSE_BLOCKS - 1);
	}
	if (partitions_read(&sparse_disk.dev, &table) == 0) {
		if (table.count > PARTITIONS_MAX || (table.count && !table.kind))
			abort();
		for (unsigned i = 0; i < table.count; i++)
			if (!table.at[i].bytes || table.at[i].offset >= sparse_disk.dev.bytes ||
			    table.at[i].bytes > sparse_disk.dev.bytes - table.at[i].offset)
				abort();
		partitions_free(&table);
	}
	sparse_apply(data + 1, bytes - 1, true);
	memset(sparse_disk.data + 512, 0, 512);
	memset(sparse_disk.data + sparse_disk.dev.bytes - 512, 0, 512);
	return 0;
}

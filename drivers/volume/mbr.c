/*
 * The PC's old partition table: four entries in the first block, and a chain of further blocks
 * inside an extended partition. Numbers, and the names made of them, are as Linux has them. Its
 * units are the disk's blocks.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/partition.h"

#define MBR_SIGNATURE_OFFSET 440 /* of the disk, 4 bytes */
#define MBR_ENTRIES_OFFSET   446
#define MBR_ENTRIES	     4
#define MBR_CHAIN_ENTRIES    2 /* that count in a block of the chain */
#define MBR_LOGICAL_MAX	     64
#define MBR_ACTIVE	     0x80

struct mbr_entry {
	uint8_t status; /* 0 or MBR_ACTIVE */
	uint8_t first_chs[3];
	uint8_t type; /* 0: unused */
	uint8_t last_chs[3];
	uint32_t first, count; /* blocks */
};
_Static_assert(sizeof(struct mbr_entry) == 16, "UEFI 2.10, table 5.2");

/* Whether the block is such a table at all: boot sectors of file systems end in 0x55aa too. */
static bool take_entries(const uint8_t *block, struct mbr_entry entries[MBR_ENTRIES])
{
	memcpy(entries, block + MBR_ENTRIES_OFFSET, MBR_ENTRIES * sizeof(*entries));
	if (block[510] != 0x55 || block[511] != 0xaa)
		return false;
	for (unsigned i = 0; i < MBR_ENTRIES; i++)
		if (entries[i].status & ~MBR_ACTIVE)
			return false;
	return true;
}

static bool is_extended(const struct mbr_entry *entry)
{
	return (entry->type == 0x05 || entry->type == 0x0f || entry->type == 0x85) &&
	       entry->count;
}

static int add(struct partition_table *table, struct blkdev *disk, uint32_t signature,
	       unsigned number, uint64_t first, uint64_t count)
{
	struct partition p = {
		.number = number,
		.offset = first * disk->block_bytes,
		.bytes = count * disk->block_bytes,
	};
	int error;

	snprintf(p.uuid, sizeof(p.uuid), "%08x-%02x", signature, number & 0xffu);
	error = first ? partitions_add(table, disk, &p) : -EINVAL;
	if (error != -EINVAL)
		return error;
	snprintf(table->fault, sizeof(table->fault),
		 "partition %u is left out: it does not lie inside the disk", number);
	return 0;
}

/* Where the chain of logical partitions was already. */
struct chain {
	uint64_t seen[MBR_LOGICAL_MAX];
	unsigned count;
};

static bool goes_on(struct chain *chain, uint64_t lba)
{
	if (chain->count == MBR_LOGICAL_MAX)
		return false;
	for (unsigned i = 0; i < chain->count; i++)
		if (chain->seen[i] == lba)
			return false;
	chain->seen[chain->count++] = lba;
	return true;
}

/* Each block of the chain has a partition, counted from the block itself, and a link to the
 * next block, counted from the start of the extended partition. */
static int walk_chain(struct blkdev *disk, const struct mbr_entry *extended, uint32_t signature,
		      uint8_t *block, struct partition_table *table)
{
	struct mbr_entry entries[MBR_ENTRIES];
	struct chain chain = {.count = 0};
	uint64_t lba = extended->first;
	unsigned number = MBR_ENTRIES + 1;

	while (goes_on(&chain, lba)) {
		const struct mbr_entry *link = NULL;
		int error;

		if (lba >= disk->bytes / disk->block_bytes)
			break;
		error = blk_read(disk, lba * disk->block_bytes, block, disk->block_bytes);
		if (error)
			return error;
		if (!take_entries(block, entries))
			break;
		for (unsigned i = 0; i < MBR_CHAIN_ENTRIES && !error; i++) {
			if (is_extended(&entries[i]))
				link = link ? link : &entries[i];
			else if (entries[i].type && entries[i].count)
				error = add(table, disk, signature, number++,
					    lba + entries[i].first, entries[i].count);
		}
		if (error || !link)
			return error;
		lba = (uint64_t)extended->first + link->first;
	}
	snprintf(table->fault, sizeof(table->fault),
		 "the chain of logical partitions is damaged after number %u", number - 1);
	return 0;
}

int mbr_read(struct blkdev *disk, const uint8_t *block, struct partition_table *table)
{
	struct mbr_entry entries[MBR_ENTRIES];
	const struct mbr_entry *extended = NULL;
	uint32_t signature;
	uint8_t *other;
	int error = 0;

	if (!take_entries(block, entries))
		return -ENOENT;
	memcpy(&signature, block + MBR_SIGNATURE_OFFSET, sizeof(signature));
	for (unsigned i = 0; i < MBR_ENTRIES && !error; i++) {
		if (is_extended(&entries[i]))
			extended = extended ? extended : &entries[i];
		else if (entries[i].type && entries[i].count)
			error = add(table, disk, signature, i + 1, entries[i].first,
				    entries[i].count);
	}
	if (!error && extended) {
		other = malloc(disk->block_bytes);
		error = other ? walk_chain(disk, extended, signature, other, table) : -ENOMEM;
		free(other);
	}
	if (table->count || table->fault[0])
		table->kind = "MBR";
	return error == -E2BIG ? 0 : error;
}

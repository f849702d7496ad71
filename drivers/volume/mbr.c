/*
 * The PC's old partition table: four entries in the first block, and a chain of further blocks
 * inside an extended partition. Partitions, numbers, and the names made of them, are as Linux
 * has them (block/partitions/msdos.c): what has blocks is a partition, of whatever type, also
 * one that begins with the table itself, as that of a hybrid ISO image does. Its units are the
 * disk's blocks.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/partition.h"
#include "kernel/io/look.h"

#define MBR_SIGNATURE_OFFSET 440 /* of the disk, 4 bytes */
#define MBR_ENTRIES_OFFSET   446
#define MBR_ENTRIES	     4
#define MBR_CHAIN_ENTRIES    2	 /* of a block of the chain that may lie anywhere */
#define MBR_LOGICAL_MAX	     251 /* blocks of chains: Linux has 256 partitions of a disk */
#define MBR_ACTIVE	     0x80

struct mbr_entry {
	uint8_t status; /* 0 or MBR_ACTIVE */
	uint8_t first_chs[3];
	uint8_t type;
	uint8_t last_chs[3];
	uint32_t first, count; /* blocks; none: unused */
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

/* The table that is being read. */
struct mbr {
	struct blkdev *disk;
	struct partition_table *table;
	uint32_t signature;
	unsigned next;			/* number of the next logical partition */
	uint64_t seen[MBR_LOGICAL_MAX]; /* where chains of logical partitions were already */
	unsigned seen_count;
};

/* What goes beyond the disk's end is cut there, as in Linux. */
static int add(struct mbr *mbr, unsigned number, uint64_t first, uint64_t count)
{
	struct blkdev *disk = mbr->disk;
	uint64_t blocks = disk->bytes / disk->block_bytes;
	struct partition p = {.number = number, .offset = first * disk->block_bytes};
	int error;

	if (first >= blocks) {
		partitions_fault(mbr->table,
				 "partition %u is left out: it begins beyond the disk's end",
				 number);
		return 0;
	}
	if (count > blocks - first)
		partitions_fault(mbr->table, "partition %u is cut off at the disk's end",
				 number);
	if (!first)
		partitions_fault(
			mbr->table,
			"partition %u begins with the partition table itself: who writes "
			"to it can change that",
			number);
	p.bytes = MIN(count, blocks - first) * disk->block_bytes;
	snprintf(p.uuid, sizeof(p.uuid), "%08x-%02x", mbr->signature, number & 0xffu);
	error = partitions_add(mbr->table, disk, &p);
	return error;
}

/* Whether a chain may go on at `lba`: each block is looked at once. */
static bool goes_on(struct mbr *mbr, uint64_t lba)
{
	if (mbr->seen_count == MBR_LOGICAL_MAX ||
	    lba >= mbr->disk->bytes / mbr->disk->block_bytes)
		return false;
	for (unsigned i = 0; i < mbr->seen_count; i++)
		if (mbr->seen[i] == lba)
			return false;
	mbr->seen[mbr->seen_count++] = lba;
	return true;
}

/* Whether one of the last two entries, which are often garbage, lies where it could. */
static bool is_likely(const struct mbr_entry *entry, const struct mbr_entry *extended,
		      uint64_t lba, uint64_t count)
{
	uint64_t end = (uint64_t)entry->first + entry->count;

	return end <= count && lba + end <= (uint64_t)extended->first + extended->count;
}

/* Takes what is in the block of a chain at `lba`, a part of `count` blocks. */
static int take_logical(struct mbr *mbr, const struct mbr_entry entries[MBR_ENTRIES],
			const struct mbr_entry *extended, uint64_t lba, uint64_t count)
{
	int error = 0;

	for (unsigned i = 0; i < MBR_ENTRIES && !error; i++) {
		if (!entries[i].count || is_extended(&entries[i]) ||
		    (i >= MBR_CHAIN_ENTRIES && !is_likely(&entries[i], extended, lba, count)))
			continue;
		error = add(mbr, mbr->next++, lba + entries[i].first, entries[i].count);
	}
	return error;
}

/* Each block of the chain has a partition, counted from the block itself, and a link to the
 * next block, counted from the start of the extended partition. */
static int walk_chain(struct mbr *mbr, const struct mbr_entry *extended, uint8_t *block)
{
	struct blkdev *disk = mbr->disk;
	struct mbr_entry entries[MBR_ENTRIES];
	uint64_t lba = extended->first, count = extended->count;

	while (goes_on(mbr, lba)) {
		const struct mbr_entry *link = NULL;
		int error = look_read(disk, lba * disk->block_bytes, block, disk->block_bytes);

		if (error)
			return error;
		memcpy(entries, block + MBR_ENTRIES_OFFSET, sizeof(entries));
		if (block[510] != 0x55 || block[511] != 0xaa)
			break;
		error = take_logical(mbr, entries, extended, lba, count);
		for (unsigned i = 0; i < MBR_ENTRIES && !link; i++)
			if (is_extended(&entries[i]))
				link = &entries[i];
		if (error || !link)
			return error;
		lba = (uint64_t)extended->first + link->first;
		count = link->count;
	}
	partitions_fault(mbr->table,
			 "the chain of logical partitions is damaged after number %u",
			 mbr->next - 1);
	return 0;
}

int mbr_read(struct blkdev *disk, const uint8_t *block, struct partition_table *table)
{
	struct mbr_entry entries[MBR_ENTRIES];
	struct mbr *mbr;
	uint8_t *other;
	int error = 0;

	if (!take_entries(block, entries))
		return -ENOENT;
	mbr = calloc(1, sizeof(*mbr));
	other = malloc(disk->block_bytes);
	if (!mbr || !other) {
		free(mbr);
		free(other);
		return -ENOMEM;
	}
	*mbr = (struct mbr){.disk = disk, .table = table, .next = MBR_ENTRIES + 1};
	memcpy(&mbr->signature, block + MBR_SIGNATURE_OFFSET, sizeof(mbr->signature));
	for (unsigned i = 0; i < MBR_ENTRIES && !error; i++)
		if (entries[i].count && !is_extended(&entries[i]))
			error = add(mbr, i + 1, entries[i].first, entries[i].count);
	for (unsigned i = 0; i < MBR_ENTRIES && !error; i++)
		if (is_extended(&entries[i]))
			error = walk_chain(mbr, &entries[i], other);
	free(other);
	free(mbr);
	if (table->count || table->fault[0])
		table->kind = "MBR";
	return error == -E2BIG ? 0 : error;
}

/*
 * The GUID partition table, UEFI 2.10, 5.3: at the disk's start, and once more at its end for
 * when the first is damaged. It is only read: a damaged one is for the operator to repair.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/partition.h"
#include "kernel/lib/crc32.h"

#define MBR_TYPES	    450 /* offset of the first entry's type in an MBR */
#define MBR_ENTRY_BYTES	    16
#define MBR_ENTRIES	    4
#define MBR_TYPE_PROTECTIVE 0xee

#define GPT_REVISION	    0x00010000u
#define GPT_NAME_CHARS	    36
#define GPT_ARRAY_BYTES_MAX (256 * KIB)

struct gpt_header {
	char signature[8]; /* "EFI PART" */
	uint32_t revision, header_bytes, header_crc, reserved;
	uint64_t my_lba, alternate_lba, first_usable_lba, last_usable_lba;
	uint8_t disk_guid[16];
	uint64_t entries_lba;
	uint32_t entry_count, entry_bytes, entries_crc;
} __attribute__((packed));
_Static_assert(sizeof(struct gpt_header) == 92, "UEFI 2.10, table 5.5");

struct gpt_entry {
	uint8_t type[16], guid[16];
	uint64_t first_lba, last_lba, attributes; /* the last is the partition's too */
	uint16_t name[GPT_NAME_CHARS];		  /* UTF-16, little-endian */
};
_Static_assert(sizeof(struct gpt_entry) == 128, "UEFI 2.10, table 5.6");

static bool has_protective_mbr(const uint8_t *block)
{
	if (block[510] != 0x55 || block[511] != 0xaa)
		return false;
	for (unsigned i = 0; i < MBR_ENTRIES; i++)
		if (block[MBR_TYPES + i * MBR_ENTRY_BYTES] == MBR_TYPE_PROTECTIVE)
			return true;
	return false;
}

void guid_text(const uint8_t g[16], char text[PARTITION_UUID_BYTES])
{
	snprintf(text, PARTITION_UUID_BYTES,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", g[3],
		 g[2], g[1], g[0], g[5], g[4], g[7], g[6], g[8], g[9], g[10], g[11], g[12],
		 g[13], g[14], g[15]);
}

/* Names that a configuration could not write are left out. */
static void label_text(const uint16_t name[GPT_NAME_CHARS], char text[PARTITION_LABEL_BYTES])
{
	unsigned i;

	for (i = 0; i < GPT_NAME_CHARS && name[i]; i++) {
		if (name[i] < ' ' || name[i] > '~') {
			i = 0;
			break;
		}
		text[i] = (char)name[i];
	}
	text[i] = '\0';
}

/* ---- one of the two tables ----------------------------------------------------------------
 */

/* NULL when the header is good, else what is wrong with it. `block` is what lies at `lba`. */
static const char *check_header(const struct blkdev *disk, uint64_t lba, const uint8_t *block,
				struct gpt_header *header)
{
	uint64_t blocks = disk->bytes / disk->block_bytes, array_bytes;
	uint32_t crc = ~0u;
	static const uint8_t no_crc[4];

	memcpy(header, block, sizeof(*header));
	if (memcmp(header->signature, "EFI PART", sizeof(header->signature)) != 0)
		return "is not there";
	if (header->revision < GPT_REVISION || header->header_bytes < sizeof(*header) ||
	    header->header_bytes > disk->block_bytes)
		return "has a header of no known size";
	crc = crc32_update(crc, block, offsetof(struct gpt_header, header_crc));
	crc = crc32_update(crc, no_crc, sizeof(no_crc));
	crc = crc32_update(crc, block + offsetof(struct gpt_header, reserved),
			   header->header_bytes - offsetof(struct gpt_header, reserved));
	if (~crc != header->header_crc)
		return "has a wrong checksum in its header";
	if (header->my_lba != lba)
		return "belongs somewhere else on the disk";
	array_bytes = (uint64_t)header->entry_count * header->entry_bytes;
	if (header->entry_bytes < sizeof(struct gpt_entry) || header->entry_bytes % 8 ||
	    !array_bytes || array_bytes > GPT_ARRAY_BYTES_MAX)
		return "has an array of entries of no known size";
	if (header->entries_lba >= blocks ||
	    array_bytes > (blocks - header->entries_lba) * disk->block_bytes)
		return "has its array of entries beyond the disk's end";
	return NULL;
}

/* Reads and checks the array; *array is the caller's to free. NULL when it is good, else what
 * is wrong, and *error if that is not the table's fault. */
static const char *read_array(struct blkdev *disk, const struct gpt_header *header,
			      uint8_t **array, int *error)
{
	size_t bytes = (size_t)header->entry_count * header->entry_bytes;
	size_t whole = ALIGN_UP(bytes, disk->block_bytes);

	*array = malloc(whole);
	if (!*array) {
		*error = -ENOMEM;
		return "needs more memory than there is";
	}
	*error = blk_read(disk, header->entries_lba * disk->block_bytes, *array, whole);
	if (*error)
		return "cannot be read";
	return crc32(*array, bytes) == header->entries_crc
		       ? NULL
		       : "has a wrong checksum over its entries";
}

static int take_entry(struct blkdev *disk, const struct gpt_header *header, unsigned index,
		      const struct gpt_entry *entry, struct partition_table *table)
{
	struct partition p = {.number = index + 1};
	uint64_t count;

	if (entry->first_lba < header->first_usable_lba || entry->last_lba < entry->first_lba ||
	    entry->last_lba > header->last_usable_lba ||
	    entry->last_lba >= disk->bytes / disk->block_bytes) {
		snprintf(table->fault, sizeof(table->fault),
			 "partition %u is left out: it lies outside of the disk's usable part",
			 p.number);
		return 0;
	}
	count = entry->last_lba - entry->first_lba + 1;
	p.offset = entry->first_lba * disk->block_bytes;
	p.bytes = count * disk->block_bytes;
	guid_text(entry->guid, p.uuid);
	label_text(entry->name, p.label);
	return partitions_add(table, disk, &p);
}

static int take_entries(struct blkdev *disk, const struct gpt_header *header,
			const uint8_t *array, struct partition_table *table)
{
	static const uint8_t unused[16];
	int error = 0;

	for (uint32_t i = 0; i < header->entry_count && !error; i++) {
		struct gpt_entry entry;

		memcpy(&entry, array + (size_t)i * header->entry_bytes, sizeof(entry));
		if (memcmp(entry.type, unused, sizeof(unused)) != 0)
			error = take_entry(disk, header, i, &entry, table);
	}
	if (error == -E2BIG) {
		snprintf(table->fault, sizeof(table->fault),
			 "it has more than %u partitions; the others are left out",
			 PARTITIONS_MAX);
		error = 0;
	}
	return error;
}

/* The table whose header is at `lba`. NULL when it was taken, else what is wrong with it;
 * *alternate is where its good header says that the other one is. */
static const char *try_table(struct blkdev *disk, uint64_t lba, struct partition_table *table,
			     uint64_t *alternate, int *error)
{
	uint8_t *block = malloc(disk->block_bytes), *array = NULL;
	struct gpt_header header;
	const char *fault = "needs more memory than there is";

	*error = block ? blk_read(disk, lba * disk->block_bytes, block, disk->block_bytes)
		       : -ENOMEM;
	if (block)
		fault = *error ? "cannot be read" : check_header(disk, lba, block, &header);
	if (!fault) {
		*alternate = header.alternate_lba;
		fault = read_array(disk, &header, &array, error);
	}
	if (!fault)
		*error = take_entries(disk, &header, array, table);
	free(array);
	free(block);
	return fault;
}

/* ---- both ---------------------------------------------------------------------------------
 */

int gpt_read(struct blkdev *disk, const uint8_t *block, struct partition_table *table)
{
	uint64_t last = disk->bytes / disk->block_bytes - 1, other = last, unused;
	const char *fault, *other_fault;
	int error;

	if (!has_protective_mbr(block) || last < 2)
		return -ENOENT;
	fault = try_table(disk, 1, table, &other, &error);
	if (fault && error != -ENOMEM) {
		if (other < 2 || other > last)
			other = last;
		other_fault = try_table(disk, other, table, &unused, &error);
		if (other_fault && other != last && error != -ENOMEM)
			other_fault = try_table(disk, last, table, &unused, &error);
		if (!other_fault)
			snprintf(table->fault, sizeof(table->fault),
				 "the GPT at the disk's start %s; the one at its end is used: "
				 "repair it, with sgdisk or gdisk",
				 fault);
		else
			snprintf(table->fault, sizeof(table->fault),
				 "the GPT at the disk's start %s, and the one at its end %s",
				 fault, other_fault);
	}
	table->kind = "GPT";
	/* A table that can't be read is a disk without partitions. */
	return error == -ENOMEM ? error : 0;
}

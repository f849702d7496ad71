/*
 * The GUID partition table, UEFI 2.10, 5.3: at the disk's start, and once more at its end for
 * when the first is damaged. It is only read: a damaged one is for the operator to repair.
 * Partitions are those that Linux has (block/partitions/efi.c), and what it would not see is
 * said.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/partition.h"
#include "kernel/io/look.h"
#include "kernel/lib/crc32.h"

#define MBR_ENTRIES_AT	    446
#define MBR_ENTRY_BYTES	    16
#define MBR_ENTRIES	    4
#define MBR_TYPE_PROTECTIVE 0xee

#define GPT_REVISION	    0x00010000u
#define GPT_NAME_CHARS	    36
#define GPT_ARRAY_BYTES_MAX (4 * MIB) /* as much as Linux takes */
#define GPT_PIECE_BYTES	    (64 * KIB)
#define GPT_HEADER_LBA	    1

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

/* What the protective MBR says (UEFI 2.10, 5.2.3). */
struct protective {
	bool at_header; /* its entry begins at the GPT's header: else Linux sees no table at all
			 */
	uint64_t last;	/* block of the disk, when the table was made */
};

static bool read_protective(const uint8_t *block, struct protective *protective)
{
	bool found = false;

	*protective = (struct protective){0};
	if (block[510] != 0x55 || block[511] != 0xaa)
		return false;
	for (unsigned i = 0; i < MBR_ENTRIES; i++) {
		const uint8_t *entry = block + MBR_ENTRIES_AT + i * MBR_ENTRY_BYTES;
		uint32_t first, count;

		if (entry[4] != MBR_TYPE_PROTECTIVE)
			continue;
		memcpy(&first, entry + 8, sizeof(first));
		memcpy(&count, entry + 12, sizeof(count));
		found = true;
		if (first != GPT_HEADER_LBA)
			continue;
		protective->at_header = true;
		protective->last = count;
	}
	return found;
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

/* A table that is being read. */
struct gpt {
	struct blkdev *disk;
	struct gpt_header header;
	struct partition_table *table;
	uint64_t last; /* block of the disk */
	/* Entries that are left out, lie outside of the usable blocks, or on the table itself:
	 * how many, and the first one's number. */
	unsigned left_out, odd, over;
	unsigned first_left_out, first_odd, first_over;
};

static uint64_t array_bytes(const struct gpt_header *header)
{
	return (uint64_t)header->entry_count * header->entry_bytes;
}

/* UEFI 2.10, table 5.5: 128 x 2^n. */
static bool is_entry_size(uint32_t bytes)
{
	return bytes >= sizeof(struct gpt_entry) && !(bytes & (bytes - 1)) &&
	       bytes <= GPT_PIECE_BYTES;
}

/* NULL when the header is good, else what is wrong with it. `block` is what lies at `lba`. */
static const char *check_header(const struct blkdev *disk, uint64_t lba, const uint8_t *block,
				struct gpt_header *header)
{
	uint64_t blocks = disk->bytes / disk->block_bytes;
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
	if (!is_entry_size(header->entry_bytes) || !header->entry_count)
		return "has entries of no known size";
	if (array_bytes(header) > GPT_ARRAY_BYTES_MAX)
		return "has more than 4 MiB of entries";
	if (header->entries_lba >= blocks ||
	    array_bytes(header) > (blocks - header->entries_lba) * disk->block_bytes)
		return "has its array of entries beyond the disk's end";
	return NULL;
}

static void note(unsigned *count, unsigned *first, unsigned number)
{
	if (!(*count)++)
		*first = number;
}

/* Whether the blocks from `first` to `last` are some that this table needs for itself. */
static bool is_over_table(const struct gpt *gpt, uint64_t first, uint64_t last)
{
	const struct gpt_header *header = &gpt->header;
	uint64_t array_last =
		header->entries_lba + (array_bytes(header) - 1) / gpt->disk->block_bytes;

	return first <= GPT_HEADER_LBA ||
	       (first <= array_last && last >= header->entries_lba) || last == gpt->last;
}

/* Linux goes by the disk's end alone, and not by what the header calls usable. */
static int take_entry(struct gpt *gpt, unsigned number, const struct gpt_entry *entry)
{
	uint32_t block_bytes = gpt->disk->block_bytes;
	struct partition p = {.number = number};

	if (entry->first_lba > gpt->last || entry->last_lba > gpt->last ||
	    entry->last_lba < entry->first_lba) {
		note(&gpt->left_out, &gpt->first_left_out, number);
		return 0;
	}
	if (is_over_table(gpt, entry->first_lba, entry->last_lba))
		note(&gpt->over, &gpt->first_over, number);
	else if (entry->first_lba < gpt->header.first_usable_lba ||
		 entry->last_lba > gpt->header.last_usable_lba)
		note(&gpt->odd, &gpt->first_odd, number);
	p.offset = entry->first_lba * block_bytes;
	p.bytes = (entry->last_lba - entry->first_lba + 1) * block_bytes;
	guid_text(entry->guid, p.uuid);
	label_text(entry->name, p.label);
	return partitions_add(gpt->table, gpt->disk, &p);
}

/* Entries that lie in `count` bytes, the first of them with the number `number`. */
static int take_entries(struct gpt *gpt, const uint8_t *piece, size_t count, unsigned number)
{
	static const uint8_t unused[16];
	int error = 0;

	for (size_t at = 0; at < count && !error; at += gpt->header.entry_bytes, number++) {
		struct gpt_entry entry;

		memcpy(&entry, piece + at, sizeof(entry));
		if (memcmp(entry.type, unused, sizeof(unused)) != 0)
			error = take_entry(gpt, number, &entry);
	}
	return error;
}

/* Reads, checks and takes the array, piece by piece. NULL when it is good, else what is wrong,
 * and *error if that is not the table's fault: then no entry counts. */
static const char *read_array(struct gpt *gpt, uint8_t *piece, int *error)
{
	const struct gpt_header *header = &gpt->header;
	uint64_t start = header->entries_lba * gpt->disk->block_bytes;
	uint32_t crc = ~0u;
	size_t bytes;
	int full = 0;

	for (uint64_t done = 0; done < array_bytes(header); done += bytes) {
		bytes = MIN(array_bytes(header) - done, GPT_PIECE_BYTES);
		*error = look_read(gpt->disk, start + done, piece,
				   ALIGN_UP(bytes, gpt->disk->block_bytes));
		if (*error)
			return "cannot be read";
		crc = crc32_update(crc, piece, bytes);
		if (!full)
			full = take_entries(gpt, piece, bytes,
					    (unsigned)(done / header->entry_bytes) + 1);
		if (full == -ENOMEM) {
			*error = full;
			return "needs more memory than there is";
		}
	}
	if (~crc != header->entries_crc)
		return "has a wrong checksum over its entries";
	if (full == -E2BIG)
		partitions_fault(gpt->table,
				 "it has more than %u partitions; the others are left out",
				 PARTITIONS_MAX);
	return NULL;
}

static void say_entries(struct gpt *gpt, unsigned count, unsigned first, const char *what)
{
	if (count > 1)
		partitions_fault(gpt->table, "partition %u, and %u more, %s", first, count - 1,
				 what);
	else if (count)
		partitions_fault(gpt->table, "partition %u %s", first, what);
}

/* The table whose header is at `lba`. NULL when it was taken, else what is wrong with it;
 * gpt->header is all zeroes unless the header is good. */
static const char *try_table(struct gpt *gpt, uint64_t lba, int *error)
{
	uint8_t *piece = malloc(GPT_PIECE_BYTES);
	const char *fault = "needs more memory than there is";

	gpt->left_out = gpt->odd = gpt->over = 0;
	*error = piece ? look_read(gpt->disk, lba * gpt->disk->block_bytes, piece,
				   gpt->disk->block_bytes)
		       : -ENOMEM;
	if (piece)
		fault = *error ? "cannot be read"
			       : check_header(gpt->disk, lba, piece, &gpt->header);
	if (fault)
		gpt->header = (struct gpt_header){0};
	else
		fault = read_array(gpt, piece, error);
	free(piece);
	if (fault)
		gpt->table->count = 0;
	return fault;
}

/* ---- both ---------------------------------------------------------------------------------
 */

/* What Linux would make of the table at the disk's start, which is good otherwise. */
static void compare_with_linux(struct gpt *gpt, const struct protective *protective)
{
	const struct gpt_header *header = &gpt->header;
	const char *why = NULL;

	if (!protective->at_header)
		why = "its protective MBR does not begin at block 1";
	else if (header->first_usable_lba > gpt->last || header->last_usable_lba > gpt->last)
		why = "its usable blocks go beyond the disk's end";
	else if (header->last_usable_lba < header->first_usable_lba)
		why = "its usable blocks end before they begin";
	else if (header->entry_bytes != sizeof(struct gpt_entry))
		why = "its entries are larger than usual";
	if (why)
		partitions_fault(gpt->table, "Linux sees no partition here: %s", why);
}

static void compare_with_end(struct gpt *gpt)
{
	unsigned long long copy = gpt->header.alternate_lba, last = gpt->last;

	if (copy < last)
		partitions_fault(gpt->table,
				 "the disk has grown: the copy of its GPT lies at block %llu, "
				 "and not in the last one, %llu; sgdisk -e moves it",
				 copy, last);
	else if (copy > last)
		partitions_fault(gpt->table,
				 "the disk has shrunk: the copy of its GPT would lie at block "
				 "%llu, and the last one is %llu; sgdisk -e makes one there",
				 copy, last);
}

/* The second table: where the first one's header says, if that is good, in the last block, or
 * in the one that was the last when the disk was smaller. *lba is where it was found, or
 * missed. */
static const char *try_second(struct gpt *gpt, const struct protective *protective,
			      uint64_t *lba, int *error)
{
	const uint64_t places[] = {gpt->header.alternate_lba, gpt->last, protective->last};
	const char *fault = NULL, *first_fault = NULL;

	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		if (places[i] <= GPT_HEADER_LBA || places[i] > gpt->last)
			continue;
		*lba = places[i];
		fault = try_table(gpt, places[i], error);
		if (!fault || *error == -ENOMEM)
			return fault;
		if (places[i] == gpt->last)
			first_fault = fault;
	}
	*lba = gpt->last;
	return first_fault;
}

int gpt_read(struct blkdev *disk, const uint8_t *block, struct partition_table *table)
{
	struct gpt gpt = {
		.disk = disk, .table = table, .last = disk->bytes / disk->block_bytes - 1};
	const char *fault, *second_fault = NULL;
	struct protective protective;
	uint64_t lba = GPT_HEADER_LBA;
	int error;

	if (!read_protective(block, &protective) || gpt.last < 2)
		return -ENOENT;
	fault = try_table(&gpt, lba, &error);
	if (fault && error != -ENOMEM)
		second_fault = try_second(&gpt, &protective, &lba, &error);
	if (error == -ENOMEM)
		return error;
	table->kind = "GPT";
	/* A table that can't be read is a disk without partitions. */
	if (fault && second_fault) {
		partitions_fault(table,
				 "the GPT at the disk's start %s, and the one at its end %s",
				 fault, second_fault);
		return 0;
	}
	if (fault) {
		partitions_fault(
			table,
			"the GPT at the disk's start %s; its copy at block %llu is used, "
			"and Linux sees no partition: repair it, with sgdisk or gdisk",
			fault, (unsigned long long)lba);
	} else {
		compare_with_linux(&gpt, &protective);
		compare_with_end(&gpt);
	}
	say_entries(&gpt, gpt.left_out, gpt.first_left_out,
		    "is left out: it does not lie inside the disk");
	say_entries(&gpt, gpt.over, gpt.first_over,
		    "lies on the partition table itself: who writes to it can change that");
	say_entries(&gpt, gpt.odd, gpt.first_odd,
		    "lies outside of what the table calls usable");
	return 0;
}

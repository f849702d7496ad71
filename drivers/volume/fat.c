/* The way from a path to the runs of bytes that a file has on a FAT file system. */
#include "drivers/volume/fat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/fat_internal.h"
#include "kernel/io/look.h"
#include "kernel/sched/turns.h"

#define WINDOW_BYTES	  (64 * KIB)
#define DIRECTORY_ENTRIES 65536 /* as the specification bounds them */
#define CAPACITY_FIRST	  16
#define FIRST_CLUSTER	  2
#define STEP_BYTES	  4 /* copied: one of turns.h's steps */
#define NAME_STEPS	  (FAT_NAME_MAX / STEP_BYTES)
#define DELETED		  0xe5

/* The beginning of the first sector: the BIOS parameter block. */
struct fat_bpb {
	uint8_t jump[3], oem_name[8];
	uint16_t sector_bytes;
	uint8_t cluster_sectors;
	uint16_t reserved_sectors;
	uint8_t fat_count;
	uint16_t root_entries, sectors_16;
	uint8_t media;
	uint16_t fat_sectors_16, track_sectors, heads;
	uint32_t hidden_sectors, sectors_32;
	/* Of FAT32 alone: */
	uint32_t fat_sectors_32;
	uint16_t flags, version;
	uint32_t root_cluster;
} __attribute__((packed));
_Static_assert(sizeof(struct fat_bpb) == 48, "FAT spec, boot sector");

struct fat {
	struct blkdev *dev;
	char *why;
	unsigned bits;		/* of an entry of the FAT: 12, 16 or 32 */
	uint32_t cluster_bytes; /* at most 8 MiB */
	uint32_t cluster_count;
	uint64_t fat_offset, root_offset, data_offset;
	uint32_t root_entries; /* FAT12, FAT16 */
	uint32_t root_cluster; /* FAT32 */
	uint8_t *window;       /* WINDOW_BYTES of the device, at `window_offset` */
	uint64_t window_offset;
	size_t window_bytes; /* 0: nothing in it */
	struct turns turns;
};

static int fault(struct fat *fat, const char *what)
{
	snprintf(fat->why, STORAGE_WHY_BYTES, "%s", what);
	return -EINVAL;
}

/* Copies a few bytes of the device. They may lie anywhere. */
static int get(struct fat *fat, uint64_t offset, void *buf, size_t bytes)
{
	uint8_t *to = buf;

	turns_take(&fat->turns, (bytes + STEP_BYTES - 1) / STEP_BYTES);
	for (; bytes; bytes--, offset++, to++) {
		if (offset - fat->window_offset >= fat->window_bytes) {
			uint64_t start = ALIGN_DOWN(offset, WINDOW_BYTES);
			int error;

			fat->window_bytes = 0;
			if (offset >= fat->dev->bytes)
				return fault(fat, "lies on a file system that is damaged");
			error = look_read(fat->dev, start, fat->window,
					  MIN(WINDOW_BYTES, fat->dev->bytes - start));
			if (error) {
				fault(fat, error == -ETIMEDOUT
						   ? "lies on a disk that does not answer"
						   : "lies on a partition that cannot be read");
				return error;
			}
			fat->window_offset = start;
			fat->window_bytes = MIN(WINDOW_BYTES, fat->dev->bytes - start);
		}
		*to = fat->window[offset - fat->window_offset];
	}
	return 0;
}

/* ---- the file system as a whole -----------------------------------------------------------
 */

static bool is_power_of_two(uint32_t n)
{
	return n && !(n & (n - 1));
}

/* Fills `fat` from its first sector. The kind follows from the number of clusters alone. */
static int read_bpb(struct fat *fat)
{
	struct fat_bpb bpb;
	uint64_t sectors, fat_sectors, root_sectors, data_sector;
	int error = get(fat, 0, &bpb, sizeof(bpb));

	if (error)
		return error;
	sectors = bpb.sectors_16 ? bpb.sectors_16 : bpb.sectors_32;
	fat_sectors = bpb.fat_sectors_16 ? bpb.fat_sectors_16 : bpb.fat_sectors_32;
	if (!is_power_of_two(bpb.sector_bytes) || bpb.sector_bytes < 512 ||
	    bpb.sector_bytes > 4096 || !is_power_of_two(bpb.cluster_sectors) ||
	    !bpb.reserved_sectors || !bpb.fat_count || !fat_sectors)
		return fault(fat, "lies on a partition that is not FAT");
	root_sectors = (bpb.root_entries * sizeof(struct fat_entry) + bpb.sector_bytes - 1) /
		       bpb.sector_bytes;
	data_sector = bpb.reserved_sectors + bpb.fat_count * fat_sectors + root_sectors;
	if (sectors <= data_sector || sectors > fat->dev->bytes / bpb.sector_bytes)
		return fault(fat, "lies on a FAT file system that does not fit its partition");
	fat->cluster_bytes = (uint32_t)bpb.cluster_sectors * bpb.sector_bytes;
	fat->cluster_count = (uint32_t)((sectors - data_sector) / bpb.cluster_sectors);
	fat->bits = fat->cluster_count < 4085 ? 12 : fat->cluster_count < 65525 ? 16 : 32;
	fat->fat_offset = (uint64_t)bpb.reserved_sectors * bpb.sector_bytes;
	fat->data_offset = data_sector * bpb.sector_bytes;
	fat->root_offset = fat->data_offset - root_sectors * bpb.sector_bytes;
	fat->root_entries = bpb.root_entries;
	fat->root_cluster = fat->bits == 32 ? bpb.root_cluster : 0;
	if (((uint64_t)fat->cluster_count + FIRST_CLUSTER) * fat->bits / 8 >
	    fat_sectors * bpb.sector_bytes)
		return fault(fat, "lies on a FAT file system whose FAT is too short");
	return 0;
}

static bool is_cluster(const struct fat *fat, uint32_t cluster)
{
	return cluster >= FIRST_CLUSTER && cluster - FIRST_CLUSTER < fat->cluster_count;
}

static uint64_t cluster_offset(const struct fat *fat, uint32_t cluster)
{
	return fat->data_offset + (uint64_t)(cluster - FIRST_CLUSTER) * fat->cluster_bytes;
}

/* The cluster behind `cluster`; one that is none ends the chain. */
static int next_cluster(struct fat *fat, uint32_t cluster, uint32_t *next)
{
	uint32_t value = 0;
	size_t bytes = fat->bits == 32 ? 4 : 2;
	int error =
		get(fat, fat->fat_offset + (uint64_t)cluster * fat->bits / 8, &value, bytes);

	if (fat->bits == 12)
		value = cluster & 1 ? value >> 4 : value & 0xfff;
	*next = fat->bits == 32 ? value & 0x0fffffff : value;
	return error;
}

/* ---- directories --------------------------------------------------------------------------
 */

/* A place in a directory. */
struct cursor {
	uint32_t cluster; /* 0: the root of FAT12 and FAT16 */
	uint32_t index;	  /* of the entry, in the whole directory */
	uint32_t offset;  /* in the cluster, or in that root */
};

/* The next entry. 0; -ENOENT at the end, or as get(). */
static int next_entry(struct fat *fat, struct cursor *at, struct fat_entry *entry)
{
	uint64_t base = at->cluster ? cluster_offset(fat, at->cluster) : fat->root_offset;
	int error;

	if (at->index++ == DIRECTORY_ENTRIES || (!at->cluster && at->index > fat->root_entries))
		return -ENOENT;
	if (at->cluster && at->offset == fat->cluster_bytes) {
		error = next_cluster(fat, at->cluster, &at->cluster);
		if (error)
			return error;
		if (!is_cluster(fat, at->cluster))
			return -ENOENT;
		at->offset = 0;
		base = cluster_offset(fat, at->cluster);
	}
	error = get(fat, base + at->offset, entry, sizeof(*entry));
	at->offset += sizeof(*entry);
	if (!error && !entry->name[0])
		return -ENOENT;
	return error;
}

/* Looks for `length` bytes of `text` in the directory at `cluster`. */
static int find_entry(struct fat *fat, uint32_t cluster, const char *text, size_t length,
		      struct fat_entry *entry)
{
	struct cursor at = {.cluster = cluster};
	struct fat_long_name *name = calloc(1, sizeof(*name));
	int error = name ? 0 : -ENOMEM;

	while (!error) {
		error = next_entry(fat, &at, entry);
		if (error)
			break;
		turns_take(&fat->turns, NAME_STEPS);
		if (entry->name[0] == DELETED) {
			name->length = 0;
		} else if ((entry->attributes & FAT_LONG_NAME_MASK) == FAT_LONG_NAME) {
			fat_long_name_add(name, entry);
		} else if (!(entry->attributes & FAT_VOLUME_LABEL) &&
			   fat_is_named(name, entry, text, length)) {
			break;
		} else {
			name->length = 0;
		}
	}
	free(name);
	return error;
}

static uint32_t first_cluster(const struct fat *fat, const struct fat_entry *entry)
{
	return entry->cluster_low | (fat->bits == 32 ? (uint32_t)entry->cluster_high << 16 : 0);
}

static int walk(struct fat *fat, const char *path, struct fat_entry *entry)
{
	uint32_t cluster = fat->root_cluster;

	if (fat->bits == 32 && !is_cluster(fat, cluster))
		return fault(fat, "lies on a FAT file system without a root directory");
	for (;;) {
		size_t length = strcspn(path, "/");
		int error = find_entry(fat, cluster, path, length, entry);

		if (error == -ENOENT)
			snprintf(fat->why, STORAGE_WHY_BYTES,
				 "is not there: nothing is called '%.*s' in its folder",
				 (int)MIN(length, (size_t)FAT_NAME_MAX), path);
		if (error || !path[length])
			return error;
		if (!(entry->attributes & FAT_DIRECTORY))
			return fault(fat, "leads through a file as if it were a folder");
		cluster = first_cluster(fat, entry);
		if (!is_cluster(fat, cluster))
			return fault(fat, "leads through a folder that is damaged");
		path += length + 1;
	}
}

/* ---- the file -----------------------------------------------------------------------------
 */

static int add_extent(struct fat *fat, struct fat_file *file, unsigned *capacity,
		      uint64_t offset, uint64_t bytes)
{
	struct fat_extent *last = file->count ? &file->extents[file->count - 1] : NULL;

	if (last && last->offset + last->bytes == offset) {
		last->bytes += bytes;
		file->bytes += bytes;
		return 0;
	}
	if (file->count == FAT_EXTENTS_MAX)
		return fault(fat, "lies in too many pieces: delete it, and copy it anew to a "
				  "partition with more room");
	if (file->count == *capacity) {
		unsigned more = *capacity ? 2 * *capacity : CAPACITY_FIRST;
		struct fat_extent *larger = realloc(file->extents, more * sizeof(*larger));

		if (!larger)
			return -ENOMEM;
		file->extents = larger;
		*capacity = more;
	}
	file->extents[file->count++] = (struct fat_extent){file->bytes, offset, bytes};
	file->bytes += bytes;
	return 0;
}

/* Follows the file's chain for as many clusters as its size needs, so that it ends. */
static int collect(struct fat *fat, const struct fat_entry *entry, struct fat_file *file)
{
	uint32_t cluster = first_cluster(fat, entry);
	uint64_t left = entry->bytes;
	unsigned capacity = 0;
	int error = 0;

	while (left && !error) {
		uint64_t bytes = MIN(left, (uint64_t)fat->cluster_bytes);

		if (!is_cluster(fat, cluster))
			return fault(fat, "is damaged: it is shorter than its folder says");
		error = add_extent(fat, file, &capacity, cluster_offset(fat, cluster), bytes);
		left -= bytes;
		if (!error && left)
			error = next_cluster(fat, cluster, &cluster);
	}
	return error;
}

int fat_find(struct blkdev *dev, const char *path, struct fat_file *file,
	     char why[STORAGE_WHY_BYTES])
{
	struct fat fat = {.dev = dev, .why = why, .window = malloc(WINDOW_BYTES)};
	struct fat_entry entry;
	int error = fat.window ? read_bpb(&fat) : -ENOMEM;

	*file = (struct fat_file){0};
	if (!error)
		error = walk(&fat, path, &entry);
	if (!error && entry.attributes & FAT_DIRECTORY)
		error = fault(&fat, "is a folder");
	if (!error)
		error = collect(&fat, &entry, file);
	if (error == -ENOMEM)
		fault(&fat, "needs more memory than there is");
	if (error)
		fat_free(file);
	free(fat.window);
	return error;
}

void fat_free(struct fat_file *file)
{
	free(file->extents);
	*file = (struct fat_file){0};
}

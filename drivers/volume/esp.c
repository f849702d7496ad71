/*
 * `esp:`: a file under \bulkhead\disks\ of the boot partition, used in place as a disk. Its
 * size is fixed, and nothing of the file system changes but what is in the file.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/fat.h"
#include "drivers/volume/names.h"
#include "drivers/volume/partition.h"
#include "drivers/volume/sources.h"
#include "drivers/volume/split.h"
#include "drivers/volume/why.h"
#include "kernel/io/files.h"
#include "kernel/mem/heap.h"

#define ROOT "bulkhead"

struct esp_disk {
	struct blkdev dev;
	struct split split;
	struct blkdev *partition;
	struct fat_file file;
};

static struct esp_disk *esp_of(struct blkdev *dev)
{
	return container_of(dev, struct esp_disk, dev);
}

/* ---- the device ----------------------------------------------------------------------------
 */

static struct split_run find_run(struct blkdev *dev, uint64_t offset)
{
	const struct esp_disk *disk = esp_of(dev);
	const struct fat_extent *extent;
	unsigned low = 0, high = disk->file.count;

	while (high - low > 1) {
		unsigned middle = (low + high) / 2;

		if (disk->file.extents[middle].from <= offset)
			low = middle;
		else
			high = middle;
	}
	extent = &disk->file.extents[low];
	offset -= extent->from;
	return (struct split_run){disk->partition, extent->offset + offset,
				  extent->bytes - offset};
}

static void esp_submit(struct blkdev *dev, struct blk_request *request)
{
	split_submit(&esp_of(dev)->split, request);
}

static void esp_commit(struct blkdev *dev)
{
	split_commit(&esp_of(dev)->split);
}

static int esp_pieces(struct blkdev *dev, uint64_t offset, uint64_t bytes,
		      int (*visit)(void *arg, struct blkdev *part, uint64_t offset,
				   uint64_t bytes),
		      void *arg)
{
	return split_pieces(&esp_of(dev)->split, offset, bytes, visit, arg);
}

static void esp_close(struct blkdev *dev)
{
	struct esp_disk *disk = esp_of(dev);

	split_fini(&disk->split);
	fat_free(&disk->file);
	if (disk->partition)
		disk->partition->ops->close(disk->partition);
	heap_free(disk);
}

static const struct blkdev_ops esp_ops = {
	.submit = esp_submit,
	.commit = esp_commit,
	.pieces = esp_pieces,
	.close = esp_close,
};

/* ---- the boot partition --------------------------------------------------------------------
 */

/* Whether it is what the firmware booted from. In an MBR, a partition has no name of its own:
 * the disk's signature and the place are all there is. */
static bool is_boot(const struct handoff_partition *boot, const struct blkdev *disk,
		    const struct partition_table *table, const struct partition *p)
{
	char uuid[PARTITION_UUID_BYTES];
	uint32_t signature;

	if (p->offset / disk->block_bytes != boot->first_lba)
		return false;
	if (boot->kind == HANDOFF_PARTITION_GPT) {
		guid_text(boot->signature, uuid);
		return !strcmp(table->kind, "GPT") && !strcmp(p->uuid, uuid);
	}
	memcpy(&signature, boot->signature, sizeof(signature));
	snprintf(uuid, sizeof(uuid), "%08x-", signature);
	return !strcmp(table->kind, "MBR") && !strncmp(p->uuid, uuid, strlen(uuid));
}

/* Opens the boot partition; the only one that fits, so that no copy of the disk is taken for
 * it. */
static int open_partition(struct blkdev **dev, char why[STORAGE_WHY_BYTES])
{
	const struct handoff_partition *boot = files_partition();
	struct blkdev *disk, *found_on = NULL;
	struct partition found;
	unsigned count = 0;

	for (unsigned i = 0; boot->kind && (disk = blkdev_at(i)); i++) {
		struct partition_table table;
		int error = disk->gone ? -ENODEV : partitions_read(disk, &table);

		if (error == -ENOMEM)
			return error;
		if (error)
			continue;
		for (unsigned p = 0; p < table.count; p++) {
			if (!is_boot(boot, disk, &table, &table.at[p]))
				continue;
			found = table.at[p];
			found_on = disk;
			count++;
		}
		partitions_free(&table);
	}
	if (count == 1)
		return partition_open(found_on, &found, dev);
	if (!boot->kind)
		why_add(why, "cannot be used: the firmware did not say which partition it "
			     "booted from");
	else if (!count)
		why_add(why, "cannot be used: the boot partition is on none of the disks that "
			     "have a driver here (a USB stick has none); copy the file to a "
			     "partition or volume");
	else
		why_add(why,
			"cannot be used: there are %u copies of the boot partition; remove "
			"all disks but one of them",
			count);
	return -ENODEV;
}

/* ---- the source ----------------------------------------------------------------------------
 */

/* Whether the file can be a disk of whole blocks where it lies. */
static int check_file(const struct esp_disk *disk, char why[STORAGE_WHY_BYTES])
{
	uint32_t block = disk->partition->block_bytes;

	if (!disk->file.bytes || disk->file.bytes % block) {
		why_add(why,
			"is %llu bytes long; a disk has a multiple of %u: `truncate -s` "
			"makes it one",
			(unsigned long long)disk->file.bytes, block);
		return -EINVAL;
	}
	for (unsigned i = 0; i < disk->file.count; i++) {
		if (disk->file.extents[i].offset % block == 0 &&
		    disk->file.extents[i].bytes % block == 0)
			continue;
		why_add(why,
			"does not begin at a block of its disk; format that partition "
			"with clusters of at least %u bytes",
			block);
		return -EINVAL;
	}
	return 0;
}

static int open_esp(const char *text, struct blkdev **dev, char why[STORAGE_WHY_BYTES])
{
	struct esp_disk *disk = heap_zalloc(sizeof(*disk), NULL);
	char path[sizeof(ROOT) + STORAGE_SOURCE_BYTES];
	int error = disk ? 0 : -ENOMEM;

	why[0] = '\0';
	if (!error)
		error = open_partition(&disk->partition, why);
	if (!error) {
		snprintf(path, sizeof(path), ROOT "%s", text);
		error = fat_find(disk->partition, path, &disk->file, why);
	}
	if (!error)
		error = check_file(disk, why);
	if (!error) {
		disk->dev.ops = &esp_ops;
		disk->dev.bytes = disk->file.bytes;
		snprintf(disk->dev.name, sizeof(disk->dev.name), "esp:%.27s", text);
		disk->split = (struct split){.volume = &disk->dev,
					     .find = find_run,
					     .members = &disk->partition,
					     .member_count = 1};
		error = split_init(&disk->split, NULL);
	}
	if (!error)
		error = split_limits(&disk->split);
	if (error && !why[0])
		why_add(why, "needs more memory than there is");
	if (error && disk)
		esp_close(&disk->dev);
	else if (!error)
		*dev = &disk->dev;
	return error;
}

const struct storage_scheme esp_scheme = {
	.scheme = "esp",
	.open = open_esp,
	.parse = names_esp,
};

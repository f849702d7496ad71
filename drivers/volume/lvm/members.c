/* Goes through disks and their partitions, and makes each what the LVM code reads. */
#include "drivers/volume/lvm/members.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/lvm/label.h"
#include "drivers/volume/partition.h"
#include "drivers/volume/why.h"
#include "kernel/io/look.h"

static struct blkdev *device(struct lvm_disk *disk)
{
	return container_of(disk, struct lvm_member, disk)->dev;
}

static int read_blocks(struct lvm_disk *disk, uint64_t offset, void *buf, size_t bytes)
{
	return look_read(device(disk), offset, buf, bytes);
}

static int write_blocks(struct lvm_disk *disk, uint64_t offset, const void *buf, size_t bytes)
{
	return blk_write(device(disk), offset, buf, bytes);
}

static int flush(struct lvm_disk *disk)
{
	return blk_flush(device(disk));
}

static void close_device(struct blkdev *dev)
{
	if (dev && dev->ops->close)
		dev->ops->close(dev);
}

static struct lvm_disk disk_of(struct blkdev *dev)
{
	return (struct lvm_disk){.name = dev->name,
				 .bytes = dev->bytes,
				 .block_bytes = dev->block_bytes,
				 .read = read_blocks,
				 .write = write_blocks,
				 .flush = flush};
}

/* Notes the device if it is a physical volume, of whatever group. */
static void leave_out(struct lvm_members *members, struct blkdev *dev)
{
	struct lvm_member member = {.dev = dev, .disk = disk_of(dev)};
	size_t used = strlen(members->left_out);
	struct lvm_label label;

	if (lvm_label_read(&member.disk, &label) == 0)
		snprintf(members->left_out + used, sizeof(members->left_out) - used, ", %s",
			 dev->name);
}

static bool is_taken(struct lvm_members *members, struct blkdev *dev)
{
	uint64_t bytes = ALIGN_UP(LVM_LABEL_AREA_BYTES, dev->block_bytes);
	char owner[STORAGE_OWNER_BYTES];

	if (dev->bytes < bytes)
		return true;
	if (!storage_owner(dev, 0, bytes, owner) && !storage_given_away(dev, 0, bytes))
		return false;
	leave_out(members, dev);
	return true;
}

/* On failure `dev` is the caller's still. */
static int add(struct lvm_members *members, struct blkdev *dev)
{
	if (members->count == members->capacity) {
		unsigned capacity = members->capacity ? 2 * members->capacity : 16;
		struct lvm_member *at = realloc(members->at, capacity * sizeof(*at));

		if (!at)
			return -ENOMEM;
		members->at = at;
		members->capacity = capacity;
	}
	members->at[members->count++] = (struct lvm_member){.dev = dev, .disk = disk_of(dev)};
	return 0;
}

static int add_partition(struct lvm_members *members, struct blkdev *disk,
			 const struct partition *partition)
{
	struct blkdev *dev;
	int error = partition_open(disk, partition, &dev);

	if (error)
		return error;
	if (is_taken(members, dev)) {
		close_device(dev);
		return 0;
	}
	error = add(members, dev);
	if (error)
		close_device(dev);
	return error;
}

static int add_disk(struct lvm_members *members, struct blkdev *disk)
{
	struct partition_table table;
	int error = disk->gone ? -ENODEV : partitions_read(disk, &table);

	if (error)
		return error == -ENOMEM ? error : 0;
	if (!table.kind && !is_taken(members, disk))
		error = add(members, disk);
	for (unsigned i = 0; i < table.count && !error; i++)
		error = add_partition(members, disk, &table.at[i]);
	partitions_free(&table);
	return error;
}

int lvm_members_open(struct lvm_members *members)
{
	struct blkdev *disk;
	int error = 0;

	*members = (struct lvm_members){0};
	for (unsigned i = 0; !error && (disk = blkdev_at(i)); i++)
		error = add_disk(members, disk);
	if (!error) {
		members->disks = calloc(members->count + 1, sizeof(struct lvm_disk *));
		error = members->disks ? 0 : -ENOMEM;
	}
	if (error) {
		lvm_members_close(members);
		return error;
	}
	for (unsigned i = 0; i < members->count; i++)
		members->disks[i] = &members->at[i].disk;
	return 0;
}

void lvm_members_close(struct lvm_members *members)
{
	for (unsigned i = 0; i < members->count; i++)
		close_device(members->at[i].dev);
	free(members->at);
	free(members->disks);
	*members = (struct lvm_members){0};
}

void lvm_members_explain(const struct lvm_members *members, char why[STORAGE_WHY_BYTES])
{
	if (*members->left_out)
		why_add(why, "; not looked at, as guests have them:%s", members->left_out + 1);
}

struct blkdev *lvm_members_take(struct lvm_members *members, const struct lvm_disk *disk)
{
	for (unsigned i = 0; i < members->count; i++) {
		struct blkdev *dev = members->at[i].dev;

		if (&members->at[i].disk != disk)
			continue;
		members->at[i].dev = NULL;
		return dev;
	}
	return NULL;
}

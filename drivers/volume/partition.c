/* A disk's partition table, whichever kind it is, as one list; a partition as a device. */
#include "drivers/volume/partition.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/piece.h"
#include "kernel/io/look.h"

#define CAPACITY_FIRST 16

void partitions_free(struct partition_table *table)
{
	free(table->at);
	*table = (struct partition_table){0};
}

static bool is_inside(const struct blkdev *disk, const struct partition *p)
{
	return p->bytes && p->offset < disk->bytes && p->bytes <= disk->bytes - p->offset &&
	       p->offset % disk->block_bytes == 0 && p->bytes % disk->block_bytes == 0;
}

int partitions_add(struct partition_table *table, const struct blkdev *disk,
		   const struct partition *partition)
{
	if (!is_inside(disk, partition))
		return -EINVAL;
	if (table->count == PARTITIONS_MAX)
		return -E2BIG;
	if (table->count == table->capacity) {
		unsigned capacity = table->capacity ? 2 * table->capacity : CAPACITY_FIRST;
		struct partition *at = realloc(table->at, capacity * sizeof(*at));

		if (!at)
			return -ENOMEM;
		table->at = at;
		table->capacity = capacity;
	}
	table->at[table->count++] = *partition;
	return 0;
}

void partitions_fault(struct partition_table *table, const char *fmt, ...)
{
	size_t used = strlen(table->fault), room;
	va_list args;
	int needed;

	if (used)
		used += (size_t)snprintf(table->fault + used, sizeof(table->fault) - used,
					 "; ");
	room = used < sizeof(table->fault) ? sizeof(table->fault) - used : 0;
	if (!room)
		return;
	va_start(args, fmt);
	needed = vsnprintf(table->fault + used, room, fmt, args);
	va_end(args);
	if (needed < 0 || (size_t)needed >= room)
		strcpy(table->fault + sizeof(table->fault) - sizeof("..."), "...");
}

int partitions_read(struct blkdev *disk, struct partition_table *table)
{
	uint8_t *block = malloc(disk->block_bytes);
	int error;

	*table = (struct partition_table){0};
	if (!block)
		return -ENOMEM;
	error = look_read(disk, 0, block, disk->block_bytes);
	if (!error) {
		error = gpt_read(disk, block, table);
		if (error == -ENOENT)
			error = mbr_read(disk, block, table);
		if (error == -ENOENT)
			error = 0;
	}
	if (error)
		partitions_free(table);
	free(block);
	return error;
}

int partition_open(struct blkdev *disk, const struct partition *partition, struct blkdev **dev)
{
	int error = piece_create(disk, partition->offset, partition->bytes, dev);

	if (!error)
		snprintf((*dev)->name, sizeof((*dev)->name), "%.24sp%u", disk->name,
			 partition->number);
	return error;
}

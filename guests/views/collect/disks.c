/* The machine's disks, and what is made of them, as views. */
#include <stdatomic.h>
#include <stdio.h>

#include "guests/views/collect/collect.h"
#include "guests/views/disks.h"
#include "kernel/io/volume.h"

#define SET_TEXT(to, from) snprintf(to, sizeof(to), "%s", from)

static uint64_t value(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add_disk(struct view_rows *rows, struct blkdev *dev)
{
	const struct blk_counters *c = &dev->counters;
	struct disk_view view = {
		.bytes = dev->bytes,
		.block_bytes = dev->block_bytes,
		.read_only = dev->read_only,
		.write_cache = dev->write_cache,
		.rotational = dev->rotational,
		.gone = atomic_load(&dev->gone),
		.reads = value(&c->requests[BLK_READ]),
		.writes = value(&c->requests[BLK_WRITE]),
		.flushes = value(&c->requests[BLK_FLUSH]),
		.discards = value(&c->requests[BLK_DISCARD]),
		.zeroes = value(&c->requests[BLK_WRITE_ZEROES]),
		.errors = value(&c->errors),
		.bytes_read = value(&c->bytes_read),
		.bytes_written = value(&c->bytes_written),
		.bytes_copied = value(&c->bytes_copied),
		.doorbells = value(&c->doorbells),
		.interrupts = value(&c->interrupts),
		.retries = value(&c->retries),
		.timeouts = value(&c->timeouts),
		.resets = value(&c->resets),
	};

	SET_TEXT(view.name, dev->name);
	SET_TEXT(view.model, dev->model);
	SET_TEXT(view.serial, dev->serial);
	SET_TEXT(view.location, dev->location);
	view_rows_add(rows, &view);
}

void collect_disks(struct view_rows *rows)
{
	struct blkdev *dev;

	for (unsigned i = 0; (dev = blkdev_at(i)); i++)
		add_disk(rows, dev);
}

static void add_source(void *arg, const struct storage_volume *volume)
{
	struct source_view view = {.bytes = volume->bytes};

	SET_TEXT(view.source, volume->source);
	SET_TEXT(view.about, volume->about);
	SET_TEXT(view.owner, volume->owner);
	SET_TEXT(view.holds, volume->holds);
	view_rows_add(arg, &view);
}

void collect_sources(struct view_rows *rows)
{
	storage_list(add_source, rows);
}

static void add_group(void *arg, const struct volume_group *group)
{
	struct group_view view = {.bytes = group->bytes,
				  .free_bytes = group->free_bytes,
				  .disks = group->disks,
				  .volumes = group->volumes};

	SET_TEXT(view.name, group->name);
	SET_TEXT(view.why, group->why);
	view_rows_add(arg, &view);
}

void collect_groups(struct view_rows *rows)
{
	if (volume_provider())
		volume_provider()->groups(add_group, rows);
}

static void add_stray(void *arg, const struct volume_stray *stray)
{
	struct stray_view view = {.bytes = stray->bytes};

	SET_TEXT(view.disk, stray->disk);
	SET_TEXT(view.group, stray->group);
	SET_TEXT(view.why, stray->why);
	view_rows_add(arg, &view);
}

void collect_strays(struct view_rows *rows)
{
	if (volume_provider())
		volume_provider()->strays(add_stray, rows);
}

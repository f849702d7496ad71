/* Where a request goes is map.c's to say, and cutting it is split.c's. */
#include "drivers/volume/lvm/volume.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/lvm/map.h"
#include "drivers/volume/split.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/sync.h"

struct volume {
	struct blkdev dev;
	struct split split;
	struct lvm_map *map;
	struct blkdev **devices; /* by index of the PV; NULL: nothing of the volume is there */
	unsigned device_count;
	struct blkdev **members; /* the same without gaps */
	char group_id[LVM_ID_BYTES + 1], name[LVM_NAME_BYTES];
	struct list link;
};

static struct list open_volumes = {&open_volumes, &open_volumes};

/* Ready without an initialisation. */
static struct mutex lock = MUTEX(lock, "volumes");

void lvm_volume_lock(void)
{
	mutex_lock(&lock);
}

void lvm_volume_unlock(void)
{
	mutex_unlock(&lock);
}

static struct volume *volume_of(struct blkdev *dev)
{
	return container_of(dev, struct volume, dev);
}

/* ---- the block device --------------------------------------------------------------------
 */

static struct split_run find_run(struct blkdev *dev, uint64_t offset)
{
	const struct volume *volume = volume_of(dev);
	struct lvm_place place = lvm_map_at(volume->map, offset);

	return (struct split_run){volume->devices[place.pv], place.offset, place.bytes};
}

static void volume_submit(struct blkdev *dev, struct blk_request *request)
{
	split_submit(&volume_of(dev)->split, request);
}

static void volume_commit(struct blkdev *dev)
{
	split_commit(&volume_of(dev)->split);
}

struct pieces {
	const struct volume *volume;
	int (*visit)(void *arg, struct blkdev *part, uint64_t offset, uint64_t bytes);
	void *arg;
};

static int visit_place(void *arg, const struct lvm_place *place)
{
	const struct pieces *pieces = arg;

	return pieces->visit(pieces->arg, pieces->volume->devices[place->pv], place->offset,
			     place->bytes);
}

static int volume_pieces(struct blkdev *dev, uint64_t offset, uint64_t bytes,
			 int (*visit)(void *arg, struct blkdev *part, uint64_t offset,
				      uint64_t bytes),
			 void *arg)
{
	struct pieces pieces = {volume_of(dev), visit, arg};

	return lvm_map_places(pieces.volume->map, offset, bytes, visit_place, &pieces);
}

static void release(struct volume *volume)
{
	split_fini(&volume->split);
	for (unsigned i = 0; volume->devices && i < volume->device_count; i++)
		if (volume->devices[i] && volume->devices[i]->ops->close)
			volume->devices[i]->ops->close(volume->devices[i]);
	free(volume->devices);
	free(volume->members);
	free(volume->map);
	heap_free(volume);
}

static void volume_close(struct blkdev *dev)
{
	struct volume *volume = volume_of(dev);

	lvm_volume_lock();
	list_remove(&volume->link);
	lvm_volume_unlock();
	release(volume);
}

static const struct blkdev_ops volume_ops = {
	.submit = volume_submit,
	.commit = volume_commit,
	.pieces = volume_pieces,
	.close = volume_close,
};

/* ---- opening ----------------------------------------------------------------------------- */

struct taking {
	struct volume *volume;
	const struct lvm_vg *vg;
};

static int take_device(void *arg, const struct lvm_place *place)
{
	const struct taking *taking = arg;
	struct volume *volume = taking->volume;

	int error;

	if (volume->devices[place->pv])
		return 0;
	error = lvm_members_share(taking->vg->pvs[place->pv].label->disk,
				  &volume->devices[place->pv]);
	if (!error)
		volume->members[volume->split.member_count++] = volume->devices[place->pv];
	return error;
}

static int check_blocks(void *arg, const struct lvm_place *place)
{
	const struct volume *volume = arg;

	return IS_ALIGNED(place->offset | place->bytes, volume->dev.block_bytes) ? 0 : -EINVAL;
}

static int check_stripes(const struct volume *volume)
{
	for (unsigned i = 0; i < volume->map->segment_count; i++)
		if (!IS_ALIGNED(volume->map->segments[i].stripe_bytes, volume->dev.block_bytes))
			return -EINVAL;
	return 0;
}

/* Fills in what depends on the devices: split, limits, and that extents are whole blocks. */
static int build(struct volume *volume, const struct lvm_vg *vg, bool writable)
{
	struct taking taking = {volume, vg};
	int error;

	volume->devices = calloc(vg->pv_count, sizeof(struct blkdev *));
	volume->members = calloc(vg->pv_count, sizeof(struct blkdev *));
	if (!volume->devices || !volume->members)
		return -ENOMEM;
	volume->device_count = vg->pv_count;
	error = lvm_map_places(volume->map, 0, volume->map->bytes, take_device, &taking);
	if (error)
		return error;
	volume->split.volume = &volume->dev;
	volume->split.find = find_run;
	volume->split.members = volume->members;
	error = split_init(&volume->split, NULL);
	if (!error)
		error = split_limits(&volume->split);
	if (!error)
		error = lvm_map_places(volume->map, 0, volume->map->bytes, check_blocks,
				       volume);
	if (!error)
		error = check_stripes(volume);
	volume->dev.read_only |= !writable;
	return error;
}

static struct volume *create(const struct lvm_vg *vg, const struct lvm_lv *lv)
{
	struct volume *volume = heap_zalloc(sizeof(*volume), NULL);

	if (!volume)
		return NULL;
	list_init(&volume->link);
	volume->map = lvm_map_create(vg, lv);
	if (!volume->map) {
		heap_free(volume);
		return NULL;
	}
	volume->dev.ops = &volume_ops;
	volume->dev.bytes = volume->map->bytes;
	snprintf(volume->dev.name, sizeof(volume->dev.name), "%.15s/%.15s", vg->name, lv->name);
	snprintf(volume->dev.model, sizeof(volume->dev.model), "LVM2 volume");
	memcpy(volume->group_id, vg->id, sizeof(volume->group_id));
	snprintf(volume->name, sizeof(volume->name), "%s", lv->name);
	return volume;
}

int lvm_volume_open(const struct lvm_vg *vg, const struct lvm_lv *lv, struct blkdev **dev,
		    char why[LVM_WHY_BYTES])
{
	struct volume *volume;
	int error = lvm_vg_check(vg, lv, why);

	if (error)
		return error;
	volume = create(vg, lv);
	error = volume ? build(volume, vg, lv->writable) : -ENOMEM;
	if (!error) {
		list_push_back(&open_volumes, &volume->link);
		*dev = &volume->dev;
		return 0;
	}
	snprintf(why, LVM_WHY_BYTES, "%s",
		 error == -ENOMEM ? "needs more memory than there is"
				  : "lies on disks whose blocks are larger than its extents or "
				    "stripes allow");
	if (volume)
		release(volume);
	return error;
}

struct blkdev *lvm_volume_find(const struct lvm_vg *vg, const struct lvm_lv *lv)
{
	list_for_each(volume, &open_volumes, struct volume, link)
	{
		if (strcmp(volume->group_id, vg->id) == 0 &&
		    strcmp(volume->name, lv->name) == 0)
			return &volume->dev;
	}
	return NULL;
}

/* `lvm:`: a logical volume by its group and its name. Disks are read anew each time, but once
 * for all volumes of a document that is checked. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/lvm/map.h"
#include "drivers/volume/lvm/picture.h"
#include "drivers/volume/lvm/volume.h"
#include "drivers/volume/names.h"
#include "drivers/volume/sources.h"
#include "kernel/lib/plural.h"

_Static_assert(NAMES_LVM_BYTES == LVM_NAME_BYTES, "a name that can be is one that can be had");

_Static_assert(STORAGE_WHY_BYTES == LVM_WHY_BYTES, "sentences are passed on");

/* While a document is checked, one picture serves all that it names, but nobody else: it leaves
 * out what only that document gives to guests. Guarded by
 * lvm_volume_lock(). */
static struct {
	bool on, taken;
	struct lvm_picture picture;
} check;

static void begin_check(void)
{
	lvm_volume_lock();
	check.on = true;
	lvm_volume_unlock();
}

void lvm_source_changed(void)
{
	if (check.taken)
		lvm_picture_drop(&check.picture);
	check.taken = false;
}

static void end_check(void)
{
	lvm_volume_lock();
	lvm_source_changed();
	check.on = false;
	lvm_volume_unlock();
}

/* The one that is kept, or `own`, which is the caller's to drop; NULL when out of memory. */
static struct lvm_picture *look(struct lvm_picture *own)
{
	bool shared = check.on && storage_checking();
	struct lvm_picture *picture = shared ? &check.picture : own;

	if (shared && check.taken)
		return picture;
	if (lvm_picture_take(picture))
		return NULL;
	check.taken |= shared;
	return picture;
}

static int open_source(const char *text, struct blkdev **dev, char why[STORAGE_WHY_BYTES])
{
	struct lvm_picture own, *picture;
	struct lvm_vg *vg;
	struct lvm_lv *lv;
	int error = -ENOMEM;

	lvm_volume_lock();
	picture = look(&own);
	if (!picture) {
		snprintf(why, STORAGE_WHY_BYTES, "needs more memory than there is");
	} else {
		error = lvm_scan_volume(&picture->scan, text, &vg, &lv, why);
		if (!error)
			error = lvm_volume_open(vg, lv, dev, why);
		if (error)
			lvm_members_explain(&picture->members, why);
	}
	if (picture == &own)
		lvm_picture_drop(&own);
	lvm_volume_unlock();
	return error;
}

/* ---- listing ----------------------------------------------------------------------------- */

/* A volume that is not open, as a device that can be asked what it is made of. */
struct closed {
	struct blkdev dev;
	const struct lvm_vg *vg;
	struct lvm_map *map;
};

struct asking {
	const struct closed *closed;
	int (*visit)(void *arg, struct blkdev *part, uint64_t offset, uint64_t bytes);
	void *arg;
};

static int visit_place(void *arg, const struct lvm_place *place)
{
	const struct asking *asking = arg;
	struct lvm_disk *disk = asking->closed->vg->pvs[place->pv].label->disk;

	return asking->visit(asking->arg, container_of(disk, struct lvm_member, disk)->dev,
			     place->offset, place->bytes);
}

static int closed_pieces(struct blkdev *dev, uint64_t offset, uint64_t bytes,
			 int (*visit)(void *arg, struct blkdev *part, uint64_t offset,
				      uint64_t bytes),
			 void *arg)
{
	struct asking asking = {container_of(dev, struct closed, dev), visit, arg};

	return lvm_map_places(asking.closed->map, offset, bytes, visit_place, &asking);
}

/* Without opening the volume, which would look through all disks once more for each. */
static void find_owner(const struct lvm_vg *vg, const struct lvm_lv *lv,
		       struct storage_volume *volume)
{
	static const struct blkdev_ops ops = {.pieces = closed_pieces};
	struct closed closed = {.dev = {.ops = &ops, .bytes = volume->bytes},
				.vg = vg,
				.map = lvm_map_create(vg, lv)};

	if (!closed.map || !storage_owner(&closed.dev, 0, volume->bytes, volume->owner))
		volume->owner[0] = '\0';
	free(closed.map);
}

static void describe(const struct lvm_vg *vg, const struct lvm_lv *lv,
		     struct storage_volume *volume)
{
	const struct lvm_segment *first = &lv->segments[0];
	char why[LVM_WHY_BYTES];

	*volume = (struct storage_volume){.bytes = lv->extents * vg->extent_bytes};
	snprintf(volume->source, sizeof(volume->source), "lvm:%.100s/%.100s", vg->name,
		 lv->name);
	if (lvm_vg_check(vg, lv, why))
		snprintf(volume->about, sizeof(volume->about), "not served: it %.80s", why);
	else if (first->stripes > 1)
		snprintf(volume->about, sizeof(volume->about), "%u stripes from %.32s on",
			 first->stripes, vg->pvs[first->areas[0].pv].label->disk->name);
	else
		snprintf(volume->about, sizeof(volume->about), "%u segment%s from %.32s on",
			 lv->segment_count, plural(lv->segment_count),
			 vg->pvs[first->areas[0].pv].label->disk->name);
	if (first->areas && !lvm_vg_check(vg, lv, why))
		find_owner(vg, lv, volume);
}

static unsigned count_volumes(const struct lvm_scan *scan)
{
	unsigned count = 0;

	for (const struct lvm_vg *vg = scan->vgs; vg; vg = vg->next)
		count += vg->lv_count;
	return count;
}

/* A copy of what there is, as whoever is told may open volumes; NULL when there is no memory.
 */
static struct storage_volume *list_all(unsigned *count)
{
	struct storage_volume *volumes = NULL;
	struct lvm_picture picture;

	*count = 0;
	lvm_volume_lock();
	if (lvm_picture_take(&picture) == 0) {
		volumes = calloc(count_volumes(&picture.scan) + 1, sizeof(*volumes));
		for (const struct lvm_vg *vg = picture.scan.vgs; vg && volumes; vg = vg->next)
			for (unsigned i = 0; i < vg->lv_count; i++)
				if (vg->lvs[i].visible)
					describe(vg, &vg->lvs[i], &volumes[(*count)++]);
		lvm_picture_drop(&picture);
	}
	lvm_volume_unlock();
	return volumes;
}

static void list_sources(storage_visit visit, void *arg)
{
	unsigned count;
	struct storage_volume *volumes = list_all(&count);

	for (unsigned i = 0; i < count; i++)
		visit(arg, &volumes[i]);
	free(volumes);
}

const struct storage_scheme lvm_scheme = {
	.scheme = "lvm",
	.searches = true,
	.open = open_source,
	.begin_check = begin_check,
	.end_check = end_check,
	.parse = names_lvm,
	.list = list_sources,
};

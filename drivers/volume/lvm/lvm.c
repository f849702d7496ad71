/* From a command to the disks: scan, check, change in memory, wipe, commit. */
#include "drivers/volume/lvm/lvm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/lvm/commit.h"
#include "drivers/volume/lvm/map.h"
#include "kernel/io/volume.h"
#include "kernel/lib/size.h"

#define WIPE_BYTES  (1 * MIB) /* at each end of a new volume */
#define WHAT_BYTES  (2 * LVM_NAME_BYTES + 32)
#define ZEROS_BYTES WIPE_BYTES

static int no_memory(char why[LVM_WHY_BYTES])
{
	snprintf(why, LVM_WHY_BYTES, "needs more memory than there is");
	return -ENOMEM;
}

/* Tells who waits of the next step. Not 0: there is to be none. */
static int step(const struct lvm_job *job, uint64_t done, uint64_t total, const char *what)
{
	return job->watch ? job->watch->step(job->watch->arg, done, total, what) : 0;
}

static int stopped(int error, char why[LVM_WHY_BYTES])
{
	snprintf(why, LVM_WHY_BYTES, "is as it was: the change was stopped before it counted");
	return error;
}

/* Whether the group may be changed at all. */
static int check_group(const struct lvm_vg *vg, char why[LVM_WHY_BYTES])
{
	const char *reason = *vg->why ? vg->why : vg->keep_why;

	if (!*reason)
		return 0;
	snprintf(why, LVM_WHY_BYTES, "can't be changed: %.40s %.190s", vg->name, reason);
	return -EINVAL;
}

/* ---- wiping -------------------------------------------------------------------------------
 */

/* Where zeroes go. */
struct wipe {
	const struct lvm_job *job;
	const struct lvm_vg *vg;
	void *zeros;
	uint64_t done, total; /* bytes */
	int stopped;	      /* by who waits, or 0 */
};

static int wipe_place(void *arg, const struct lvm_place *place)
{
	struct wipe *wipe = arg;
	struct lvm_disk *disk = wipe->vg->pvs[place->pv].label->disk;
	int error = 0;

	for (uint64_t done = 0, bytes; done < place->bytes && !error; done += bytes) {
		bytes = MIN(place->bytes - done, ZEROS_BYTES);
		error = wipe->stopped =
			step(wipe->job, wipe->done, wipe->total, "zeroing its ends");
		if (!error)
			error = lvm_disk_write(disk, place->offset + done, wipe->zeros, bytes);
		wipe->done += bytes;
	}
	return error;
}

static int flush_all(const struct lvm_vg *vg)
{
	int error = 0;

	for (unsigned i = 0; i < vg->pv_count && !error; i++)
		error = vg->pvs[i].label->disk->flush(vg->pvs[i].label->disk);
	return error;
}

static int wipe_ends(struct lvm_map *map, struct wipe *wipe)
{
	uint64_t first = MIN(map->bytes, WIPE_BYTES), end = MAX(map->bytes - first, first);
	int error;

	wipe->total = first + map->bytes - end;
	error = lvm_map_places(map, 0, first, wipe_place, wipe);
	if (!error && end < map->bytes)
		error = lvm_map_places(map, end, map->bytes - end, wipe_place, wipe);
	return error ? error : flush_all(wipe->vg);
}

/* The ends of the volume `name`, which `changed` describes and `vg` does not have yet: what is
 * written to is free. The disks are `vg`'s: both have the same physical volumes in order. */
static int wipe_new(const struct lvm_job *job, const struct lvm_vg *vg,
		    const struct lvm_vg *changed, const char *name, char why[LVM_WHY_BYTES])
{
	struct lvm_map *map = lvm_map_create(changed, lvm_vg_find(changed, name));
	struct wipe wipe = {.job = job, .vg = vg, .zeros = calloc(1, ZEROS_BYTES)};
	int error = map && wipe.zeros ? wipe_ends(map, &wipe) : -ENOMEM;

	if (wipe.stopped) {
		error = stopped(wipe.stopped, why);
	} else if (error == -ENOMEM) {
		no_memory(why);
	} else if (error) {
		snprintf(why, LVM_WHY_BYTES, "could not be zeroed; nothing is changed");
		error = -EIO;
	}
	free(wipe.zeros);
	free(map);
	return error;
}

/* ---- one change ---------------------------------------------------------------------------
 */

/* A change on its way. */
struct doing {
	const struct lvm_job *job;
	struct lvm_scan scan;
	struct lvm_vg *vg;
	struct lvm_lv *lv; /* NULL: it does not exist yet */
	char *why;
};

/* Scans, and finds the group or, with `volume`, the volume. Then allow() has its say. */
static int begin(struct doing *doing, const struct lvm_job *job, const char *path, bool volume,
		 char *why)
{
	int error;

	*doing = (struct doing){.job = job, .why = why};
	error = step(job, 0, 0, "reading the disks");
	if (error)
		return stopped(error, why);
	if (lvm_scan(job->disks, job->disk_count, &doing->scan))
		return no_memory(why);
	if (volume)
		error = lvm_scan_volume(&doing->scan, path, &doing->vg, &doing->lv, why);
	else
		error = lvm_scan_group(&doing->scan, path, &doing->vg, why);
	if (!error)
		error = check_group(doing->vg, why);
	if (!error && job->allow)
		error = job->allow(job->arg, doing->vg, doing->lv, why);
	return error;
}

/* From its first byte on it is done to the end. */
static int write_text(struct doing *doing, const char *text, size_t count)
{
	const struct volume_watch *watch = doing->job->watch;
	int error = watch ? watch->commit(watch->arg) : 0;

	return error ? stopped(error, doing->why)
		     : lvm_commit(doing->vg, text, count, doing->why);
}

/* Writes what was changed in the tree; `name` is a new volume, or NULL. */
static int end(struct doing *doing, const char *what, const char *name, uint64_t *bytes)
{
	struct lvm_vg *changed;
	const struct lvm_lv *lv;
	char *text;
	size_t count;
	int error = lvm_change_finish(doing->vg, doing->job->author, what, &text, &count,
				      &changed, doing->why);

	if (error == -ENOMEM)
		return no_memory(doing->why);
	if (error)
		return error;
	if (name)
		error = wipe_new(doing->job, doing->vg, changed, name, doing->why);
	if (!error)
		error = write_text(doing, text, count);
	lv = name || doing->lv ? lvm_vg_find(changed, name ? name : doing->lv->name) : NULL;
	if (lv && bytes)
		*bytes = lv->extents * changed->extent_bytes;
	lvm_vg_free(changed);
	free(text);
	return error;
}

static bool split_path(const char *path, char group[LVM_NAME_BYTES], char why[LVM_WHY_BYTES])
{
	const char *slash = strchr(path, '/');

	if (!slash || slash == path || (size_t)(slash - path) >= LVM_NAME_BYTES) {
		snprintf(why, LVM_WHY_BYTES, "is not of the form GROUP/VOLUME");
		return false;
	}
	memcpy(group, path, (size_t)(slash - path));
	group[slash - path] = '\0';
	return true;
}

int lvm_create(const struct lvm_job *job, const char *path, const struct lvm_new *new,
	       uint64_t *bytes, char why[LVM_WHY_BYTES])
{
	struct lvm_new named = *new;
	char group[LVM_NAME_BYTES], what[WHAT_BYTES];
	struct doing doing;
	int error;

	if (!split_path(path, group, why))
		return -EINVAL;
	named.name = path + strlen(group) + 1;
	snprintf(what, sizeof(what), "lvcreate %s", path);
	error = begin(&doing, job, group, false, why);
	if (!error)
		error = lvm_change_create(doing.vg, &named, job->author, why);
	if (error == -ENOMEM)
		no_memory(why);
	if (!error)
		error = end(&doing, what, named.name, bytes);
	lvm_scan_free(&doing.scan);
	return error;
}

static int check_shrink(const struct doing *doing, uint64_t bytes, bool may_shrink)
{
	uint64_t now = doing->lv->extents * doing->vg->extent_bytes;
	char has[SIZE_TEXT_BYTES], keeps[SIZE_TEXT_BYTES];

	if (bytes >= now || may_shrink)
		return 0;
	snprintf(
		doing->why, LVM_WHY_BYTES,
		"has %s, and all behind the first %s would be lost: make the file system in it "
		"smaller first, then shrink it",
		size_text(now, has), size_text(bytes, keeps));
	return -EINVAL;
}

int lvm_resize(const struct lvm_job *job, const char *path, uint64_t *bytes, bool may_shrink,
	       char why[LVM_WHY_BYTES])
{
	char what[WHAT_BYTES];
	struct doing doing;
	int error = begin(&doing, job, path, true, why);

	snprintf(what, sizeof(what), "lvresize %.*s", 2 * LVM_NAME_BYTES, path);
	if (!error)
		error = check_shrink(&doing, *bytes, may_shrink);
	if (!error)
		error = lvm_change_resize(doing.vg, doing.lv, *bytes, why);
	if (error == -ENOMEM)
		no_memory(why);
	if (!error)
		error = end(&doing, what, NULL, bytes);
	lvm_scan_free(&doing.scan);
	return error;
}

int lvm_remove(const struct lvm_job *job, const char *path, char why[LVM_WHY_BYTES])
{
	char what[WHAT_BYTES];
	struct doing doing;
	int error = begin(&doing, job, path, true, why);

	snprintf(what, sizeof(what), "lvremove %.*s", 2 * LVM_NAME_BYTES, path);
	if (!error)
		error = lvm_change_remove(doing.vg, doing.lv, why);
	if (error == -ENOMEM)
		no_memory(why);
	if (!error)
		error = end(&doing, what, NULL, NULL);
	lvm_scan_free(&doing.scan);
	return error;
}

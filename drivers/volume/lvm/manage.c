/*
 * What a person does with volume groups and logical volumes: the actions of kernel/io/volume.h.
 * What they do to disks is lvm.c's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/lvm/alloc.h"
#include "drivers/volume/lvm/lvm.h"
#include "drivers/volume/lvm/manage.h"
#include "drivers/volume/lvm/picture.h"
#include "drivers/volume/lvm/volume.h"
#include "kernel/cpu/clock.h"
#include "kernel/cpu/random.h"
#include "kernel/lib/plural.h"
#include "kernel/lib/size.h"
#include "kernel/log/log.h"

static char host[LVM_NAME_BYTES]; /* for creation_host */

/* ---- groups ------------------------------------------------------------------------------ */

static struct volume_group *list_groups(unsigned *count)
{
	struct volume_group *groups = NULL, *group;
	struct lvm_picture picture;
	unsigned total = 0;

	*count = 0;
	if (lvm_picture_take(&picture))
		return NULL;
	for (const struct lvm_vg *vg = picture.scan.vgs; vg; vg = vg->next)
		total++;
	groups = calloc(total + 1, sizeof(*groups));
	for (const struct lvm_vg *vg = picture.scan.vgs; vg && groups; vg = vg->next) {
		group = &groups[(*count)++];
		snprintf(group->name, sizeof(group->name), "%s", vg->name);
		for (unsigned i = 0; i < vg->pv_count; i++)
			group->bytes += vg->pvs[i].extents * vg->extent_bytes;
		group->free_bytes = lvm_alloc_free(vg) * vg->extent_bytes;
		group->disks = vg->pv_count;
		group->volumes = vg->lv_count;
		snprintf(group->why, sizeof(group->why), "%s",
			 *vg->why	 ? vg->why
			 : *vg->keep_why ? vg->keep_why
					 : vg->note);
	}
	lvm_picture_drop(&picture);
	return groups;
}

static void visit_groups(void (*visit)(void *arg, const struct volume_group *group), void *arg)
{
	struct volume_group *groups;
	unsigned count;

	lvm_volume_lock();
	groups = list_groups(&count);
	lvm_volume_unlock();
	for (unsigned i = 0; i < count; i++)
		visit(arg, &groups[i]);
	free(groups);
}

static struct volume_stray *list_strays(unsigned *count)
{
	struct volume_stray *strays = NULL, *stray;
	struct lvm_picture picture;

	*count = 0;
	if (lvm_picture_take(&picture))
		return NULL;
	strays = calloc(picture.scan.label_count + 1, sizeof(*strays));
	for (unsigned i = 0; i < picture.scan.label_count && strays; i++) {
		const struct lvm_label *label = &picture.scan.labels[i];

		if (label->vg)
			continue;
		stray = &strays[(*count)++];
		snprintf(stray->disk, sizeof(stray->disk), "%s", label->disk->name);
		stray->bytes = label->disk->bytes;
		memcpy(stray->group, label->group, sizeof(stray->group));
		memcpy(stray->why, label->why, sizeof(stray->why));
	}
	lvm_picture_drop(&picture);
	return strays;
}

static void visit_strays(void (*visit)(void *arg, const struct volume_stray *stray), void *arg)
{
	struct volume_stray *strays;
	unsigned count;

	lvm_volume_lock();
	strays = list_strays(&count);
	lvm_volume_unlock();
	for (unsigned i = 0; i < count; i++)
		visit(arg, &strays[i]);
	free(strays);
}

/* ---- changes ----------------------------------------------------------------------------- */

/* What a change writes beside extents: the beginnings and the metadata areas of a group's
 * disks. Claimed as a device meanwhile, so that no guest gets such a disk. */
struct metadata {
	struct blkdev dev;
	const struct lvm_vg *vg;
	bool claimed;
};

static struct blkdev *device_of(const struct lvm_label *label)
{
	return container_of(label->disk, struct lvm_member, disk)->dev;
}

static int metadata_pieces(struct blkdev *dev, uint64_t offset, uint64_t bytes,
			   int (*visit)(void *arg, struct blkdev *part, uint64_t offset,
					uint64_t bytes),
			   void *arg)
{
	const struct lvm_vg *vg = container_of(dev, struct metadata, dev)->vg;
	int stop = 0;

	(void)offset;
	(void)bytes;
	for (unsigned i = 0; i < vg->pv_count && !stop; i++) {
		const struct lvm_label *label = vg->pvs[i].label;

		stop = visit(arg, device_of(label), 0, LVM_LABEL_AREA_BYTES);
		for (unsigned a = 0; a < label->area_count && !stop; a++)
			stop = visit(arg, device_of(label), label->areas[a].where.offset,
				     label->areas[a].where.bytes);
	}
	return stop;
}

static const struct blkdev_ops metadata_ops = {.pieces = metadata_pieces};

/* A volume that is open is somebody's, who would not learn of the change. */
static int check_open(const struct lvm_vg *vg, const struct lvm_lv *lv, char why[LVM_WHY_BYTES])
{
	struct blkdev *dev = lv ? lvm_volume_find(vg, lv) : NULL;
	char owner[STORAGE_OWNER_BYTES] = "somebody";

	if (!dev)
		return 0;
	storage_owner(dev, 0, dev->bytes, owner);
	snprintf(why, LVM_WHY_BYTES,
		 "is in use by '%s', who would not learn of a change: stop it first", owner);
	return -EBUSY;
}

static int allow(void *arg, const struct lvm_vg *vg, const struct lvm_lv *lv,
		 char why[LVM_WHY_BYTES])
{
	struct metadata *metadata = arg;
	int error = check_open(vg, lv, why);

	if (error)
		return error;
	metadata->vg = vg;
	error = storage_claim(&metadata->dev, "lvm", "lvm", why);
	metadata->claimed = !error;
	return error;
}

typedef int (*change_fn)(const struct lvm_job *job, const char *path, void *what,
			 char why[LVM_WHY_BYTES]);

/* One change with all that it takes. */
static int change(const char *path, change_fn fn, void *what, const struct volume_watch *watch,
		  char why[LVM_WHY_BYTES])
{
	const struct lvm_author author = {
		.host = host, .time_s = clock_wall_ns() / NSEC_PER_SEC, .random = random_bytes};
	struct metadata metadata = {.dev = {.ops = &metadata_ops, .bytes = 1}};
	struct lvm_job job = {
		.author = &author, .allow = allow, .arg = &metadata, .watch = watch};
	struct lvm_members members;
	int error;

	why[0] = '\0';
	lvm_volume_lock();
	error = lvm_members_open(&members);
	if (!error) {
		job.disks = members.disks;
		job.disk_count = members.count;
		error = fn(&job, path, what, why);
		if (error == -ENOENT || error == -EINVAL)
			lvm_members_explain(&members, why);
		if (metadata.claimed)
			storage_close(&metadata.dev, "lvm");
		lvm_members_close(&members);
	}
	lvm_source_changed();
	lvm_volume_unlock();
	if (!error)
		storage_changed();
	if (error && !*why)
		snprintf(why, LVM_WHY_BYTES, "%s",
			 error == -ENOMEM
				 ? "needs more memory than there is"
				 : "needs random numbers, which this CPU does not make");
	if (error == -EIO)
		log_error("lvm", "%s %s", path, why);
	return error;
}

static int create_fn(const struct lvm_job *job, const char *path, void *what,
		     char why[LVM_WHY_BYTES])
{
	struct lvm_new *new = what;

	return lvm_create(job, path, new, &new->bytes, why);
}

static int create(const char *path, uint64_t *bytes, unsigned stripes,
		  const struct volume_watch *watch, char why[LVM_WHY_BYTES])
{
	struct lvm_new new = {
		.bytes = *bytes, .stripes = stripes, .stripe_bytes = LVM_STRIPE_BYTES};
	int error = change(path, create_fn, &new, watch, why);
	char size[SIZE_TEXT_BYTES];

	*bytes = new.bytes;
	if (!error)
		log_info("lvm", "%s is new, with %s", path, size_text(*bytes, size));
	return error;
}

struct resizing {
	uint64_t *bytes;
	bool may_shrink;
};

static int resize_fn(const struct lvm_job *job, const char *path, void *what,
		     char why[LVM_WHY_BYTES])
{
	const struct resizing *resizing = what;

	return lvm_resize(job, path, resizing->bytes, resizing->may_shrink, why);
}

static int resize(const char *path, uint64_t *bytes, bool may_shrink,
		  const struct volume_watch *watch, char why[LVM_WHY_BYTES])
{
	struct resizing resizing = {bytes, may_shrink};
	int error = change(path, resize_fn, &resizing, watch, why);
	char size[SIZE_TEXT_BYTES];

	if (!error)
		log_info("lvm", "%s has now %s", path, size_text(*bytes, size));
	return error;
}

static int remove_fn(const struct lvm_job *job, const char *path, void *what,
		     char why[LVM_WHY_BYTES])
{
	(void)what;
	return lvm_remove(job, path, why);
}

static int remove_volume(const char *path, const struct volume_watch *watch,
			 char why[LVM_WHY_BYTES])
{
	int error = change(path, remove_fn, NULL, watch, why);

	if (!error)
		log_info("lvm", "%s is removed", path);
	return error;
}

const struct volume_provider lvm_provider = {
	.create = create,
	.resize = resize,
	.remove = remove_volume,
	.groups = visit_groups,
	.strays = visit_strays,
};

/* ---- start-up ---------------------------------------------------------------------------- */

static void log_group(void *arg, const struct volume_group *group)
{
	char all[SIZE_TEXT_BYTES], rest[SIZE_TEXT_BYTES];

	(void)arg;
	log_info("lvm", "%s: %s, %s free, %u volume%s", group->name,
		 size_text(group->bytes, all), size_text(group->free_bytes, rest),
		 group->volumes, plural(group->volumes));
	if (*group->why)
		log_warn("lvm", "%s %s", group->name, group->why);
}

static void log_stray(void *arg, const struct volume_stray *stray)
{
	(void)arg;
	log_warn("lvm", "%s%s%s%s %s", stray->disk, *stray->group ? " (of " : "", stray->group,
		 *stray->group ? ")" : "", stray->why);
}

void lvm_manage_start(const char *host_name)
{
	snprintf(host, sizeof(host), "%s", host_name);
	visit_groups(log_group, NULL);
	visit_strays(log_stray, NULL);
}

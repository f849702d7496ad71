/* Reads what the disks say and matches groups with disks. A disk that a guest could write may
 * lie in every byte, so whatever is ambiguous is refused. Which of several states of a group
 * counts is choose.c's. */
#include "drivers/volume/lvm/scan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/lvm/scan_internal.h"
#include "kernel/lib/sort.h"

#define COMPARE_STEP_BYTES    64 /* one of turns.h's steps */
#define EXTENSION_VERSION_MAX 2	 /* PV_HEADER_EXTENSION_VSN of LVM2 2.03 */

/* ---- reading ----------------------------------------------------------------------------- */

/* By every byte: whoever writes a disk can give his text the checksum of another's. */
static struct lvm_vg *find_text(struct lvm_scan *scan, const struct lvm_raw_location *slot,
				const char *text)
{
	for (struct lvm_vg *vg = scan->vgs; vg; vg = vg->next) {
		turns_take(&scan->turns, 1);
		if (vg->crc != slot->crc || vg->bytes != slot->bytes)
			continue;
		turns_take(&scan->turns, vg->bytes / COMPARE_STEP_BYTES);
		if (memcmp(vg->raw, text, vg->bytes) == 0)
			return vg;
	}
	return NULL;
}

/* Takes a new group into the scan, and its text, if all together are not too much then; else
 * it is freed. */
static int add_group(struct lvm_scan *scan, const struct lvm_raw_location *slot, char **text,
		     struct lvm_vg *vg, char why[LVM_WHY_BYTES])
{
	if (vg->text.nodes > LVM_SCAN_NODES_MAX - scan->nodes) {
		lvm_vg_free(vg);
		snprintf(why, LVM_WHY_BYTES,
			 "has metadata that is left out: with it there would be more than %u "
			 "words of it on all disks",
			 LVM_SCAN_NODES_MAX);
		return -EINVAL;
	}
	scan->nodes += vg->text.nodes;
	vg->raw = *text;
	*text = NULL;
	vg->crc = slot->crc;
	vg->bytes = slot->bytes;
	vg->next = scan->vgs;
	scan->vgs = vg;
	scan->vg_count++;
	return 0;
}

/* The area's text as a group, parsed unless another area had the same; *text is NULL if it is
 * kept. A text that does not list the disk that it is on speaks for nobody: -ENOENT. */
static int read_vg(struct lvm_scan *scan, const struct lvm_label *label,
		   const struct lvm_raw_location *slot, char **text, struct lvm_vg **vg,
		   char why[LVM_WHY_BYTES])
{
	bool is_new;
	int error = 0;

	*vg = find_text(scan, slot, *text);
	is_new = !*vg;
	if (is_new)
		error = lvm_vg_parse(*text, slot->bytes, vg, why);
	if (error)
		return error;
	if (lvm_vg_find_id(*vg, label->id))
		return is_new ? add_group(scan, slot, text, *vg, why) : 0;
	snprintf(why, LVM_WHY_BYTES, "has the metadata of %.40s, which it is not part of",
		 (*vg)->name);
	if (is_new)
		lvm_vg_free(*vg);
	return -ENOENT;
}

static int read_area(struct lvm_scan *scan, struct lvm_label *label, unsigned index)
{
	struct lvm_area *area = &label->areas[index];
	const struct lvm_raw_location *slot = &area->header.slots[LVM_COMMITTED];
	char *text, why[LVM_WHY_BYTES] = "";
	struct lvm_vg *vg;
	int error = lvm_label_read_text(label, index, &text);

	if (error)
		return error == -ENOMEM ? error : 0;
	error = read_vg(scan, label, slot, &text, &vg, why);
	free(text);
	if (error == -ENOMEM)
		return error;
	if (!error) {
		area->vg = vg;
		return 0;
	}
	lvm_text_refuse(label->why, "%s", why);
	area->state = error == -ENOENT ? LVM_AREA_DAMAGED : LVM_AREA_UNREAD;
	return area->state == LVM_AREA_UNREAD ? lvm_label_read_name(label, index) : 0;
}

/* An area with a text. */
struct reading {
	struct lvm_label *label;
	unsigned area;
	uint64_t bytes;
};

static int by_bytes(const void *a, const void *b, void *scan)
{
	const struct reading *x = a, *y = b;

	turns_take(&((struct lvm_scan *)scan)->turns, 1);
	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? -1 : 1;
	if (x->label != y->label)
		return x->label < y->label ? -1 : 1;
	return (int)x->area - (int)y->area;
}

static int read_areas(struct lvm_scan *scan)
{
	struct reading *readings =
		calloc((size_t)scan->label_count * LVM_AREAS_MAX + 1, sizeof(*readings));
	unsigned count = 0;
	int error = readings ? 0 : -ENOMEM;

	for (unsigned i = 0; readings && i < scan->label_count; i++) {
		struct lvm_label *label = &scan->labels[i];

		for (unsigned a = 0; a < label->area_count; a++)
			if (label->areas[a].state == LVM_AREA_GOOD)
				readings[count++] = (struct reading){
					label, a,
					label->areas[a].header.slots[LVM_COMMITTED].bytes};
	}
	if (count)
		sort_bounded(readings, count, sizeof(*readings), by_bytes, scan);
	for (unsigned i = 0; i < count && !error; i++)
		error = read_area(scan, readings[i].label, readings[i].area);
	free(readings);
	return error;
}

/* ---- matching ---------------------------------------------------------------------------- */

static void match_label(struct lvm_vg *vg, struct lvm_pv *pv, struct lvm_label *label)
{
	if (pv->label)
		lvm_text_refuse(vg->why,
				"has the physical volume %.20s twice: on %.32s and %.32s",
				pv->name, pv->label->disk->name, label->disk->name);
	else if (label->vg && label->vg != vg)
		lvm_text_refuse(vg->why, "shares %.32s with the volume group %.40s",
				label->disk->name, label->vg->name);
	if (label->vg && label->vg != vg)
		lvm_text_refuse(label->vg->why, "shares %.32s with the volume group %.40s",
				label->disk->name, vg->name);
	pv->label = label;
	label->vg = vg;
}

/* The extents lie on the disk, and on none of its metadata areas. */
static void check_place(struct lvm_vg *vg, const struct lvm_pv *pv)
{
	const struct lvm_disk *disk = pv->label->disk;
	uint64_t bytes = pv->extents * vg->extent_bytes;

	if (pv->start > disk->bytes || bytes > disk->bytes - pv->start)
		lvm_text_refuse(vg->why,
				"has the physical volume %.20s, larger than its disk %.32s",
				pv->name, disk->name);
	if (bytes && pv->start < LVM_LABEL_AREA_BYTES)
		lvm_text_refuse(vg->why, "has extents of %.20s where its label is", pv->name);
	for (unsigned i = 0; i < pv->label->area_count; i++) {
		const struct lvm_location *area = &pv->label->areas[i].where;

		if (area->offset < LVM_LABEL_AREA_BYTES ||
		    (area->offset < pv->start + bytes &&
		     pv->start < area->offset + area->bytes))
			lvm_text_refuse(vg->why,
					"has a metadata area of %.20s among its extents",
					pv->name);
	}
}

static int id_is_before(const void *label, const void *id)
{
	return strcmp((*(struct lvm_label *const *)label)->id, id);
}

static void match_pv(struct lvm_scan *scan, struct lvm_vg *vg, struct lvm_pv *pv)
{
	size_t at = sort_find(scan->by_id, scan->label_count, sizeof(struct lvm_label *),
			      pv->id, id_is_before);
	char id[LVM_ID_TEXT_BYTES];

	turns_take(&scan->turns, LVM_LOOK_UP_STEPS);
	for (; at < scan->label_count && strcmp(scan->by_id[at]->id, pv->id) == 0; at++) {
		turns_take(&scan->turns, 1);
		match_label(vg, pv, scan->by_id[at]);
	}
	if (!pv->label) {
		lvm_label_id_text(pv->id, id);
		lvm_text_refuse(vg->why, "lacks the physical volume %.20s (%s)", pv->name, id);
		return;
	}
	if (pv->missing)
		lvm_text_refuse(vg->why,
				"has %.32s marked as missing: vgextend --restoremissing "
				"on Linux takes it back",
				pv->label->disk->name);
	check_place(vg, pv);
}

static int by_id(const void *a, const void *b, void *scan)
{
	const struct lvm_label *x = *(struct lvm_label *const *)a;
	const struct lvm_label *y = *(struct lvm_label *const *)b;
	int order = strcmp(x->id, y->id);

	turns_take(&((struct lvm_scan *)scan)->turns, 1);
	return order ? order : x < y ? -1 : x > y;
}

static int index_labels(struct lvm_scan *scan)
{
	scan->by_id = calloc(scan->label_count + 1, sizeof(struct lvm_label *));
	if (!scan->by_id)
		return -ENOMEM;
	for (unsigned i = 0; i < scan->label_count; i++)
		scan->by_id[i] = &scan->labels[i];
	if (scan->label_count)
		sort_bounded(scan->by_id, scan->label_count, sizeof(struct lvm_label *), by_id,
			     scan);
	return 0;
}

/* ---- what may be changed ----------------------------------------------------------------- */

static void check_area(struct lvm_vg *vg, const struct lvm_label *label,
		       const struct lvm_area *area)
{
	if (area->state == LVM_AREA_DAMAGED)
		lvm_text_refuse(vg->keep_why,
				"has a damaged metadata area on %.32s: vgck "
				"--updatemetadata %.40s on Linux mends it",
				label->disk->name, vg->name);
	else if (area->state == LVM_AREA_UNREAD) /* it may be newer than all that was read */
		lvm_text_refuse(vg->why, "can't be read: %.32s %.160s", label->disk->name,
				label->why);
	else if (area->state == LVM_AREA_GOOD && strcmp(area->vg->id, vg->id) != 0)
		lvm_text_refuse(vg->keep_why, "has the metadata of %.40s on %.32s",
				area->vg->name, label->disk->name);
	else if (area->state == LVM_AREA_GOOD && area->vg != vg)
		lvm_text_refuse(vg->note,
				"has an older copy of its metadata on %.32s: the next change "
				"here renews it, or vgck --updatemetadata %.40s on Linux",
				label->disk->name, vg->name);
}

static void check_areas(struct lvm_vg *vg)
{
	for (unsigned i = 0; i < vg->pv_count; i++) {
		const struct lvm_label *label = vg->pvs[i].label;

		if (!label)
			continue;
		if (label->extension > EXTENSION_VERSION_MAX)
			lvm_text_refuse(vg->keep_why,
					"is of a newer LVM2: %.32s has PV header "
					"version %u",
					label->disk->name, label->extension);
		if (label->more_areas)
			lvm_text_refuse(vg->keep_why,
					"has more metadata areas on %.32s than "
					"LVM2 makes",
					label->disk->name);
		for (unsigned a = 0; a < label->area_count; a++)
			check_area(vg, label, &label->areas[a]);
	}
}

/* ---- what is in no group ------------------------------------------------------------------
 */

static bool all_are(const struct lvm_label *label, enum lvm_area_state state)
{
	for (unsigned a = 0; a < label->area_count; a++)
		if (label->areas[a].state != state)
			return false;
	return true;
}

/* Why the physical volume is in no group that is known. */
static void describe(struct lvm_scan *scan, struct lvm_label *label)
{
	if (label->vg)
		return;
	if (!label->area_count)
		lvm_text_refuse(
			label->why,
			"is a physical volume without metadata of its own, and no other "
			"disk here has its group's");
	else if (all_are(label, LVM_AREA_IGNORED))
		lvm_text_refuse(label->why,
				"is a physical volume whose metadata is marked as ignored, and "
				"no other disk here has its group's");
	else if (all_are(label, LVM_AREA_EMPTY))
		lvm_text_refuse(label->why, "is a physical volume in no group");
	else /* it has a text that is older than one that does not list it */
		lvm_text_refuse(label->why,
				"was taken out of its group, by newer metadata elsewhere");
	lvm_text_refuse(scan->problem, "%.40s %.200s", label->disk->name, label->why);
}

int lvm_scan(struct lvm_disk *const *disks, unsigned count, struct lvm_scan *scan)
{
	int error = 0;

	*scan = (struct lvm_scan){0};
	scan->labels = calloc(count ? count : 1, sizeof(*scan->labels));
	if (!scan->labels)
		return -ENOMEM;
	for (unsigned i = 0; i < count && error != -ENOMEM; i++) {
		error = lvm_label_read(disks[i], &scan->labels[scan->label_count]);
		if (!error)
			scan->label_count++;
	}
	if (error != -ENOMEM)
		error = index_labels(scan);
	if (!error)
		error = read_areas(scan);
	if (!error)
		error = lvm_choose(scan);
	if (error) {
		lvm_scan_free(scan);
		return error;
	}
	for (struct lvm_vg *vg = scan->vgs; vg; vg = vg->next) {
		for (unsigned i = 0; i < vg->pv_count; i++)
			match_pv(scan, vg, &vg->pvs[i]);
		check_areas(vg);
	}
	for (unsigned i = 0; i < scan->label_count; i++)
		describe(scan, &scan->labels[i]);
	return 0;
}

static void free_list(struct lvm_vg *vg)
{
	struct lvm_vg *next;

	for (; vg; vg = next) {
		next = vg->next;
		lvm_vg_free(vg);
	}
}

void lvm_scan_free(struct lvm_scan *scan)
{
	free_list(scan->vgs);
	free_list(scan->old);
	free(scan->labels);
	free(scan->by_id);
	*scan = (struct lvm_scan){0};
}

/* ---- finding ----------------------------------------------------------------------------- */

int lvm_scan_group(const struct lvm_scan *scan, const char *name, struct lvm_vg **vg,
		   char why[LVM_WHY_BYTES])
{
	size_t used;

	for (*vg = scan->vgs; *vg; *vg = (*vg)->next)
		if (strcmp((*vg)->name, name) == 0)
			return 0;
	for (unsigned i = 0; i < scan->label_count; i++) {
		const struct lvm_label *label = &scan->labels[i];

		if (label->vg || strcmp(label->group, name) != 0)
			continue;
		snprintf(why, LVM_WHY_BYTES,
			 "is in a volume group that can't be read: %.40s %.160s",
			 label->disk->name, label->why);
		return -ENOENT;
	}
	used = (size_t)snprintf(why, LVM_WHY_BYTES, "names no volume group; this machine has");
	for (const struct lvm_vg *it = scan->vgs; it && used < LVM_WHY_BYTES; it = it->next)
		used += (size_t)snprintf(why + used, LVM_WHY_BYTES - used, " %.40s", it->name);
	if (!scan->vgs)
		used += (size_t)snprintf(why + used, LVM_WHY_BYTES - used, " none");
	if (*scan->problem && used < LVM_WHY_BYTES)
		snprintf(why + used, LVM_WHY_BYTES - used, "; %.200s", scan->problem);
	return -ENOENT;
}

int lvm_scan_volume(const struct lvm_scan *scan, const char *path, struct lvm_vg **vg,
		    struct lvm_lv **lv, char why[LVM_WHY_BYTES])
{
	const char *slash = strchr(path, '/');
	char group[LVM_NAME_BYTES];
	int error;

	if (!slash || slash == path || !slash[1] || (size_t)(slash - path) >= sizeof(group)) {
		snprintf(why, LVM_WHY_BYTES, "is not of the form GROUP/VOLUME");
		return -EINVAL;
	}
	memcpy(group, path, (size_t)(slash - path));
	group[slash - path] = '\0';
	error = lvm_scan_group(scan, group, vg, why);
	if (error)
		return error;
	*lv = lvm_vg_find(*vg, slash + 1);
	if (!*lv) {
		snprintf(why, LVM_WHY_BYTES, "names no volume of the volume group %.40s",
			 group);
		return -ENOENT;
	}
	return 0;
}

/* Chooses among what the disks say. A disk that a guest could write may lie in every byte, so
 * whatever is ambiguous is refused. */
#include "drivers/volume/lvm/scan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXTENSION_VERSION_MAX 2 /* PV_HEADER_EXTENSION_VSN of LVM2 2.03 */

/* ---- reading ----------------------------------------------------------------------------- */

static struct lvm_vg *find_text(struct lvm_scan *scan, const struct lvm_raw_location *slot)
{
	for (struct lvm_vg *vg = scan->vgs; vg; vg = vg->next)
		if (vg->crc == slot->crc && vg->bytes == slot->bytes)
			return vg;
	return NULL;
}

static bool lists(const struct lvm_vg *vg, const char *id)
{
	for (unsigned i = 0; i < vg->pv_count; i++)
		if (strcmp(vg->pvs[i].id, id) == 0)
			return true;
	return false;
}

/* The area's text as a group, parsed unless another area had the same. A text that does not
 * list the disk that it is on speaks for nobody. */
static int read_vg(struct lvm_scan *scan, struct lvm_label *label, unsigned index,
		   struct lvm_vg **vg, char why[LVM_WHY_BYTES])
{
	const struct lvm_raw_location *slot = &label->areas[index].header.slots[LVM_COMMITTED];
	char *text;
	int error = lvm_label_read_text(label, index, &text);

	if (error) {
		snprintf(why, LVM_WHY_BYTES, "has metadata that can't be read, or is damaged");
		return error;
	}
	*vg = find_text(scan, slot);
	if (!*vg)
		error = lvm_vg_parse(text, slot->bytes, vg, why);
	free(text);
	if (error)
		return error;
	if (lists(*vg, label->id))
		return 0;
	snprintf(why, LVM_WHY_BYTES, "has the metadata of %.40s, which it is not part of",
		 (*vg)->name);
	if (!find_text(scan, slot))
		lvm_vg_free(*vg);
	return -EINVAL;
}

static int read_area(struct lvm_scan *scan, struct lvm_label *label, unsigned index)
{
	struct lvm_area *area = &label->areas[index];
	const struct lvm_raw_location *slot = &area->header.slots[LVM_COMMITTED];
	char why[LVM_WHY_BYTES] = "";
	int error;

	if (area->state != LVM_AREA_GOOD)
		return 0;
	error = read_vg(scan, label, index, &area->vg, why);
	if (error == -ENOMEM)
		return error;
	if (error) {
		area->vg = NULL;
		area->state = LVM_AREA_DAMAGED;
		lvm_vg_refuse(scan->problem, "%.40s %.200s", label->disk->name, why);
		return 0;
	}
	if (!find_text(scan, slot)) {
		area->vg->crc = slot->crc;
		area->vg->bytes = slot->bytes;
		area->vg->next = scan->vgs;
		scan->vgs = area->vg;
	}
	return 0;
}

/* ---- choosing ---------------------------------------------------------------------------- */

static bool same_group(const struct lvm_vg *a, const struct lvm_vg *b)
{
	return strcmp(a->id, b->id) == 0;
}

/* Whether another state of the group is newer. Of two with one number neither counts. */
static bool is_old(const struct lvm_scan *scan, struct lvm_vg *vg)
{
	for (struct lvm_vg *other = scan->vgs; other; other = other->next) {
		if (other == vg || !same_group(vg, other))
			continue;
		if (other->seqno > vg->seqno)
			return true;
		if (other->seqno == vg->seqno)
			lvm_vg_refuse(vg->why,
				      "has two states with the number %u, which differ",
				      vg->seqno);
	}
	return false;
}

static void sort_out_old(struct lvm_scan *scan)
{
	struct lvm_vg *current = NULL, *old = NULL, *next;

	/* The lists are changed only after all were compared. */
	for (struct lvm_vg *vg = scan->vgs; vg; vg = vg->next)
		vg->is_old = is_old(scan, vg);
	for (struct lvm_vg *vg = scan->vgs; vg; vg = next) {
		struct lvm_vg **list = vg->is_old ? &old : &current;

		next = vg->next;
		vg->next = *list;
		*list = vg;
	}
	scan->vgs = current;
	scan->old = old;
}

/* Whether some disk has the state `vg`, and is in the group by the state `old` too. */
static bool is_known(const struct lvm_scan *scan, const struct lvm_vg *vg,
		     const struct lvm_vg *old)
{
	for (unsigned i = 0; i < scan->label_count; i++) {
		const struct lvm_label *label = &scan->labels[i];

		for (unsigned a = 0; a < label->area_count; a++)
			if (label->areas[a].vg == vg && lists(old, label->id))
				return true;
	}
	return false;
}

/* A disk can't join a group by its own word: else whoever may write to some disk could make
 * itself the newest state of any group. */
static void refuse_strangers(struct lvm_scan *scan)
{
	for (struct lvm_vg *vg = scan->vgs; vg; vg = vg->next)
		for (const struct lvm_vg *old = scan->old; old; old = old->next)
			if (same_group(vg, old) && !is_known(scan, vg, old))
				lvm_vg_refuse(
					vg->why,
					"has its newest state (%u) only on disks that are "
					"not part of it by an older one (%u): vgck on "
					"Linux tells more",
					vg->seqno, old->seqno);
}

static void refuse_same_names(struct lvm_scan *scan)
{
	for (struct lvm_vg *vg = scan->vgs; vg; vg = vg->next)
		for (struct lvm_vg *other = vg->next; other; other = other->next)
			if (strcmp(vg->name, other->name) == 0 && !same_group(vg, other)) {
				static const char why[] = "is the name of two volume groups: "
							  "vgrename on Linux tells them apart";

				lvm_vg_refuse(vg->why, why);
				lvm_vg_refuse(other->why, why);
			}
}

/* ---- matching ---------------------------------------------------------------------------- */

static void match_label(struct lvm_vg *vg, struct lvm_pv *pv, struct lvm_label *label)
{
	if (pv->label)
		lvm_vg_refuse(vg->why,
			      "has the physical volume %.20s twice: on %.32s and %.32s",
			      pv->name, pv->label->disk->name, label->disk->name);
	else if (label->vg && label->vg != vg)
		lvm_vg_refuse(vg->why, "shares %.32s with the volume group %.40s",
			      label->disk->name, label->vg->name);
	if (label->vg && label->vg != vg)
		lvm_vg_refuse(label->vg->why, "shares %.32s with the volume group %.40s",
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
		lvm_vg_refuse(vg->why,
			      "has the physical volume %.20s, larger than its disk %.32s",
			      pv->name, disk->name);
	if (bytes && pv->start < LVM_LABEL_AREA_BYTES)
		lvm_vg_refuse(vg->why, "has extents of %.20s where its label is", pv->name);
	for (unsigned i = 0; i < pv->label->area_count; i++) {
		const struct lvm_location *area = &pv->label->areas[i].where;

		if (area->offset < LVM_LABEL_AREA_BYTES ||
		    (area->offset < pv->start + bytes &&
		     pv->start < area->offset + area->bytes))
			lvm_vg_refuse(vg->why, "has a metadata area of %.20s among its extents",
				      pv->name);
	}
}

static void match_pv(struct lvm_scan *scan, struct lvm_vg *vg, struct lvm_pv *pv)
{
	char id[LVM_ID_TEXT_BYTES];

	for (unsigned i = 0; i < scan->label_count; i++)
		if (strcmp(scan->labels[i].id, pv->id) == 0)
			match_label(vg, pv, &scan->labels[i]);
	if (!pv->label) {
		lvm_label_id_text(pv->id, id);
		lvm_vg_refuse(vg->why, "lacks the physical volume %.20s (%s)", pv->name, id);
		return;
	}
	if (pv->missing)
		lvm_vg_refuse(vg->why,
			      "has %.32s marked as missing: vgextend --restoremissing "
			      "on Linux takes it back",
			      pv->label->disk->name);
	check_place(vg, pv);
}

/* ---- what may be changed ----------------------------------------------------------------- */

static void check_area(struct lvm_vg *vg, const struct lvm_label *label,
		       const struct lvm_area *area)
{
	if (area->state == LVM_AREA_DAMAGED)
		lvm_vg_refuse(vg->keep_why,
			      "has a damaged metadata area on %.32s: vgck "
			      "--updatemetadata on Linux mends it",
			      label->disk->name);
	else if (area->state == LVM_AREA_GOOD && !same_group(area->vg, vg))
		lvm_vg_refuse(vg->keep_why, "has the metadata of %.40s on %.32s",
			      area->vg->name, label->disk->name);
}

static void check_changeable(struct lvm_vg *vg)
{
	for (unsigned i = 0; i < vg->pv_count; i++) {
		const struct lvm_label *label = vg->pvs[i].label;

		if (!label)
			continue;
		if (label->extension > EXTENSION_VERSION_MAX)
			lvm_vg_refuse(vg->keep_why,
				      "is of a newer LVM2: %.32s has PV header "
				      "version %u",
				      label->disk->name, label->extension);
		if (label->more_areas)
			lvm_vg_refuse(vg->keep_why,
				      "has more metadata areas on %.32s than "
				      "LVM2 makes",
				      label->disk->name);
		for (unsigned a = 0; a < label->area_count; a++)
			check_area(vg, label, &label->areas[a]);
	}
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
	for (unsigned i = 0; i < scan->label_count && error != -ENOMEM; i++)
		for (unsigned a = 0; a < scan->labels[i].area_count && error != -ENOMEM; a++)
			error = read_area(scan, &scan->labels[i], a);
	if (error == -ENOMEM) {
		lvm_scan_free(scan);
		return error;
	}
	sort_out_old(scan);
	refuse_strangers(scan);
	refuse_same_names(scan);
	for (struct lvm_vg *vg = scan->vgs; vg; vg = vg->next) {
		for (unsigned i = 0; i < vg->pv_count; i++)
			match_pv(scan, vg, &vg->pvs[i]);
		check_changeable(vg);
	}
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
	used = (size_t)snprintf(why, LVM_WHY_BYTES, "names no volume group; this machine has");
	for (const struct lvm_vg *it = scan->vgs; it && used < LVM_WHY_BYTES; it = it->next)
		used += (size_t)snprintf(why + used, LVM_WHY_BYTES - used, " %.40s", it->name);
	if (!scan->vgs)
		snprintf(why + used, LVM_WHY_BYTES - used, " none%s%.100s",
			 *scan->problem ? ": " : "", scan->problem);
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

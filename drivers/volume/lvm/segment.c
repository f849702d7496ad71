/*
 * Segments: what each piece of a logical volume is made of. Of those that are served (striped,
 * of PVs) everything is checked; of others, which extents they use and which volumes.
 */
#include "drivers/volume/lvm/vg_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/lib/sort.h"

static int lacks(char why[LVM_WHY_BYTES], const struct lvm_lv *lv, const char *what)
{
	snprintf(why, LVM_WHY_BYTES, "has metadata where %.60s has no right %s", lv->name,
		 what);
	return -EINVAL;
}

static int find_pv(struct lvm_vg *vg, const char *name, uint32_t *index)
{
	const struct lvm_pv *pv = lvm_vg_find_pv(vg, name);

	turns_take(&vg->text.turns, LVM_LOOK_UP_STEPS);
	if (!pv)
		return -ENOENT;
	*index = (uint32_t)(pv - vg->pvs);
	return 0;
}

static struct lvm_lv *find_lv(struct lvm_vg *vg, const char *name)
{
	turns_take(&vg->text.turns, LVM_LOOK_UP_STEPS);
	return lvm_vg_find(vg, name);
}

static bool is_striped(const struct lvm_segment *segment)
{
	return strcmp(segment->type, "striped") == 0 || strcmp(segment->type, "linear") == 0;
}

/* ---- striped segments --------------------------------------------------------------------
 */

/* `"pv0", 17`: -ENOENT where it is a volume that is named. */
static int parse_area(struct lvm_vg *vg, struct lvm_lv *lv, const struct lvm_node *name,
		      struct lvm_run *area, char why[LVM_WHY_BYTES])
{
	const struct lvm_node *number = name->next;
	uint64_t first;

	if (name->kind != LVM_STRING || number->kind != LVM_NUMBER ||
	    !lvm_text_to_number(number->text, UINT32_MAX, &first))
		return lacks(why, lv, "stripes");
	if (find_pv(vg, name->text, &area->pv))
		return find_lv(vg, name->text) ? -ENOENT : lacks(why, lv, "stripes");
	area->first = (uint32_t)first;
	if (first > vg->pvs[area->pv].extents ||
	    area->count > vg->pvs[area->pv].extents - area->first)
		return lacks(why, lv, "stripes: they end behind their physical volume");
	return 0;
}

static int parse_areas(struct lvm_vg *vg, struct lvm_lv *lv, const struct lvm_node *node,
		       struct lvm_segment *segment, char why[LVM_WHY_BYTES])
{
	const struct lvm_node *list = lvm_text_find(node, LVM_FIELD, "stripes"), *name;
	struct lvm_run *areas;
	int error;

	if (!list || list->count != 2 * segment->stripes)
		return lacks(why, lv, "stripes");
	areas = lvm_text_alloc(&vg->text, segment->stripes * sizeof(*areas));
	if (!areas)
		return -ENOMEM;
	name = list->first;
	for (unsigned i = 0; i < segment->stripes; i++) {
		areas[i].count = segment->count / segment->stripes;
		error = parse_area(vg, lv, name, &areas[i], why);
		if (error)
			return error == -ENOENT ? 0 : error; /* stays without areas */
		name = name->next->next;
	}
	segment->areas = areas;
	return 0;
}

static int parse_stripes(struct lvm_vg *vg, struct lvm_lv *lv, const struct lvm_node *node,
			 struct lvm_segment *segment, char why[LVM_WHY_BYTES])
{
	uint64_t stripes, sectors = 0, stripe_extents;

	if (lvm_text_number(node, "stripe_count", UINT32_MAX, &stripes) || !stripes)
		return lacks(why, lv, "stripe_count");
	if (stripes > LVM_STRIPES_MAX) {
		snprintf(why, LVM_WHY_BYTES,
			 "has %.60s in %llu stripes; Bulkhead takes %u at most", lv->name,
			 (unsigned long long)stripes, LVM_STRIPES_MAX);
		return -EINVAL;
	}
	if (segment->count % stripes)
		return lacks(why, lv, "stripe_count");
	stripe_extents = segment->count / stripes;
	if (stripes > 1 &&
	    (lvm_text_number(node, "stripe_size", UINT32_MAX / LVM_SECTOR_BYTES, &sectors) ||
	     !sectors || stripe_extents * vg->extent_bytes % (sectors * LVM_SECTOR_BYTES)))
		return lacks(why, lv, "stripe_size");
	segment->stripes = (uint32_t)stripes;
	segment->stripe_bytes = (uint32_t)(sectors * LVM_SECTOR_BYTES);
	return parse_areas(vg, lv, node, segment, why);
}

/* ---- any segment ------------------------------------------------------------------------- */

/* Pairs of a PV and an extent in segments that are not striped: a mirror has its whole length
 * there, which only pvmove makes. What others mean by it is not known here. */
static void note_unknown_areas(struct lvm_vg *vg, const struct lvm_segment *segment,
			       const struct lvm_node *node)
{
	uint32_t pv;

	for (const struct lvm_node *field = node->first; field; field = field->next) {
		if (field->kind != LVM_FIELD || !field->list)
			continue;
		for (const struct lvm_node *value = field->first; value; value = value->next)
			if (value->kind == LVM_STRING && value->next &&
			    value->next->kind == LVM_NUMBER && !find_pv(vg, value->text, &pv))
				lvm_text_refuse(vg->keep_why,
						"has a volume of the type %.40s on physical "
						"volumes, whose extents Bulkhead can't tell",
						segment->type);
	}
}

static void note_use(struct lvm_lv *used, const struct lvm_lv *user, const char *type,
		     const char *field)
{
	if (!used || used == user || used->user)
		return;
	used->user = user->name;
	used->user_type = type;
	used->user_field = field;
}

/* Any string in a segment that is a volume's name: origins, pools, images, logs. */
static void note_uses(struct lvm_vg *vg, const struct lvm_lv *lv,
		      const struct lvm_segment *segment, const struct lvm_node *node)
{
	for (const struct lvm_node *field = node->first; field; field = field->next) {
		if (field->kind != LVM_FIELD || strcmp(field->text, "type") == 0 ||
		    strcmp(field->text, "tags") == 0)
			continue;
		for (const struct lvm_node *value = field->first; value; value = value->next)
			if (value->kind == LVM_STRING)
				note_use(find_lv(vg, value->text), lv, segment->type,
					 field->text);
	}
}

static int parse_segment(struct lvm_vg *vg, struct lvm_lv *lv, struct lvm_node *node,
			 struct lvm_segment *segment, char why[LVM_WHY_BYTES])
{
	uint64_t first, count;
	int error = 0;

	turns_take(&vg->text.turns, LVM_LOOK_UP_STEPS * (uint64_t)node->count);
	if (lvm_text_number(node, "start_extent", UINT32_MAX, &first))
		return lacks(why, lv, "start_extent");
	if (lvm_text_number(node, "extent_count", UINT32_MAX, &count) || !count)
		return lacks(why, lv, "extent_count");
	segment->node = node;
	segment->first = (uint32_t)first;
	segment->count = (uint32_t)count;
	segment->type = lvm_text_string(node, "type");
	if (!segment->type)
		return lacks(why, lv, "type");
	if (is_striped(segment))
		error = parse_stripes(vg, lv, node, segment, why);
	else
		note_unknown_areas(vg, segment, node);
	if (!segment->areas)
		note_uses(vg, lv, segment, node);
	return error;
}

static int by_first(const void *a, const void *b, void *vg)
{
	const struct lvm_segment *x = a, *y = b;

	turns_take(&((struct lvm_vg *)vg)->text.turns, 1);
	return x->first < y->first ? -1 : x->first > y->first;
}

/* All sections of a volume are its segments. */
static int parse_volume(struct lvm_vg *vg, struct lvm_lv *lv, char why[LVM_WHY_BYTES])
{
	unsigned count = lvm_text_sections(lv->node);
	uint64_t said, next = 0;
	int error = 0;

	if (!count || lvm_text_number(lv->node, "segment_count", count, &said) || said != count)
		return lacks(why, lv, "segment_count");
	lv->segments = lvm_text_alloc(&vg->text, count * sizeof(*lv->segments));
	if (!lv->segments)
		return -ENOMEM;
	for (struct lvm_node *node = lv->node->first; node && !error; node = node->next) {
		if (node->kind == LVM_SECTION)
			error = parse_segment(vg, lv, node, &lv->segments[lv->segment_count++],
					      why);
	}
	if (error)
		return error;
	sort_bounded(lv->segments, count, sizeof(*lv->segments), by_first, vg);
	for (unsigned i = 0; i < count; i++) {
		if (lv->segments[i].first != next)
			return lacks(why, lv, "start_extent");
		next += lv->segments[i].count;
	}
	if (next >= LVM_EXTENT_NONE)
		return lacks(why, lv, "extent_count");
	lv->extents = (uint32_t)next;
	return 0;
}

/* ---- extents in use ---------------------------------------------------------------------- */

static int by_place(const void *a, const void *b, void *vg)
{
	const struct lvm_run *x = a, *y = b;

	turns_take(&((struct lvm_vg *)vg)->text.turns, 1);
	if (x->pv != y->pv)
		return x->pv < y->pv ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

static unsigned gather(const struct lvm_vg *vg, struct lvm_run *runs)
{
	unsigned count = 0;

	for (unsigned v = 0; v < vg->lv_count; v++) {
		for (unsigned s = 0; s < vg->lvs[v].segment_count; s++) {
			const struct lvm_segment *segment = &vg->lvs[v].segments[s];

			for (unsigned i = 0; segment->areas && i < segment->stripes; i++) {
				if (runs)
					runs[count] = segment->areas[i];
				count++;
			}
		}
	}
	return count;
}

static int find_used(struct lvm_vg *vg)
{
	unsigned count = gather(vg, NULL);

	if (!count)
		return 0;
	vg->used = lvm_text_alloc(&vg->text, count * sizeof(*vg->used));
	if (!vg->used)
		return -ENOMEM;
	vg->used_count = gather(vg, vg->used);
	sort_bounded(vg->used, count, sizeof(*vg->used), by_place, vg);
	for (unsigned i = 1; i < count; i++)
		if (vg->used[i].pv == vg->used[i - 1].pv &&
		    vg->used[i].first - vg->used[i - 1].first < vg->used[i - 1].count)
			lvm_text_refuse(vg->why, "has extent %u of %.40s in use twice",
					vg->used[i].first, vg->pvs[vg->used[i].pv].name);
	return 0;
}

int lvm_segments_parse(struct lvm_vg *vg, char why[LVM_WHY_BYTES])
{
	int error = 0;

	for (unsigned i = 0; i < vg->lv_count && !error; i++)
		error = parse_volume(vg, &vg->lvs[i], why);
	return error ? error : find_used(vg);
}

/* ---- what can be served ------------------------------------------------------------------ */

static void say_part(const struct lvm_vg *vg, const struct lvm_lv *lv, char why[LVM_WHY_BYTES])
{
	if (strcmp(lv->user_field, "cow_store") == 0)
		snprintf(
			why, LVM_WHY_BYTES,
			"is a snapshot, which Bulkhead can't serve; linear and striped volumes "
			"are served");
	else if (strcmp(lv->user_type, "snapshot") == 0)
		snprintf(why, LVM_WHY_BYTES,
			 "has snapshots, which Bulkhead can't keep up to date; remove them "
			 "first (lvs on Linux lists them)");
	else
		snprintf(why, LVM_WHY_BYTES,
			 "is a part of %.40s/%.40s, a volume of the type %.40s, and nothing by "
			 "itself",
			 vg->name, lv->user, lv->user_type);
}

static const char *odd_type(const struct lvm_lv *lv)
{
	for (unsigned i = 0; i < lv->segment_count; i++)
		if (!is_striped(&lv->segments[i]))
			return lv->segments[i].type;
	return NULL;
}

static bool made_of_pvs(const struct lvm_lv *lv)
{
	for (unsigned i = 0; i < lv->segment_count; i++)
		if (!lv->segments[i].areas)
			return false;
	return true;
}

int lvm_vg_check(const struct lvm_vg *vg, const struct lvm_lv *lv, char why[LVM_WHY_BYTES])
{
	const char *type = odd_type(lv);

	if (*vg->why)
		snprintf(why, LVM_WHY_BYTES, "is in %.40s, which %.200s", vg->name, vg->why);
	else if (type)
		snprintf(why, LVM_WHY_BYTES,
			 "is a %.40s volume, which Bulkhead can't serve; linear and striped "
			 "volumes are served",
			 type);
	else if (lv->user)
		say_part(vg, lv, why);
	else if (!made_of_pvs(lv))
		snprintf(why, LVM_WHY_BYTES,
			 "is made of other volumes (by pvmove, say), which Bulkhead can't "
			 "serve");
	else if (!lv->visible)
		snprintf(why, LVM_WHY_BYTES, "is hidden: LVM2 keeps it for itself");
	else if (lv->locked)
		snprintf(why, LVM_WHY_BYTES, "is in the middle of a pvmove");
	else
		return 0;
	return -EINVAL;
}

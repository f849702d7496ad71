/* Edits the tree as LVM2 would have written it, field by field (lib/format_text/export.c), and
 * prints the whole. */
#include "drivers/volume/lvm/change.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/lvm/alloc.h"
#include "kernel/lib/plural.h"

#define DIGITS_BYTES	 24
#define STRIPE_BYTES_MIN (4 * KIB)

/* ---- pieces of text -----------------------------------------------------------------------
 */

static struct lvm_node *add_value(struct lvm_vg *vg, struct lvm_node *section, const char *name,
				  enum lvm_kind kind, const char *value)
{
	struct lvm_node *field = lvm_text_field(&vg->text, section, name);

	return field && lvm_text_value(&vg->text, field, kind, value) ? field : NULL;
}

static struct lvm_node *add_number(struct lvm_vg *vg, struct lvm_node *section,
				   const char *name, uint64_t number)
{
	char digits[DIGITS_BYTES];

	snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
	return add_value(vg, section, name, LVM_NUMBER, digits);
}

static struct lvm_node *add_string(struct lvm_vg *vg, struct lvm_node *section,
				   const char *name, const char *value)
{
	return add_value(vg, section, name, LVM_STRING, value);
}

static int add_list(struct lvm_vg *vg, struct lvm_node *section, const char *name,
		    const char *const *words)
{
	struct lvm_node *field = lvm_text_field(&vg->text, section, name);

	if (!field)
		return -ENOMEM;
	field->list = true;
	for (; *words; words++)
		if (!lvm_text_value(&vg->text, field, LVM_STRING, *words))
			return -ENOMEM;
	return 0;
}

/* The field is there, with one number: the group was parsed. */
static int set_number(struct lvm_vg *vg, struct lvm_node *section, const char *name,
		      uint64_t number)
{
	struct lvm_node *field = lvm_text_find(section, LVM_FIELD, name);
	char digits[DIGITS_BYTES];

	field->first = field->last = NULL;
	snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
	return lvm_text_value(&vg->text, field, LVM_NUMBER, digits) ? 0 : -ENOMEM;
}

/* ---- segments -----------------------------------------------------------------------------
 */

static int add_areas(struct lvm_vg *vg, struct lvm_node *section, const struct lvm_piece *piece,
		     uint32_t stripes)
{
	struct lvm_node *field = lvm_text_field(&vg->text, section, "stripes"), *value;
	char digits[DIGITS_BYTES];

	if (!field)
		return -ENOMEM;
	field->list = true;
	field->gap = true;
	for (uint32_t s = 0; s < stripes; s++) {
		value = lvm_text_value(&vg->text, field, LVM_STRING,
				       vg->pvs[piece->runs[s].pv].name);
		if (!value)
			return -ENOMEM;
		value->newline = true;
		snprintf(digits, sizeof(digits), "%lu", (unsigned long)piece->runs[s].first);
		if (!lvm_text_value(&vg->text, field, LVM_NUMBER, digits))
			return -ENOMEM;
	}
	return 0;
}

static int add_segment(struct lvm_vg *vg, struct lvm_node *volume, unsigned number,
		       uint32_t first, const struct lvm_piece *piece, uint32_t stripes,
		       uint32_t stripe_bytes)
{
	char name[DIGITS_BYTES];
	struct lvm_node *section, *type;

	snprintf(name, sizeof(name), "segment%u", number);
	section = lvm_text_section(&vg->text, volume, name);
	if (!section)
		return -ENOMEM;
	section->gap = number == 1;
	if (!add_number(vg, section, "start_extent", first) ||
	    !add_number(vg, section, "extent_count", (uint64_t)piece->count * stripes) ||
	    !(type = add_string(vg, section, "type", "striped")) ||
	    !add_number(vg, section, "stripe_count", stripes) ||
	    (stripes > 1 &&
	     !add_number(vg, section, "stripe_size", stripe_bytes / LVM_SECTOR_BYTES)))
		return -ENOMEM;
	type->gap = true;
	return add_areas(vg, section, piece, stripes);
}

static bool goes_on(const struct lvm_segment *last, const struct lvm_piece *piece)
{
	for (uint32_t s = 0; s < last->stripes; s++)
		if (piece->runs[s].pv != last->areas[s].pv ||
		    piece->runs[s].first != last->areas[s].first + last->areas[s].count)
			return false;
	return true;
}

/* ---- creating ---------------------------------------------------------------------------- */

static int check_policy(const struct lvm_vg *vg, const struct lvm_node *section,
			char why[LVM_WHY_BYTES])
{
	const char *policy = lvm_text_string(section, "allocation_policy");

	if (!policy || strcmp(policy, "normal") == 0 || strcmp(policy, "anywhere") == 0 ||
	    strcmp(policy, "inherit") == 0)
		return 0;
	snprintf(why, LVM_WHY_BYTES,
		 "is in %.40s, where extents are to be chosen by the policy \"%.20s\", which "
		 "Bulkhead does not know; use LVM2 on Linux",
		 vg->name, policy);
	return -EINVAL;
}

static int check_new(const struct lvm_vg *vg, const struct lvm_new *new,
		     char why[LVM_WHY_BYTES])
{
	uint64_t max = 0;
	int error = lvm_change_name(vg, new->name, why);

	if (!error)
		error = check_policy(vg, vg->node, why);
	if (error)
		return error;
	if (lvm_vg_find(vg, new->name)) {
		snprintf(why, LVM_WHY_BYTES, "exists already");
		return -EEXIST;
	}
	lvm_text_number(vg->node, "max_lv", UINT32_MAX, &max);
	if (max && vg->lv_count >= max)
		snprintf(why, LVM_WHY_BYTES,
			 "would be one more than the %llu volumes that %.40s may have",
			 (unsigned long long)max, vg->name);
	else if (!new->bytes)
		snprintf(why, LVM_WHY_BYTES, "needs a size");
	else if (!new->stripes || new->stripes > LVM_STRIPES_MAX || new->stripes > vg->pv_count)
		snprintf(why, LVM_WHY_BYTES,
			 "can't have %u stripe%s: %.40s has %u physical volume%s", new->stripes,
			 plural(new->stripes), vg->name, vg->pv_count, plural(vg->pv_count));
	else if (new->stripes > 1 && (new->stripe_bytes < STRIPE_BYTES_MIN ||
				      (new->stripe_bytes &(new->stripe_bytes - 1)) ||
				      vg->extent_bytes % new->stripe_bytes))
		snprintf(why, LVM_WHY_BYTES,
			 "needs stripes of 4 KiB or more, a power of two that divides the "
			 "extent "
			 "of %llu KiB",
			 (unsigned long long)(vg->extent_bytes / KIB));
	else
		return 0;
	return -EINVAL;
}

/* Extents for `bytes`, as many on each stripe; UINT32_MAX or more is too many. */
static uint64_t extents_for(const struct lvm_vg *vg, uint64_t bytes, uint32_t stripes)
{
	uint64_t extents = bytes / vg->extent_bytes + (bytes % vg->extent_bytes != 0);

	return (extents + stripes - 1) / stripes * stripes;
}

static int new_id(const struct lvm_author *author, char text[LVM_ID_TEXT_BYTES])
{
	uint8_t bytes[LVM_ID_BYTES];
	char id[LVM_ID_BYTES];
	int error = author->random(bytes, sizeof(bytes));

	if (error)
		return error;
	for (unsigned i = 0; i < sizeof(id); i++)
		id[i] = lvm_label_id_letter(bytes[i]);
	lvm_label_id_text(id, text);
	return 0;
}

static struct lvm_node *volumes_section(struct lvm_vg *vg)
{
	struct lvm_node *list = lvm_text_find(vg->node, LVM_SECTION, "logical_volumes");

	if (!list && (list = lvm_text_section(&vg->text, vg->node, "logical_volumes")))
		list->gap = true;
	return list;
}

static int add_volume(struct lvm_vg *vg, const struct lvm_new *new,
		      const struct lvm_author *author, unsigned segments,
		      struct lvm_node **volume)
{
	static const char *const status[] = {"READ", "WRITE", "VISIBLE", NULL};
	static const char *const none[] = {NULL};
	struct lvm_node *list = volumes_section(vg);
	char id[LVM_ID_TEXT_BYTES];
	int error = new_id(author, id);

	if (error)
		return error;
	*volume = list ? lvm_text_section(&vg->text, list, new->name) : NULL;
	if (!*volume)
		return -ENOMEM;
	(*volume)->gap = true;
	if (!add_string(vg, *volume, "id", id) || add_list(vg, *volume, "status", status) ||
	    add_list(vg, *volume, "flags", none) ||
	    !add_number(vg, *volume, "creation_time", author->time_s) ||
	    !add_string(vg, *volume, "creation_host", author->host) ||
	    !add_number(vg, *volume, "segment_count", segments))
		return -ENOMEM;
	return 0;
}

static int too_large(const struct lvm_vg *vg, char why[LVM_WHY_BYTES])
{
	snprintf(why, LVM_WHY_BYTES, "would be larger than all of %.40s", vg->name);
	return -ENOSPC;
}

int lvm_change_create(struct lvm_vg *vg, const struct lvm_new *new,
		      const struct lvm_author *author, char why[LVM_WHY_BYTES])
{
	struct lvm_piece pieces[LVM_PIECES_MAX];
	struct lvm_wish wish = {.stripes = new->stripes};
	struct lvm_node *volume;
	unsigned count;
	uint32_t first = 0;
	uint64_t extents;
	int error = check_new(vg, new, why);

	if (error)
		return error;
	extents = extents_for(vg, new->bytes, new->stripes);
	if (extents >= LVM_EXTENT_NONE)
		return too_large(vg, why);
	wish.extents = (uint32_t)extents / new->stripes;
	error = lvm_alloc(vg, &wish, pieces, &count, why);
	if (!error)
		error = add_volume(vg, new, author, count, &volume);
	for (unsigned i = 0; i < count && !error; i++) {
		error = add_segment(vg, volume, i + 1, first, &pieces[i], new->stripes,
				    new->stripe_bytes);
		first += pieces[i].count * new->stripes;
	}
	return error;
}

/* ---- resizing and removing ----------------------------------------------------------------
 */

static int grow(struct lvm_vg *vg, struct lvm_lv *lv, uint32_t extents, char why[LVM_WHY_BYTES])
{
	const struct lvm_segment *last = &lv->segments[lv->segment_count - 1];
	struct lvm_piece pieces[LVM_PIECES_MAX];
	const struct lvm_wish wish = {.stripes = last->stripes,
				      .extents = extents / last->stripes,
				      .after = last->areas};
	unsigned count, first_new = 0, segments = lv->segment_count;
	uint32_t first = lv->extents;
	int error = lvm_alloc(vg, &wish, pieces, &count, why);

	if (!error && goes_on(last, &pieces[0])) {
		uint32_t more = pieces[0].count * last->stripes;

		error = set_number(vg, last->node, "extent_count", last->count + more);
		first += more;
		first_new = 1;
	}
	for (unsigned i = first_new; i < count && !error; i++) {
		error = add_segment(vg, lv->node, ++segments, first, &pieces[i], last->stripes,
				    last->stripe_bytes);
		first += pieces[i].count * last->stripes;
	}
	return error ? error : set_number(vg, lv->node, "segment_count", segments);
}

/* Whether what is in a volume's section belongs to its first extents: they were parsed. */
static bool begins_before(const struct lvm_node *node, const void *extents)
{
	uint64_t first = 0;

	if (node->kind == LVM_SECTION)
		lvm_text_number(node, "start_extent", UINT32_MAX, &first);
	return first < *(const uint32_t *)extents;
}

/* Segments behind the new end go; the one that it is in is cut. */
static int shrink(struct lvm_vg *vg, struct lvm_lv *lv, uint32_t extents)
{
	unsigned left = lv->segment_count;
	const struct lvm_segment *last;

	while (lv->segments[left - 1].first >= extents)
		left--;
	lvm_text_keep(lv->node, begins_before, &extents);
	last = &lv->segments[left - 1];
	if (set_number(vg, last->node, "extent_count", extents - last->first))
		return -ENOMEM;
	return set_number(vg, lv->node, "segment_count", left);
}

/* What the volume's new end is: in the segment where it comes to lie, every stripe has as much.
 */
static uint64_t new_extents(const struct lvm_vg *vg, const struct lvm_lv *lv, uint64_t bytes)
{
	const struct lvm_segment *segment = &lv->segments[lv->segment_count - 1];
	uint64_t extents = extents_for(vg, bytes, 1);

	while (segment->first >= extents && segment->first)
		segment--;
	extents -= segment->first;
	return segment->first +
	       (extents + segment->stripes - 1) / segment->stripes * segment->stripes;
}

int lvm_change_resize(struct lvm_vg *vg, struct lvm_lv *lv, uint64_t bytes,
		      char why[LVM_WHY_BYTES])
{
	uint64_t extents;
	int error = lvm_vg_check(vg, lv, why);

	if (!error)
		error = check_policy(vg, vg->node, why);
	if (!error)
		error = check_policy(vg, lv->node, why);
	if (error)
		return error;
	if (!bytes) {
		snprintf(why, LVM_WHY_BYTES, "can't have the size 0; lvremove takes it away");
		return -EINVAL;
	}
	extents = new_extents(vg, lv, bytes);
	if (extents >= LVM_EXTENT_NONE)
		return too_large(vg, why);
	if (extents == lv->extents) {
		snprintf(why, LVM_WHY_BYTES, "has that size already");
		return -EALREADY;
	}
	if (extents > lv->extents)
		return grow(vg, lv, (uint32_t)extents - lv->extents, why);
	return shrink(vg, lv, (uint32_t)extents);
}

int lvm_change_remove(struct lvm_vg *vg, struct lvm_lv *lv, char why[LVM_WHY_BYTES])
{
	struct lvm_node *list = lvm_text_find(vg->node, LVM_SECTION, "logical_volumes");
	int error = lvm_vg_check(vg, lv, why);

	if (error)
		return error;
	lvm_text_remove(list, lv->node);
	if (!list->first)
		lvm_text_remove(vg->node, list);
	return 0;
}

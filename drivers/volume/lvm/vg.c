/*
 * From the tree of metadata text to struct lvm_vg. Whatever is not as LVM2 writes it is
 * refused; what only another kind of volume needs is left in the tree and not looked at.
 */
#include "drivers/volume/lvm/vg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/lvm/vg_internal.h"
#include "kernel/lib/sort.h"

#define EXTENT_SECTORS_MAX (1u << 25) /* 16 GiB */
#define LOOKS		   16	      /* at all of a section, while it is understood: at most */

/* ---- flags --------------------------------------------------------------------------------
 */

/* `status` of groups, physical and logical volumes: whoever does not know one must keep off
 * (lib/format_text/flags.c). Those of the field `flags` may be ignored. */
static const char *const vg_status[] = {"EXPORTED",  "RESIZEABLE", "PVMOVE",  "READ", "WRITE",
					"CLUSTERED", "SHARED",	   "PARTIAL", NULL};
static const char *const pv_status[] = {"ALLOCATABLE", "EXPORTED", "MISSING", NULL};
static const char *const lv_status[] = {"READ",	       "WRITE",	 "FIXED_MINOR", "VISIBLE",
					"PVMOVE",      "LOCKED", "NOTSYNCED",	"REBUILD",
					"WRITEMOSTLY", NULL};

static bool is_among(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(*words, word) == 0)
			return true;
	return false;
}

/* The field is there, and all its words are known. The first that is not is named. */
static int check_status(const struct lvm_node *section, const char *const *known,
			char why[LVM_WHY_BYTES])
{
	const struct lvm_node *field = lvm_text_find(section, LVM_FIELD, "status");

	if (!field) {
		snprintf(why, LVM_WHY_BYTES, "has metadata where %.40s has no status",
			 section->text);
		return -EINVAL;
	}
	for (const struct lvm_node *word = field->first; word; word = word->next) {
		if (is_among(word->text, known))
			continue;
		snprintf(why, LVM_WHY_BYTES,
			 "has %.40s with the status %.40s, which Bulkhead does not know",
			 section->text, word->text);
		return -EINVAL;
	}
	return 0;
}

static bool has_flag(const struct lvm_node *section, const char *word)
{
	return lvm_text_lists(section, "status", word) ||
	       lvm_text_lists(section, "flags", word);
}

/* ---- bounds --------------------------------------------------------------------------------
 */

/* Counts the work of understanding a section: its fields are looked for one by one, and the
 * words of its status are compared with those that are known. */
static void count_work(struct lvm_vg *vg, const struct lvm_node *section)
{
	static const char *const lists[] = {"status", "flags"};
	uint64_t words = section->count;

	for (unsigned i = 0; i < ARRAY_SIZE(lists); i++) {
		const struct lvm_node *field = lvm_text_find(section, LVM_FIELD, lists[i]);

		words += field ? field->count : 0;
	}
	turns_take(&vg->text.turns, LOOKS * words);
}

static int beyond(char why[LVM_WHY_BYTES], unsigned count, const char *what, unsigned max)
{
	snprintf(why, LVM_WHY_BYTES, "has %u %s; Bulkhead takes %u at most", count, what, max);
	return -EINVAL;
}

/* ---- sorted, for looking up ---------------------------------------------------------------
 */

static int pv_names(const void *a, const void *b, void *vg)
{
	turns_take(&((struct lvm_vg *)vg)->text.turns, 1);
	return strcmp((*(struct lvm_pv *const *)a)->name, (*(struct lvm_pv *const *)b)->name);
}

static int pv_ids(const void *a, const void *b, void *vg)
{
	turns_take(&((struct lvm_vg *)vg)->text.turns, 1);
	return strcmp((*(struct lvm_pv *const *)a)->id, (*(struct lvm_pv *const *)b)->id);
}

static int lv_names(const void *a, const void *b, void *vg)
{
	turns_take(&((struct lvm_vg *)vg)->text.turns, 1);
	return strcmp((*(struct lvm_lv *const *)a)->name, (*(struct lvm_lv *const *)b)->name);
}

/* Pointers to `count` elements at `first`, sorted; NULL when out of memory. */
static void *sorted(struct lvm_vg *vg, void *first, unsigned count, size_t bytes,
		    int (*compare)(const void *a, const void *b, void *vg))
{
	char **index = lvm_text_alloc(&vg->text, count * sizeof(*index));

	for (unsigned i = 0; index && i < count; i++)
		index[i] = (char *)first + i * bytes;
	if (index)
		sort_bounded(index, count, sizeof(*index), compare, vg);
	return index;
}

/* Of the elements that equal their neighbour in a sorted index, the first one's position, 0
 * when there is none. */
static unsigned find_twin(struct lvm_vg *vg, void *index, unsigned count,
			  int (*compare)(const void *a, const void *b, void *vg))
{
	for (unsigned i = 1; i < count; i++)
		if (compare((char **)index + i - 1, (char **)index + i, vg) == 0)
			return i;
	return 0;
}

static int pv_is_named(const void *pv, const void *name)
{
	return strcmp((*(struct lvm_pv *const *)pv)->name, name);
}

static int pv_has_id(const void *pv, const void *id)
{
	return strcmp((*(struct lvm_pv *const *)pv)->id, id);
}

static int lv_is_named(const void *lv, const void *name)
{
	return strcmp((*(struct lvm_lv *const *)lv)->name, name);
}

static void *look_up(void *index, unsigned count, const char *key,
		     int (*compare)(const void *element, const void *key))
{
	void **at = index;
	size_t i = count ? sort_find(at, count, sizeof(*at), key, compare) : 0;

	return i < count && compare(&at[i], key) == 0 ? at[i] : NULL;
}

struct lvm_lv *lvm_vg_find(const struct lvm_vg *vg, const char *name)
{
	return look_up(vg->lvs_by_name, vg->lv_count, name, lv_is_named);
}

struct lvm_pv *lvm_vg_find_pv(const struct lvm_vg *vg, const char *name)
{
	return look_up(vg->pvs_by_name, vg->pv_count, name, pv_is_named);
}

struct lvm_pv *lvm_vg_find_id(const struct lvm_vg *vg, const char *id)
{
	return look_up(vg->pvs_by_id, vg->pv_count, id, pv_has_id);
}

/* ---- the group ---------------------------------------------------------------------------
 */

static int lacks(char why[LVM_WHY_BYTES], const char *where, const char *what)
{
	snprintf(why, LVM_WHY_BYTES, "has metadata where %.40s has no right %s", where, what);
	return -EINVAL;
}

/* What it takes for this to be a text of LVM2's, in the one version that there is. */
static int check_document(struct lvm_vg *vg, char why[LVM_WHY_BYTES])
{
	const struct lvm_node *root = &vg->text.root;
	const char *contents = lvm_text_string(root, "contents");
	uint64_t version;

	if (!contents || strcmp(contents, "Text Format Volume Group") != 0)
		return lacks(why, "the text", "contents");
	if (lvm_text_number(root, "version", 1, &version) || version != 1)
		return lacks(why, "the text", "version");
	for (struct lvm_node *node = root->first; node; node = node->next) {
		if (node->kind != LVM_SECTION)
			continue;
		if (vg->node)
			return lacks(why, "the text", "number of groups");
		vg->node = node;
	}
	if (!vg->node || strlen(vg->node->text) >= LVM_NAME_BYTES)
		return lacks(why, "the text", "group");
	vg->name = vg->node->text;
	return 0;
}

/* Others' locks and groups of other machines: LVM2 keeps off such groups too. */
static void check_access(struct lvm_vg *vg)
{
	const char *lock_type = lvm_text_string(vg->node, "lock_type");
	const char *system_id = lvm_text_string(vg->node, "system_id");

	if (has_flag(vg->node, "EXPORTED"))
		lvm_text_refuse(vg->why, "was exported: vgimport on Linux takes it back");
	if (has_flag(vg->node, "PARTIAL"))
		lvm_text_refuse(vg->why, "is marked as incomplete");
	if (has_flag(vg->node, "CLUSTERED") || has_flag(vg->node, "SHARED") ||
	    (lock_type && strcmp(lock_type, "none") != 0))
		lvm_text_refuse(vg->why, "is shared by several machines, whose locks Bulkhead "
					 "does not take");
	if (system_id && *system_id)
		lvm_text_refuse(vg->why,
				"belongs to the system \"%.60s\": vgchange "
				"--systemid \"\" there sets it free",
				system_id);
	if (!has_flag(vg->node, "WRITE") || has_flag(vg->node, "WRITE_LOCKED"))
		lvm_text_refuse(vg->keep_why, "is read-only");
	if (has_flag(vg->node, "PVMOVE"))
		lvm_text_refuse(vg->keep_why, "is in the middle of a pvmove");
}

static int parse_group(struct lvm_vg *vg, char why[LVM_WHY_BYTES])
{
	const char *id = lvm_text_string(vg->node, "id");
	const char *format = lvm_text_string(vg->node, "format");
	uint64_t seqno, sectors;

	if (!id || !lvm_label_id(id, vg->id))
		return lacks(why, vg->name, "id");
	if (format && strcmp(format, "lvm2") != 0)
		return lacks(why, vg->name, "format");
	if (lvm_text_number(vg->node, "seqno", UINT32_MAX, &seqno))
		return lacks(why, vg->name, "seqno");
	if (lvm_text_number(vg->node, "extent_size", EXTENT_SECTORS_MAX, &sectors) || !sectors)
		return lacks(why, vg->name, "extent_size");
	vg->seqno = (uint32_t)seqno;
	vg->extent_bytes = sectors * LVM_SECTOR_BYTES;
	check_access(vg);
	return check_status(vg->node, vg_status, why);
}

/* ---- physical volumes -------------------------------------------------------------------- */

static int parse_pv(struct lvm_vg *vg, const struct lvm_node *node, struct lvm_pv *pv,
		    char why[LVM_WHY_BYTES])
{
	const char *id = lvm_text_string(node, "id");
	uint64_t start, extents;

	count_work(vg, node);
	pv->name = node->text;
	if (!id || !lvm_label_id(id, pv->id))
		return lacks(why, node->text, "id");
	if (lvm_text_number(node, "pe_start", UINT64_MAX / LVM_SECTOR_BYTES, &start))
		return lacks(why, node->text, "pe_start");
	/* Their bytes are a number too: what is beyond the disk is found by comparing. */
	if (lvm_text_number(node, "pe_count",
			    MIN(UINT32_MAX - 1, UINT64_MAX / vg->extent_bytes), &extents))
		return lacks(why, node->text, "pe_count");
	pv->start = start * LVM_SECTOR_BYTES;
	pv->extents = (uint32_t)extents;
	pv->allocatable = has_flag(node, "ALLOCATABLE");
	pv->missing = has_flag(node, "MISSING");
	if (has_flag(node, "EXPORTED"))
		lvm_text_refuse(vg->why, "was exported: vgimport on Linux takes it back");
	return check_status(node, pv_status, why);
}

static int index_pvs(struct lvm_vg *vg, char why[LVM_WHY_BYTES])
{
	unsigned twin;

	vg->pvs_by_name = sorted(vg, vg->pvs, vg->pv_count, sizeof(*vg->pvs), pv_names);
	vg->pvs_by_id = sorted(vg, vg->pvs, vg->pv_count, sizeof(*vg->pvs), pv_ids);
	if (!vg->pvs_by_name || !vg->pvs_by_id)
		return -ENOMEM;
	twin = find_twin(vg, vg->pvs_by_name, vg->pv_count, pv_names);
	if (twin)
		return lacks(why, vg->pvs_by_name[twin]->name, "name: another has the same");
	twin = find_twin(vg, vg->pvs_by_id, vg->pv_count, pv_ids);
	if (twin)
		return lacks(why, MAX(vg->pvs_by_id[twin - 1], vg->pvs_by_id[twin])->name,
			     "id: another has the same");
	return 0;
}

static int parse_pvs(struct lvm_vg *vg, char why[LVM_WHY_BYTES])
{
	const struct lvm_node *list = lvm_text_find(vg->node, LVM_SECTION, "physical_volumes");
	unsigned count = list ? lvm_text_sections(list) : 0;
	int error = 0;

	if (!count)
		return lacks(why, vg->name, "number of physical volumes");
	if (count > LVM_PVS_MAX)
		return beyond(why, count, "physical volumes", LVM_PVS_MAX);
	vg->pvs = lvm_text_alloc(&vg->text, count * sizeof(*vg->pvs));
	if (!vg->pvs)
		return -ENOMEM;
	for (const struct lvm_node *node = list->first; node && !error; node = node->next)
		if (node->kind == LVM_SECTION)
			error = parse_pv(vg, node, &vg->pvs[vg->pv_count++], why);
	return error ? error : index_pvs(vg, why);
}

/* ---- logical volumes --------------------------------------------------------------------- */

static int parse_lv(struct lvm_vg *vg, struct lvm_node *node, struct lvm_lv *lv,
		    char why[LVM_WHY_BYTES])
{
	const char *id = lvm_text_string(node, "id");
	char letters[LVM_ID_BYTES + 1];

	count_work(vg, node);
	lv->name = node->text;
	lv->node = node;
	if (strlen(lv->name) >= LVM_NAME_BYTES)
		return lacks(why, lv->name, "name");
	if (!id || !lvm_label_id(id, letters))
		return lacks(why, lv->name, "id");
	lv->visible = has_flag(node, "VISIBLE");
	lv->writable = has_flag(node, "WRITE") && !has_flag(node, "WRITE_LOCKED");
	lv->locked = has_flag(node, "LOCKED") || has_flag(node, "PVMOVE");
	if (lv->locked)
		lvm_text_refuse(vg->keep_why, "is in the middle of a pvmove");
	return check_status(node, lv_status, why);
}

static int parse_lvs(struct lvm_vg *vg, char why[LVM_WHY_BYTES])
{
	struct lvm_node *list = lvm_text_find(vg->node, LVM_SECTION, "logical_volumes");
	unsigned count = list ? lvm_text_sections(list) : 0, twin;
	int error = 0;

	if (!count)
		return 0;
	if (count > LVM_LVS_MAX)
		return beyond(why, count, "logical volumes", LVM_LVS_MAX);
	vg->lvs = lvm_text_alloc(&vg->text, count * sizeof(*vg->lvs));
	if (!vg->lvs)
		return -ENOMEM;
	for (struct lvm_node *node = list->first; node && !error; node = node->next) {
		if (node->kind == LVM_SECTION)
			error = parse_lv(vg, node, &vg->lvs[vg->lv_count++], why);
	}
	if (error)
		return error;
	vg->lvs_by_name = sorted(vg, vg->lvs, vg->lv_count, sizeof(*vg->lvs), lv_names);
	if (!vg->lvs_by_name)
		return -ENOMEM;
	twin = find_twin(vg, vg->lvs_by_name, vg->lv_count, lv_names);
	if (twin)
		return lacks(why, vg->lvs_by_name[twin]->name, "name: another has the same");
	return 0;
}

int lvm_vg_parse(const char *text, size_t bytes, struct lvm_vg **made, char why[LVM_WHY_BYTES])
{
	struct lvm_vg *vg = calloc(1, sizeof(*vg));
	int error;

	if (!vg)
		return -ENOMEM;
	error = lvm_text_parse(&vg->text, text, bytes, why);
	if (!error)
		error = check_document(vg, why);
	if (!error)
		error = parse_group(vg, why);
	if (!error)
		error = parse_pvs(vg, why);
	if (!error)
		error = parse_lvs(vg, why);
	if (!error)
		error = lvm_segments_parse(vg, why);
	if (error) {
		lvm_vg_free(vg);
		return error;
	}
	*made = vg;
	return 0;
}

void lvm_vg_free(struct lvm_vg *vg)
{
	if (!vg)
		return;
	lvm_text_free(&vg->text);
	free(vg->raw);
	free(vg);
}

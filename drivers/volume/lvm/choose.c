/* Chooses among the states of a group that the disks have. All are sorted first, so that
 * nothing is compared with everything. */
#include "drivers/volume/lvm/scan_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/lib/sort.h"

/* All texts of the scan, sorted, and those labels that have one of them. */
struct choice {
	struct lvm_scan *scan;
	struct lvm_vg **all;
	struct lvm_label **holders;
};

/* The newest state of each group comes first. */
static int by_group(const void *a, const void *b, void *scan)
{
	const struct lvm_vg *x = *(struct lvm_vg *const *)a, *y = *(struct lvm_vg *const *)b;
	int order = strcmp(x->id, y->id);

	turns_take(&((struct lvm_scan *)scan)->turns, 1);
	if (order)
		return order;
	return x->seqno > y->seqno ? -1 : x->seqno < y->seqno;
}

static int by_name(const void *a, const void *b, void *scan)
{
	const struct lvm_vg *x = *(struct lvm_vg *const *)a, *y = *(struct lvm_vg *const *)b;

	turns_take(&((struct lvm_scan *)scan)->turns, 1);
	return strcmp(x->name, y->name);
}

/* How many from `first` on are states of one group. */
static unsigned count_states(const struct choice *choice, unsigned first)
{
	unsigned end = first + 1;

	while (end < choice->scan->vg_count &&
	       strcmp(choice->all[end]->id, choice->all[first]->id) == 0)
		end++;
	return end - first;
}

/* ---- strangers ----------------------------------------------------------------------------
 */

static unsigned find_holders(const struct choice *choice, const struct lvm_vg *vg)
{
	struct lvm_scan *scan = choice->scan;
	unsigned count = 0;

	turns_take(&scan->turns, scan->label_count);
	for (unsigned i = 0; i < scan->label_count; i++) {
		struct lvm_label *label = &scan->labels[i];
		bool has = false;

		for (unsigned a = 0; a < label->area_count; a++)
			has = has || label->areas[a].vg == vg;
		if (has)
			choice->holders[count++] = label;
	}
	return count;
}

/* Whether one of the disks that have the newest state is in the group by the state `old` too.
 */
static bool is_known(const struct choice *choice, unsigned holders, const struct lvm_vg *old)
{
	for (unsigned i = 0; i < holders; i++) {
		turns_take(&choice->scan->turns, LVM_LOOK_UP_STEPS);
		if (lvm_vg_find_id(old, choice->holders[i]->id))
			return true;
	}
	return false;
}

/* A disk can't join a group by its own word: else whoever may write to some disk could make
 * itself the newest state of any group. */
static void refuse_strangers(const struct choice *choice, struct lvm_vg *const *states,
			     unsigned count)
{
	unsigned holders = count > 1 ? find_holders(choice, states[0]) : 0;

	for (unsigned i = 1; i < count && !*states[0]->why; i++)
		if (!is_known(choice, holders, states[i]))
			lvm_text_refuse(states[0]->why,
					"has its newest state (%u) only on disks that are not "
					"part of it by an older one (%u): vgs and pvs on Linux "
					"tell more",
					states[0]->seqno, states[i]->seqno);
}

/* ---- states -------------------------------------------------------------------------------
 */

/* The states of one group: the first is the newest. Of two with one number neither counts. */
static void choose_state(const struct choice *choice, struct lvm_vg **states, unsigned count)
{
	unsigned newest = 1;

	while (newest < count && states[newest]->seqno == states[0]->seqno)
		newest++;
	for (unsigned i = 0; i < count; i++) {
		states[i]->is_old = i >= newest;
		if (newest > 1 && i < newest)
			lvm_text_refuse(states[i]->why,
					"has two states with the number %u, which differ",
					states[i]->seqno);
	}
	if (newest == 1)
		refuse_strangers(choice, states, count);
}

static void sort_out_old(struct lvm_scan *scan)
{
	struct lvm_vg *current = NULL, *old = NULL, *next;

	for (struct lvm_vg *vg = scan->vgs; vg; vg = next) {
		struct lvm_vg **list = vg->is_old ? &old : &current;

		next = vg->next;
		vg->next = *list;
		*list = vg;
	}
	scan->vgs = current;
	scan->old = old;
}

/* ---- names --------------------------------------------------------------------------------
 */

/* Among those of one name, which are neighbours, whether all are one group. */
static bool are_one(struct lvm_vg *const *vgs, unsigned count)
{
	for (unsigned i = 1; i < count; i++)
		if (strcmp(vgs[0]->id, vgs[i]->id) != 0)
			return false;
	return true;
}

static void refuse_same_names(const struct choice *choice)
{
	unsigned count = 0, end;

	for (struct lvm_vg *vg = choice->scan->vgs; vg; vg = vg->next)
		choice->all[count++] = vg;
	sort_bounded(choice->all, count, sizeof(struct lvm_vg *), by_name, choice->scan);
	for (unsigned first = 0; first < count; first = end) {
		for (end = first + 1; end < count && strcmp(choice->all[first]->name,
							    choice->all[end]->name) == 0;)
			end++;
		if (are_one(&choice->all[first], end - first))
			continue;
		for (unsigned i = first; i < end; i++)
			lvm_text_refuse(choice->all[i]->why,
					"is the name of two volume groups: vgrename on Linux "
					"tells them apart");
	}
}

int lvm_choose(struct lvm_scan *scan)
{
	struct choice choice = {
		.scan = scan,
		.all = calloc(scan->vg_count + 1, sizeof(struct lvm_vg *)),
		.holders = calloc(scan->label_count + 1, sizeof(struct lvm_label *)),
	};
	int error = choice.all && choice.holders ? 0 : -ENOMEM;
	unsigned count = 0;

	for (struct lvm_vg *vg = scan->vgs; vg && !error; vg = vg->next)
		choice.all[count++] = vg;
	if (count)
		sort_bounded(choice.all, count, sizeof(struct lvm_vg *), by_group, scan);
	for (unsigned first = 0, states; first < count; first += states) {
		states = count_states(&choice, first);
		choose_state(&choice, &choice.all[first], states);
	}
	if (!error) {
		sort_out_old(scan);
		refuse_same_names(&choice);
	}
	free(choice.holders);
	free(choice.all);
	return error;
}

/*
 * A document's sources, opened all at once to see that they are there and that none is written
 * from two sides; and what it lets guests write. Nothing is claimed: that is storage.c's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/io/extents.h"
#include "kernel/io/storage.h"
#include "kernel/io/storage_internal.h"
#include "kernel/lib/lock.h"
#include "kernel/lib/size.h"
#include "kernel/sched/sync.h"

/* One document at a time: what one gives away is looked at while its sources are opened. */
static struct mutex checking = MUTEX(checking, "document check");

/* What guests may write, of kinds that do not search. */
static struct spinlock given_lock = SPINLOCK("given away");
static struct extents given; /* guarded by given_lock */

struct opened {
	struct blkdev *dev;
	struct extents extents;
};

static bool searches(const struct storage_use *use)
{
	const struct storage_scheme *scheme;
	const char *text;
	char why[STORAGE_WHY_BYTES];

	scheme = storage_find_scheme(use->source, &text, why);
	return scheme && scheme->searches;
}

static void check_one(struct storage_use *uses, struct opened *opened, unsigned count,
		      unsigned index)
{
	struct storage_use *use = &uses[index];
	struct extent where;
	char size[SIZE_TEXT_BYTES];

	use->error = storage_open_source(use->source, use->read_only, &opened[index].dev,
					 &opened[index].extents, use->why);
	for (unsigned i = 0; !use->error && i < count; i++) {
		if (i == index || !opened[i].dev || (use->read_only && uses[i].read_only))
			continue;
		if (!extents_overlap(&opened[index].extents, &opened[i].extents, &where))
			continue;
		snprintf(
			use->why, sizeof(use->why),
			"shares %s of %s with '%.64s'; give it to one guest, or to all of them "
			"with 'read_only: true'",
			size_text(where.bytes, size), where.disk->name, uses[i].source);
		use->error = -EBUSY;
		use->clash = (int)i;
	}
}

static void check_kinds(struct storage_use *uses, struct opened *opened, unsigned count,
			bool searching)
{
	for (unsigned i = 0; i < count; i++)
		if (searches(&uses[i]) == searching)
			check_one(uses, opened, count, i);
}

/* That what searches begins, or has ended. */
static void tell_kinds(bool begin)
{
	const struct storage_scheme *scheme;

	for (unsigned i = 0; (scheme = storage_scheme_at(i)); i++)
		if (scheme->begin_check)
			(begin ? scheme->begin_check : scheme->end_check)();
}

/* Returns what was there before. */
static struct extents set_given(struct extents now)
{
	struct extents before;

	spin_lock(&given_lock);
	before = given;
	given = now;
	spin_unlock(&given_lock);
	return before;
}

/* Notes what the uses that are open so far let guests write; returns what was noted before. */
static struct extents give_away(struct storage_use *uses, const struct opened *opened,
				unsigned count)
{
	struct extents now = {0};

	for (unsigned i = 0; i < count; i++) {
		if (!opened[i].dev || uses[i].read_only || uses[i].error)
			continue;
		uses[i].error = extents_add(&now, opened[i].dev, 0, opened[i].dev->bytes);
		if (uses[i].error)
			snprintf(uses[i].why, sizeof(uses[i].why),
				 "needs more memory than there is");
	}
	return set_given(now);
}

bool storage_given_away(struct blkdev *dev, uint64_t offset, uint64_t bytes)
{
	struct extents extents = {0};
	struct extent where;
	bool away = extents_add(&extents, dev, offset, bytes) != 0;

	if (!away) {
		spin_lock(&given_lock);
		away = extents_overlap(&extents, &given, &where);
		spin_unlock(&given_lock);
	}
	extents_free(&extents);
	return away;
}

static int check(struct storage_use *uses, unsigned count, bool lasting)
{
	struct opened *opened = calloc(count ? count : 1, sizeof(*opened));
	struct extents before;
	int result = 0;

	for (unsigned i = 0; i < count; i++) {
		uses[i].error = opened ? 0 : -ENOMEM;
		uses[i].clash = -1;
		snprintf(uses[i].why, sizeof(uses[i].why), "%s",
			 opened ? "" : "needs more memory than there is");
	}
	if (opened) {
		check_kinds(uses, opened, count, false);
		before = give_away(uses, opened, count);
		tell_kinds(true);
		check_kinds(uses, opened, count, true);
		tell_kinds(false);
		if (!lasting)
			before = set_given(before);
		extents_free(&before);
	}
	for (unsigned i = 0; i < count; i++)
		if (uses[i].error)
			result = -EINVAL;
	/* All stay open until here: an address that is given back may be another volume's next.
	 */
	for (unsigned i = 0; opened && i < count; i++) {
		if (opened[i].dev)
			storage_close_device(opened[i].dev);
		extents_free(&opened[i].extents);
	}
	free(opened);
	return result;
}

static int check_alone(struct storage_use *uses, unsigned count, bool lasting)
{
	int result;

	mutex_lock(&checking);
	result = check(uses, count, lasting);
	mutex_unlock(&checking);
	return result;
}

int storage_check(struct storage_use *uses, unsigned count)
{
	return check_alone(uses, count, true);
}

int storage_try(struct storage_use *uses, unsigned count)
{
	return check_alone(uses, count, false);
}

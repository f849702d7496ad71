/*
 * A document's sources, opened all at once to see that they are there and that none is written
 * from two sides; and what it lets guests write. What is opened for starts to come is kept:
 * storage_claims.c has it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/io/storage.h"
#include "kernel/io/storage_internal.h"
#include "kernel/lib/lock.h"
#include "kernel/lib/size.h"
#include "kernel/sched/sync.h"

/* One document at a time: what one gives away is looked at while its sources are opened. */
static struct mutex checking = MUTEX(checking, "document check");

/* What guests may write, of kinds that do not search, by the last check that lasts. */
static struct spinlock given_lock = SPINLOCK("given away");
static struct extents given; /* guarded by given_lock */

/* The same by a document that is only tried: for the thread that tries it, and nobody else.
 * Guarded by `checking`. */
static struct {
	bool on;
	struct extents given;
} tried;

/* What a use comes to, with a reference. */
struct opened {
	struct claim *claim; /* NULL: it can't be opened, or need not */
	bool had;	     /* by its owner, now */
	bool fresh;	     /* opened here, and not listed */
};

struct check {
	struct storage_use *uses;
	struct opened *opened;
	unsigned count;
	bool lasting;
};

static const struct storage_scheme *kind(const struct storage_use *use)
{
	const char *text;
	char why[STORAGE_WHY_BYTES];

	return storage_find_scheme(use->source, &text, why);
}

/* ---- opening ------------------------------------------------------------------------------
 */

static int open_fresh(struct storage_use *use, struct opened *opened)
{
	struct claim *claim = claim_new(use->source, use->read_only, use->owner, use->why);
	int error = -ENOMEM;

	if (claim)
		error = storage_open_source(use->source, use->read_only, &claim->dev,
					    &claim->extents, use->why);
	if (error) {
		claim_put(claim);
		return error;
	}
	opened->claim = claim;
	opened->fresh = true;
	return 0;
}

/* What the owner has serves as well, but not for its next start. */
static void open_use(const struct check *check, unsigned index)
{
	struct storage_use *use = &check->uses[index];
	struct opened *opened = &check->opened[index];
	struct claim *has = claim_find(use->owner, use->source, use->read_only, false);

	opened->had = has != NULL;
	if (!has || (use->starts && check->lasting)) {
		claim_put(has);
		has = claim_find(use->owner, use->source, use->read_only, true);
	}
	opened->claim = has;
	if (!has)
		use->error = open_fresh(use, opened);
}

static void open_kinds(const struct check *check, bool searching)
{
	for (unsigned i = 0; i < check->count; i++) {
		const struct storage_scheme *scheme = kind(&check->uses[i]);

		if ((scheme && scheme->searches) != searching || (scheme && scheme->makes))
			continue;
		open_use(check, i);
	}
}

/* That what searches begins, or has ended. */
static void tell_kinds(bool begin)
{
	const struct storage_scheme *scheme;

	for (unsigned i = 0; (scheme = storage_scheme_at(i)); i++)
		if (scheme->begin_check)
			(begin ? scheme->begin_check : scheme->end_check)();
}

/* ---- what guests may write ----------------------------------------------------------------
 */

static void set_given(const struct extents *now)
{
	struct extents before;

	spin_lock(&given_lock);
	before = given;
	given = *now;
	spin_unlock(&given_lock);
	extents_free(&before);
}

/* Notes what the uses that are open so far let guests write. */
static void give_away(const struct check *check)
{
	struct extents now = {0};

	for (unsigned i = 0; i < check->count; i++) {
		struct storage_use *use = &check->uses[i];
		const struct claim *claim = check->opened[i].claim;

		if (!claim || use->read_only)
			continue;
		use->error = extents_add(&now, claim->dev, 0, claim->dev->bytes);
		if (use->error)
			snprintf(use->why, sizeof(use->why), "needs more memory than there is");
	}
	if (check->lasting)
		set_given(&now);
	else
		tried.given = now;
	tried.on = !check->lasting;
}

static void end_trial(void)
{
	extents_free(&tried.given);
	tried.on = false;
}

bool storage_checking(void)
{
	return mutex_held(&checking);
}

static bool is_given(const struct extents *extents)
{
	struct extent where;
	bool is;

	if (storage_checking() && tried.on)
		return extents_overlap(extents, &tried.given, &where);
	spin_lock(&given_lock);
	is = extents_overlap(extents, &given, &where);
	spin_unlock(&given_lock);
	return is;
}

bool storage_given_away(struct blkdev *dev, uint64_t offset, uint64_t bytes)
{
	struct extents extents = {0};
	bool away = extents_add(&extents, dev, offset, bytes) || is_given(&extents);

	extents_free(&extents);
	return away;
}

/* ---- what excludes what -------------------------------------------------------------------
 */

static void contest(const struct check *check, unsigned index, unsigned rival,
		    const struct extent *where)
{
	struct storage_use *use = &check->uses[index];
	const struct storage_use *other = &check->uses[rival];
	char size[SIZE_TEXT_BYTES];

	if (use->error)
		return;
	use->error = -EBUSY;
	use->clash = (int)rival;
	snprintf(use->why, sizeof(use->why),
		 "shares %s of %s with '%.64s' of guest '%.31s'; give it to one guest, or to "
		 "all of them with 'read_only: true'",
		 size_text(where->bytes, size), where->disk->name, other->source, other->owner);
}

/* Whoever has it keeps it; of two that do not, neither starts. */
static void compare(const struct check *check, unsigned a, unsigned b)
{
	const struct opened *one = &check->opened[a], *two = &check->opened[b];
	struct extent where;

	if (!one->claim || !two->claim || (one->had && two->had))
		return;
	if (check->uses[a].read_only && check->uses[b].read_only)
		return;
	if (!extents_overlap(&one->claim->extents, &two->claim->extents, &where))
		return;
	if (!one->had)
		contest(check, a, b, &where);
	if (!two->had)
		contest(check, b, a, &where);
}

static void compare_all(const struct check *check)
{
	for (unsigned b = 1; b < check->count; b++)
		for (unsigned a = 0; a < b; a++)
			compare(check, a, b);
}

/* ---- the whole ----------------------------------------------------------------------------
 */

/* Lists what was opened for a start, with the verdict; of what is kept for one that an earlier
 * document began, the verdict alone is new. */
static void keep(const struct check *check, unsigned index)
{
	struct storage_use *use = &check->uses[index];
	struct opened *opened = &check->opened[index];

	if (!opened->claim || !check->lasting)
		return;
	if (!use->starts && (opened->had || opened->fresh))
		return;
	claim_contest(opened->claim, use->error ? use->why : "");
	if (opened->fresh && claim_keep(opened->claim, use->why))
		use->error = -E2BIG;
}

static void run(const struct check *check)
{
	open_kinds(check, false);
	give_away(check);
	tell_kinds(true);
	open_kinds(check, true);
	tell_kinds(false);
	end_trial();
	compare_all(check);
	/* All stay open until here: an address that is given back may be another volume's next.
	 */
	for (unsigned i = 0; i < check->count; i++)
		keep(check, i);
	for (unsigned i = 0; i < check->count; i++)
		claim_put(check->opened[i].claim);
}

static int check_alone(struct storage_use *uses, unsigned count, bool lasting)
{
	struct check check = {
		.uses = uses,
		.opened = calloc(count ? count : 1, sizeof(*check.opened)),
		.count = count,
		.lasting = lasting,
	};

	if (!check.opened)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++) {
		uses[i].error = 0;
		uses[i].clash = -1;
		uses[i].why[0] = '\0';
	}
	mutex_lock(&checking);
	run(&check);
	mutex_unlock(&checking);
	free(check.opened);
	return 0;
}

int storage_check(struct storage_use *uses, unsigned count)
{
	return check_alone(uses, count, true);
}

int storage_try(struct storage_use *uses, unsigned count)
{
	return check_alone(uses, count, false);
}

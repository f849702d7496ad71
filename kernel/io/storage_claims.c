/*
 * The claims: what each owner has, or is about to have, as runs of bytes of disks, so that it
 * does not matter by which name somebody came to them. Kinds of sources are storage.c's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/io/storage.h"
#include "kernel/io/storage_internal.h"
#include "kernel/lib/lock.h"
#include "kernel/lib/size.h"

#define CLAIMED_MAX (4 * EXTENTS_MAX) /* runs of all claims: they are compared under a lock */

/* Guards both lists; a claim in the first does not change, but for what struct claim says. */
static struct spinlock claims_lock = SPINLOCK("claims");
static struct list claims = {&claims, &claims};
static unsigned claimed;			   /* runs, of all claims */
static struct list written = {&written, &written}; /* who had what to write; stays */

/* A source that an owner had to write. */
struct had {
	struct list link;
	char owner[STORAGE_OWNER_BYTES];
	char source[STORAGE_SOURCE_BYTES];
};

/* ---- claims and their references ----------------------------------------------------------
 */

struct claim *claim_new(const char *source, bool read_only, const char *owner,
			char why[STORAGE_WHY_BYTES])
{
	struct claim *claim = calloc(1, sizeof(*claim));

	if (!claim) {
		snprintf(why, STORAGE_WHY_BYTES, "needs more memory than there is");
		return NULL;
	}
	list_init(&claim->link);
	claim->references = 1;
	claim->read_only = read_only;
	snprintf(claim->owner, sizeof(claim->owner), "%s", owner);
	snprintf(claim->source, sizeof(claim->source), "%s", source);
	return claim;
}

void claim_put(struct claim *claim)
{
	bool last;

	if (!claim)
		return;
	spin_lock(&claims_lock);
	last = --claim->references == 0;
	spin_unlock(&claims_lock);
	if (!last)
		return;
	if (claim->dev)
		storage_close_device(claim->dev);
	extents_free(&claim->extents);
	free(claim);
}

static bool is_owners(const struct claim *claim, const char *owner)
{
	return !strncmp(claim->owner, owner, sizeof(claim->owner) - 1);
}

/* Caller holds the lock. */
static struct claim *find(const char *owner, const char *source, bool read_only, bool kept)
{
	list_for_each(claim, &claims, struct claim, link)
	{
		if (claim->kept == kept && !claim->owner_removed &&
		    claim->read_only == read_only && is_owners(claim, owner) &&
		    !strncmp(claim->source, source, sizeof(claim->source) - 1))
			return claim;
	}
	return NULL;
}

struct claim *claim_find(const char *owner, const char *source, bool read_only, bool kept)
{
	struct claim *claim;

	spin_lock(&claims_lock);
	claim = find(owner, source, read_only, kept);
	if (claim)
		claim->references++;
	spin_unlock(&claims_lock);
	return claim;
}

/* Caller holds the lock, and the list's reference from now on. */
static void unlist(struct claim *claim)
{
	list_remove(&claim->link);
	claimed -= claim->extents.count;
}

/* Caller holds the lock. Takes a reference, if there is room for the runs. */
static int list_it(struct claim *claim, char why[STORAGE_WHY_BYTES])
{
	if (claim->extents.count > CLAIMED_MAX - claimed) {
		snprintf(
			why, STORAGE_WHY_BYTES,
			"lies in %u pieces: with those of other disks in use that is more than "
			"%u; copy it to a new volume",
			claim->extents.count, CLAIMED_MAX);
		return -E2BIG;
	}
	claimed += claim->extents.count;
	claim->references++;
	list_push_back(&claims, &claim->link);
	return 0;
}

/* ---- what excludes what -------------------------------------------------------------------
 */

static bool excludes(const struct claim *claim, const struct claim *other, struct extent *where)
{
	if (other == claim || (claim->read_only && other->read_only))
		return false;
	if (other->kept && is_owners(other, claim->owner))
		return false; /* its own, for a start to come */
	return extents_overlap(&claim->extents, &other->extents, where);
}

static void describe_taken(const struct claim *holder, const struct extent *where,
			   char why[STORAGE_WHY_BYTES])
{
	char size[SIZE_TEXT_BYTES];

	snprintf(why, STORAGE_WHY_BYTES, "is taken: guest '%s'%s %s %s of %s, as '%.64s'; %s",
		 holder->owner,
		 holder->owner_removed ? ", which was removed, still"
		 : holder->kept	       ? ", which is about to start,"
				       : "",
		 holder->read_only ? "reads" : "has", size_text(where->bytes, size),
		 where->disk->name, holder->source,
		 holder->owner_removed ? "it is free once that disk has answered"
				       : "give it to one guest, or to all of them with "
					 "'read_only: true'");
}

/* Caller holds the lock. */
static int check_others(const struct claim *claim, char why[STORAGE_WHY_BYTES])
{
	struct extent where;

	list_for_each(other, &claims, struct claim, link)
	{
		if (!excludes(claim, other, &where))
			continue;
		describe_taken(other, &where, why);
		return -EBUSY;
	}
	return 0;
}

/* Enters the claim, unless somebody's excludes it. */
static int enter(struct claim *claim, char why[STORAGE_WHY_BYTES])
{
	int error;

	spin_lock(&claims_lock);
	error = check_others(claim, why);
	if (!error)
		error = list_it(claim, why);
	spin_unlock(&claims_lock);
	return error;
}

/* ---- what is kept for a start -------------------------------------------------------------
 */

int claim_keep(struct claim *claim, char why[STORAGE_WHY_BYTES])
{
	int error;

	spin_lock(&claims_lock);
	claim->kept = true;
	error = list_it(claim, why);
	spin_unlock(&claims_lock);
	return error;
}

void claim_contest(struct claim *claim, const char *clash)
{
	spin_lock(&claims_lock);
	snprintf(claim->clash, sizeof(claim->clash), "%s", clash);
	spin_unlock(&claims_lock);
}

/* Gives the owner what was kept for it. Its reference is the list's. 0; -EBUSY: it stays kept,
 * or it is contested; -ENOENT: nothing was kept. */
static int take_kept(const char *source, bool read_only, const char *owner,
		     struct claim **taken, char why[STORAGE_WHY_BYTES])
{
	struct claim *claim;
	int error = -ENOENT;

	spin_lock(&claims_lock);
	claim = find(owner, source, read_only, true);
	if (claim && *claim->clash) {
		snprintf(why, STORAGE_WHY_BYTES, "%s", claim->clash);
		error = -EBUSY;
	} else if (claim) {
		error = check_others(claim, why);
		claim->kept = error != 0;
	}
	spin_unlock(&claims_lock);
	*taken = error ? NULL : claim;
	return error;
}

/* Takes one out that is kept for the owner; NULL: there is none. */
static struct claim *unlist_kept(const char *owner)
{
	struct claim *found = NULL;

	spin_lock(&claims_lock);
	list_for_each(claim, &claims, struct claim, link)
	{
		if (!claim->kept || !is_owners(claim, owner))
			continue;
		found = claim;
		unlist(claim);
		break;
	}
	spin_unlock(&claims_lock);
	return found;
}

void storage_forget(const char *owner)
{
	struct claim *claim;

	while ((claim = unlist_kept(owner)))
		claim_put(claim);
}

/* ---- what is more than one guest's --------------------------------------------------------
 */

/* Under the lock, or before `had` is in the list. */
static struct had *find_had(const struct had *had)
{
	list_for_each(other, &written, struct had, link)
	{
		if (strcmp(other->owner, had->owner) == 0 &&
		    strcmp(other->source, had->source) == 0)
			return other;
	}
	return NULL;
}

/* Whether `had` was noted before; with `note` it is from now on. Without memory it is not, and
 * so asked for again. */
static bool was_had(const struct had *had, bool note)
{
	struct had *new = note ? malloc(sizeof(*new)) : NULL;
	bool found;

	spin_lock(&claims_lock);
	found = find_had(had);
	if (!found && new) {
		*new = *had;
		list_push_back(&written, &new->link);
		new = NULL;
	}
	spin_unlock(&claims_lock);
	free(new);
	return found;
}

/* Whether the claim may have all of its device, to write. */
static int check_whole(const struct claim *claim, unsigned how, char why[STORAGE_WHY_BYTES])
{
	const char *text;
	const struct storage_scheme *scheme = storage_find_scheme(claim->source, &text, why);
	char what[STORAGE_WHY_BYTES];
	struct had had;
	int holds;

	if (claim->read_only || !scheme->plain || !storage_can_tell())
		return 0;
	memcpy(had.owner, claim->owner, sizeof(had.owner));
	memcpy(had.source, claim->source, sizeof(had.source));
	if (how & STORAGE_WHOLE || was_had(&had, false)) {
		was_had(&had, true);
		return 0;
	}
	holds = storage_holds(claim->dev, 0, claim->dev->bytes, what);
	if (!holds)
		was_had(&had, true);
	if (holds == -ENOMEM || holds == -ETIMEDOUT) {
		snprintf(why, STORAGE_WHY_BYTES, "%s",
			 holds == -ENOMEM ? "needs more memory than there is"
					  : "is on a disk that does not answer");
		return holds;
	}
	if (holds <= 0)
		return 0; /* one that can't be read is a plain disk */
	snprintf(why, STORAGE_WHY_BYTES,
		 "%.150s; if the guest is to have it whole, write 'physical_volume: true' "
		 "beside "
		 "it",
		 what);
	return -EEXIST;
}

/* ---- opening and closing ------------------------------------------------------------------
 */

/* Opens the source and enters the claim, whose reference is the list's then. */
static int open_anew(const char *source, unsigned how, const char *owner, struct claim **opened,
		     char why[STORAGE_WHY_BYTES])
{
	bool read_only = how & STORAGE_READ_ONLY;
	struct claim *claim = claim_new(source, read_only, owner, why);
	int error;

	if (!claim)
		return -ENOMEM;
	error = storage_open_source(source, read_only, &claim->dev, &claim->extents, why);
	if (!error)
		error = check_whole(claim, how, why);
	if (!error)
		error = enter(claim, why);
	claim_put(claim);
	*opened = error ? NULL : claim;
	return error;
}

int storage_open(const char *source, unsigned how, const char *owner, struct blkdev **dev,
		 char why[STORAGE_WHY_BYTES])
{
	struct claim *claim;
	int error = take_kept(source, how & STORAGE_READ_ONLY, owner, &claim, why);

	*dev = NULL;
	if (error == -ENOENT) {
		error = open_anew(source, how, owner, &claim, why);
	} else if (!error) {
		error = check_whole(claim, how, why);
		if (error)
			storage_close(claim->dev, owner);
	}
	if (!error)
		*dev = claim->dev;
	return error;
}

int storage_claim(struct blkdev *dev, const char *source, const char *owner,
		  char why[STORAGE_WHY_BYTES])
{
	struct claim *claim = claim_new(source, false, owner, why);
	int error;

	if (!claim)
		return -ENOMEM;
	claim->dev = dev;
	error = storage_add_extents(&claim->extents, dev, why);
	if (!error)
		error = enter(claim, why);
	if (error)
		claim->dev = NULL; /* it stays open */
	claim_put(claim);
	return error;
}

void storage_owner_removed(const char *owner)
{
	spin_lock(&claims_lock);
	list_for_each(claim, &claims, struct claim, link)
	{
		if (!claim->kept && is_owners(claim, owner))
			claim->owner_removed = true;
	}
	spin_unlock(&claims_lock);
}

void storage_close(struct blkdev *dev, const char *owner)
{
	struct claim *found = NULL;

	if (!dev)
		return;
	spin_lock(&claims_lock);
	list_for_each(claim, &claims, struct claim, link)
	{
		/* Of two of one name, which then read it both, the one that was removed. */
		if (claim->dev == dev && !claim->kept && (!found || claim->owner_removed) &&
		    is_owners(claim, owner))
			found = claim;
	}
	if (found)
		unlist(found);
	spin_unlock(&claims_lock);
	claim_put(found);
}

/* ---- who has what --------------------------------------------------------------------------
 */

static bool owner_of(const struct extents *extents, char owner[STORAGE_OWNER_BYTES])
{
	struct extent where;
	bool found = false;

	spin_lock(&claims_lock);
	list_for_each(claim, &claims, struct claim, link)
	{
		if (!extents_overlap(extents, &claim->extents, &where))
			continue;
		memcpy(owner, claim->owner, STORAGE_OWNER_BYTES);
		found = true;
		break;
	}
	spin_unlock(&claims_lock);
	return found;
}

bool storage_owner(struct blkdev *dev, uint64_t offset, uint64_t bytes,
		   char owner[STORAGE_OWNER_BYTES])
{
	struct extents extents = {0};
	bool found;

	if (extents_add(&extents, dev, offset, bytes)) {
		/* What can't be told is treated as taken. */
		snprintf(owner, STORAGE_OWNER_BYTES, "somebody");
		found = true;
	} else {
		found = owner_of(&extents, owner);
	}
	extents_free(&extents);
	return found;
}

bool storage_run_at(unsigned index, struct storage_run *run)
{
	bool found = false;

	spin_lock(&claims_lock);
	list_for_each(claim, &claims, struct claim, link)
	{
		const struct extent *extent = &claim->extents.at[index];

		if (index >= claim->extents.count) {
			index -= claim->extents.count;
			continue;
		}
		*run = (struct storage_run){.offset = extent->offset,
					    .bytes = extent->bytes,
					    .read_only = claim->read_only,
					    .starts = claim->kept};
		memcpy(run->disk, extent->disk->name, sizeof(run->disk));
		memcpy(run->owner, claim->owner, sizeof(run->owner));
		memcpy(run->source, claim->source, sizeof(run->source));
		found = true;
		break;
	}
	spin_unlock(&claims_lock);
	return found;
}

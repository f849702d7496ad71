/*
 * The table of the kinds of sources, and the claims: what each owner has, as runs of bytes of
 * disks, so that it does not matter by which name somebody came to them. A whole document is
 * storage_check.c's.
 */
#include "kernel/io/storage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/io/extents.h"
#include "kernel/io/storage_internal.h"
#include "kernel/lib/lock.h"
#include "kernel/lib/size.h"

#define SCHEMES_MAX 16
#define CLAIMED_MAX (4 * EXTENTS_MAX) /* runs of all claims: they are compared under a lock */

struct claim {
	struct list link;
	struct blkdev *dev; /* what storage_open() gave */
	bool read_only;
	bool owner_removed;
	char owner[STORAGE_OWNER_BYTES];
	char source[STORAGE_SOURCE_BYTES];
	struct extents extents;
};

static const struct storage_scheme *schemes[SCHEMES_MAX]; /* fixed after start-up */
static unsigned scheme_count;

/* Guards the list; a claim in it does not change, but for owner_removed. */
static struct spinlock claims_lock = SPINLOCK("claims");
static struct list claims = {&claims, &claims};
static unsigned claimed;			   /* runs, of all claims */
static struct list written = {&written, &written}; /* who had what to write; stays */

static storage_holds_fn holds_fn; /* fixed after start-up */

/* A source that an owner had to write. */
struct had {
	struct list link;
	char owner[STORAGE_OWNER_BYTES];
	char source[STORAGE_SOURCE_BYTES];
};

void storage_register(const struct storage_scheme *scheme)
{
	if (scheme_count < SCHEMES_MAX)
		schemes[scheme_count++] = scheme;
}

void storage_set_holds(storage_holds_fn holds)
{
	holds_fn = holds;
}

/* ---- names ------------------------------------------------------------------------------ */

const struct storage_scheme *storage_scheme_at(unsigned index)
{
	return index < scheme_count ? schemes[index] : NULL;
}

const struct storage_scheme *storage_find_scheme(const char *source, const char **text,
						 char why[STORAGE_WHY_BYTES])
{
	size_t length = strcspn(source, ":"), used;

	for (unsigned i = 0; i < scheme_count && source[length]; i++) {
		if (strlen(schemes[i]->scheme) == length &&
		    !strncmp(schemes[i]->scheme, source, length)) {
			*text = source + length + 1;
			return schemes[i];
		}
	}
	used = (size_t)snprintf(why, STORAGE_WHY_BYTES,
				"begins with no kind of disk; write one of");
	for (unsigned i = 0; i < scheme_count && used < STORAGE_WHY_BYTES; i++)
		used += (size_t)snprintf(why + used, STORAGE_WHY_BYTES - used,
					 "%s %s:", i ? "," : "", schemes[i]->scheme);
	return NULL;
}

int storage_parse(const char *source, char why[STORAGE_WHY_BYTES])
{
	const char *text;
	const struct storage_scheme *scheme = storage_find_scheme(source, &text, why);

	return scheme ? scheme->parse(text, why) : -EINVAL;
}

/* ---- opening without a claim ------------------------------------------------------------ */

void storage_close_device(struct blkdev *dev)
{
	if (dev->ops->close)
		dev->ops->close(dev);
}

static int add_extents(struct extents *extents, struct blkdev *dev, char why[STORAGE_WHY_BYTES])
{
	int error = extents_add(extents, dev, 0, dev->bytes);

	if (error)
		snprintf(why, STORAGE_WHY_BYTES,
			 error == -ENOMEM ? "needs more memory than there is"
					  : "lies in more pieces than can be kept");
	return error;
}

int storage_open_source(const char *source, bool read_only, struct blkdev **dev,
			struct extents *extents, char why[STORAGE_WHY_BYTES])
{
	const char *text;
	const struct storage_scheme *scheme = storage_find_scheme(source, &text, why);
	int error = scheme ? scheme->parse(text, why) : -EINVAL;

	if (!error)
		error = scheme->open(text, dev, why);
	if (error)
		return error;
	if (!read_only && (*dev)->read_only) {
		snprintf(why, STORAGE_WHY_BYTES,
			 "can only be read; write 'read_only: true' beside it");
		error = -EROFS;
	} else {
		error = add_extents(extents, *dev, why);
	}
	if (error) {
		extents_free(extents);
		storage_close_device(*dev);
		*dev = NULL;
	}
	return error;
}

/* ---- claims -------------------------------------------------------------------------------
 */

static bool excludes(bool read_only, const struct extents *extents, const struct claim *claim,
		     struct extent *where)
{
	return !(read_only && claim->read_only) &&
	       extents_overlap(extents, &claim->extents, where);
}

static void describe_taken(const struct claim *holder, const struct extent *where,
			   char why[STORAGE_WHY_BYTES])
{
	char size[SIZE_TEXT_BYTES];

	snprintf(why, STORAGE_WHY_BYTES, "is taken: guest '%s'%s %s %s of %s, as '%.64s'; %s",
		 holder->owner, holder->owner_removed ? ", which was removed, still" : "",
		 holder->read_only ? "reads" : "has", size_text(where->bytes, size),
		 where->disk->name, holder->source,
		 holder->owner_removed ? "it is free once that disk has answered"
				       : "give it to one guest, or to all of them with "
					 "'read_only: true'");
}

/* Enters the claim, unless somebody's excludes it. */
static int enter(struct claim *claim, char why[STORAGE_WHY_BYTES])
{
	struct extent where;
	int error = 0;

	spin_lock(&claims_lock);
	list_for_each(other, &claims, struct claim, link)
	{
		if (!excludes(claim->read_only, &claim->extents, other, &where))
			continue;
		describe_taken(other, &where, why);
		error = -EBUSY;
		break;
	}
	if (!error && claim->extents.count > CLAIMED_MAX - claimed) {
		snprintf(
			why, STORAGE_WHY_BYTES,
			"lies in %u pieces: with those of other disks in use that is more than "
			"%u; copy it to a new volume",
			claim->extents.count, CLAIMED_MAX);
		error = -E2BIG;
	}
	if (!error) {
		claimed += claim->extents.count;
		list_push_back(&claims, &claim->link);
	}
	spin_unlock(&claims_lock);
	return error;
}

/* A claim that is not entered yet, without a device; NULL when out of memory. */
static struct claim *new_claim(const char *source, bool read_only, const char *owner,
			       char why[STORAGE_WHY_BYTES])
{
	struct claim *claim = calloc(1, sizeof(*claim));

	if (!claim) {
		snprintf(why, STORAGE_WHY_BYTES, "needs more memory than there is");
		return NULL;
	}
	claim->read_only = read_only;
	snprintf(claim->owner, sizeof(claim->owner), "%s", owner);
	snprintf(claim->source, sizeof(claim->source), "%s", source);
	return claim;
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

	if (claim->read_only || !scheme->plain || !holds_fn)
		return 0;
	memcpy(had.owner, claim->owner, sizeof(had.owner));
	memcpy(had.source, claim->source, sizeof(had.source));
	if (how & STORAGE_WHOLE || was_had(&had, false)) {
		was_had(&had, true);
		return 0;
	}
	holds = holds_fn(claim->dev, 0, claim->dev->bytes, what);
	if (!holds)
		was_had(&had, true);
	if (holds == -ENOMEM)
		snprintf(why, STORAGE_WHY_BYTES, "needs more memory than there is");
	if (holds <= 0)
		return holds == -ENOMEM ? holds
					: 0; /* one that can't be read is a plain disk */
	snprintf(why, STORAGE_WHY_BYTES,
		 "%.150s; if the guest is to have it whole, write 'physical_volume: true' "
		 "beside "
		 "it",
		 what);
	return -EEXIST;
}

int storage_open(const char *source, unsigned how, const char *owner, struct blkdev **dev,
		 char why[STORAGE_WHY_BYTES])
{
	bool read_only = how & STORAGE_READ_ONLY;
	struct claim *claim = new_claim(source, read_only, owner, why);
	int error;

	*dev = NULL;
	if (!claim)
		return -ENOMEM;
	error = storage_open_source(source, read_only, &claim->dev, &claim->extents, why);
	if (error)
		goto no_device;
	error = check_whole(claim, how, why);
	if (!error)
		error = enter(claim, why);
	if (error)
		goto no_claim;
	*dev = claim->dev;
	return 0;

no_claim:
	extents_free(&claim->extents);
	storage_close_device(claim->dev);
no_device:
	free(claim);
	return error;
}

int storage_claim(struct blkdev *dev, const char *source, const char *owner,
		  char why[STORAGE_WHY_BYTES])
{
	struct claim *claim = new_claim(source, false, owner, why);
	int error;

	if (!claim)
		return -ENOMEM;
	claim->dev = dev;
	error = add_extents(&claim->extents, dev, why);
	if (!error)
		error = enter(claim, why);
	if (error) {
		extents_free(&claim->extents);
		free(claim);
	}
	return error;
}

void storage_owner_removed(const char *owner)
{
	spin_lock(&claims_lock);
	list_for_each(claim, &claims, struct claim, link)
	{
		if (!strncmp(claim->owner, owner, sizeof(claim->owner) - 1))
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
		if (claim->dev == dev && (!found || claim->owner_removed) &&
		    !strncmp(claim->owner, owner, sizeof(claim->owner) - 1))
			found = claim;
	}
	if (found) {
		list_remove(&found->link);
		claimed -= found->extents.count;
	}
	spin_unlock(&claims_lock);
	if (!found)
		return;
	storage_close_device(dev);
	extents_free(&found->extents);
	free(found);
}

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

/* ---- listing ------------------------------------------------------------------------------
 */

struct listing {
	storage_visit visit;
	void *arg;
};

static void add_owner(void *arg, const struct storage_volume *volume)
{
	const struct listing *listing = arg;
	struct storage_volume owned = *volume;

	if (volume->disk) {
		storage_owner(volume->disk, volume->offset, volume->bytes, owned.owner);
		if (holds_fn &&
		    holds_fn(volume->disk, volume->offset, volume->bytes, owned.holds) <= 0)
			owned.holds[0] = '\0';
	}
	listing->visit(listing->arg, &owned);
}

void storage_list(storage_visit visit, void *arg)
{
	struct listing listing = {visit, arg};

	for (unsigned i = 0; i < scheme_count; i++)
		if (schemes[i]->list)
			schemes[i]->list(add_owner, &listing);
}

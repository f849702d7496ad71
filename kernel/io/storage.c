/*
 * The table of the kinds of sources: by name to a device, and what there is. Who has what is
 * storage_claims.c's, a whole document storage_check.c's.
 */
#include "kernel/io/storage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/io/extents.h"
#include "kernel/io/storage_internal.h"

#define SCHEMES_MAX 16

static const struct storage_scheme *schemes[SCHEMES_MAX]; /* fixed after start-up */
static unsigned scheme_count;

static storage_holds_fn holds_fn; /* fixed after start-up, as the next */
static void (*on_change)(void);

void storage_register(const struct storage_scheme *scheme)
{
	if (scheme_count < SCHEMES_MAX)
		schemes[scheme_count++] = scheme;
}

void storage_set_holds(storage_holds_fn holds)
{
	holds_fn = holds;
}

bool storage_can_tell(void)
{
	return holds_fn;
}

int storage_holds(struct blkdev *dev, uint64_t offset, uint64_t bytes,
		  char what[STORAGE_WHY_BYTES])
{
	return holds_fn ? holds_fn(dev, offset, bytes, what) : 0;
}

void storage_on_change(void (*changed)(void))
{
	on_change = changed;
}

void storage_changed(void)
{
	if (on_change)
		on_change();
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

int storage_add_extents(struct extents *extents, struct blkdev *dev,
			char why[STORAGE_WHY_BYTES])
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
		error = storage_add_extents(extents, *dev, why);
	}
	if (error) {
		extents_free(extents);
		storage_close_device(*dev);
		*dev = NULL;
	}
	return error;
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
		if (storage_holds(volume->disk, volume->offset, volume->bytes, owned.holds) <=
		    0)
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

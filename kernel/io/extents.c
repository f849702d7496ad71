/* Runs of bytes on disks: collected from volumes, sorted, joined, compared. */
#include "kernel/io/extents.h"

#include <errno.h>
#include <stdlib.h>

#include "kernel/lib/sort.h"

#define CAPACITY_FIRST 16

/* The end of a walk through volumes, and how deep it is in them. */
struct walk {
	struct extents *extents;
	unsigned depth;
};

static int grow(struct extents *extents)
{
	unsigned capacity = extents->capacity ? 2 * extents->capacity : CAPACITY_FIRST;
	struct extent *at;

	if (capacity > EXTENTS_MAX)
		return -E2BIG;
	at = realloc(extents->at, capacity * sizeof(*at));
	if (!at)
		return -ENOMEM;
	extents->at = at;
	extents->capacity = capacity;
	return 0;
}

static int append(struct extents *extents, struct blkdev *disk, uint64_t offset, uint64_t bytes)
{
	struct extent *last = extents->count ? &extents->at[extents->count - 1] : NULL;
	int error;

	if (!bytes)
		return 0;
	if (last && last->disk == disk && last->offset + last->bytes == offset) {
		last->bytes += bytes;
		return 0;
	}
	if (extents->count == extents->capacity) {
		error = grow(extents);
		if (error)
			return error;
	}
	extents->at[extents->count++] = (struct extent){disk, offset, bytes};
	return 0;
}

static int descend(void *arg, struct blkdev *dev, uint64_t offset, uint64_t bytes)
{
	struct walk *walk = arg;
	int error;

	if (!dev->ops->pieces)
		return append(walk->extents, dev, offset, bytes);
	if (walk->depth == EXTENTS_DEPTH_MAX)
		return -ELOOP;
	walk->depth++;
	error = dev->ops->pieces(dev, offset, bytes, descend, walk);
	walk->depth--;
	return error;
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct extent *left = a, *right = b;

	(void)arg;
	if (left->disk != right->disk)
		return (uintptr_t)left->disk < (uintptr_t)right->disk ? -1 : 1;
	if (left->offset != right->offset)
		return left->offset < right->offset ? -1 : 1;
	return 0;
}

static void join(struct extents *extents)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < extents->count; i++) {
		struct extent *last = kept ? &extents->at[kept - 1] : NULL;
		const struct extent *next = &extents->at[i];

		if (last && last->disk == next->disk &&
		    last->offset + last->bytes >= next->offset)
			last->bytes =
				MAX(last->offset + last->bytes, next->offset + next->bytes) -
				last->offset;
		else
			extents->at[kept++] = *next;
	}
	extents->count = kept;
}

int extents_add(struct extents *extents, struct blkdev *dev, uint64_t offset, uint64_t bytes)
{
	struct walk walk = {extents, 0};
	int error = descend(&walk, dev, offset, bytes);

	if (extents->count) {
		sort_bounded(extents->at, extents->count, sizeof(*extents->at), compare, NULL);
		join(extents);
	}
	return error;
}

void extents_free(struct extents *extents)
{
	free(extents->at);
	*extents = (struct extents){0};
}

/* Whether a run ends before another begins. */
static int ends_before(const void *element, const void *key)
{
	const struct extent *run = element, *other = key;

	if (run->disk != other->disk)
		return (uintptr_t)run->disk < (uintptr_t)other->disk ? -1 : 1;
	return run->offset + run->bytes <= other->offset ? -1 : 0;
}

/* Each run of the shorter list is looked up in the longer one. */
bool extents_overlap(const struct extents *a, const struct extents *b, struct extent *where)
{
	const struct extents *few = a->count <= b->count ? a : b, *many = few == a ? b : a;

	for (unsigned i = 0; i < few->count; i++) {
		const struct extent *run = &few->at[i], *other;
		size_t at = sort_find(many->at, many->count, sizeof(*run), run, ends_before);
		uint64_t from, to;

		if (at == many->count || many->at[at].disk != run->disk)
			continue;
		other = &many->at[at];
		from = MAX(run->offset, other->offset);
		to = MIN(run->offset + run->bytes, other->offset + other->bytes);
		if (from < to) {
			*where = (struct extent){run->disk, from, to - from};
			return true;
		}
	}
	return false;
}

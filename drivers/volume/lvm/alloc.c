/*
 * Where a volume goes: behind itself if it grows, else into the smallest hole that takes all of
 * it, on the first disk that has one, else into the largest holes. Stripes go to different
 * disks; those with the largest holes come first.
 */
#include "drivers/volume/lvm/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/lib/size.h"

/* The holes of a group; what is taken is cut off at their beginning. */
struct holes {
	struct lvm_run *runs;
	unsigned count;
};

/* What a physical volume could give to the next piece. */
struct offer {
	struct lvm_run *hole; /* NULL: nothing */
	bool taken;
};

static void add_hole(struct holes *holes, uint32_t pv, uint32_t first, uint32_t end)
{
	if (first < end)
		holes->runs[holes->count++] =
			(struct lvm_run){.pv = pv, .first = first, .count = end - first};
}

/* vg->used is in order, so the holes are what is between. */
static int find_holes(const struct lvm_vg *vg, struct holes *holes)
{
	unsigned next = 0;

	*holes = (struct holes){calloc(vg->used_count + vg->pv_count, sizeof(*holes->runs)), 0};
	if (!holes->runs)
		return -ENOMEM;
	for (uint32_t pv = 0; pv < vg->pv_count; pv++) {
		uint32_t first = 0;

		for (; next < vg->used_count && vg->used[next].pv == pv; next++) {
			const struct lvm_run *used = &vg->used[next];

			if (vg->pvs[pv].allocatable)
				add_hole(holes, pv, first, used->first);
			first = used->first + used->count;
		}
		if (vg->pvs[pv].allocatable)
			add_hole(holes, pv, first, vg->pvs[pv].extents);
	}
	return 0;
}

uint64_t lvm_alloc_free(const struct lvm_vg *vg)
{
	uint64_t free = 0;

	for (unsigned i = 0; i < vg->pv_count; i++)
		free += vg->pvs[i].allocatable ? vg->pvs[i].extents : 0;
	for (unsigned i = 0; i < vg->used_count; i++)
		free -= vg->pvs[vg->used[i].pv].allocatable ? vg->used[i].count : 0;
	return free;
}

/* Of two holes the one that is better for `wanted` extents: the smaller of those that have
 * room, else the larger. */
static bool is_better(const struct lvm_run *hole, const struct lvm_run *than, uint32_t wanted)
{
	if (!than->count)
		return hole->count;
	if (hole->count >= wanted && than->count >= wanted)
		return hole->count < than->count;
	return hole->count > than->count;
}

static void make_offers(const struct holes *holes, struct offer *offers, uint32_t wanted)
{
	for (unsigned i = 0; i < holes->count; i++) {
		struct lvm_run *hole = &holes->runs[i];
		struct offer *offer = &offers[hole->pv];

		if (!offer->hole || is_better(hole, offer->hole, wanted))
			offer->hole = hole;
	}
}

/* The offer that is best for `wanted` and not taken, NULL when there is none. */
static struct offer *best_offer(struct offer *offers, unsigned count, uint32_t wanted)
{
	struct offer *best = NULL;

	for (struct offer *offer = offers; offer < offers + count; offer++) {
		uint32_t gives = offer->hole ? MIN(offer->hole->count, wanted) : 0;

		if (!gives || offer->taken)
			continue;
		if (!best || gives > MIN(best->hole->count, wanted))
			best = offer;
	}
	return best;
}

static void take(struct lvm_run *hole, uint32_t count, struct lvm_run *run)
{
	*run = (struct lvm_run){.pv = hole->pv, .first = hole->first, .count = count};
	hole->first += count;
	hole->count -= count;
}

/* Behind the last piece of the volume: all stripes must have room there. */
static bool take_behind(const struct holes *holes, const struct lvm_wish *wish,
			struct lvm_run **chosen, uint32_t wanted, uint32_t *count)
{
	*count = wanted;
	for (unsigned s = 0; s < wish->stripes; s++) {
		const struct lvm_run *after = &wish->after[s];

		chosen[s] = NULL;
		for (unsigned i = 0; i < holes->count; i++)
			if (holes->runs[i].pv == after->pv && holes->runs[i].count &&
			    holes->runs[i].first == after->first + after->count)
				chosen[s] = &holes->runs[i];
		if (!chosen[s])
			return false;
		*count = MIN(*count, chosen[s]->count);
	}
	return true;
}

static bool take_best(const struct lvm_vg *vg, const struct holes *holes, struct offer *offers,
		      const struct lvm_wish *wish, struct lvm_run **chosen, uint32_t wanted,
		      uint32_t *count)
{
	memset(offers, 0, vg->pv_count * sizeof(*offers));
	make_offers(holes, offers, wanted);
	*count = wanted;
	for (unsigned s = 0; s < wish->stripes; s++) {
		struct offer *offer = best_offer(offers, vg->pv_count, wanted);

		if (!offer)
			return false;
		offer->taken = true;
		chosen[s] = offer->hole;
		*count = MIN(*count, offer->hole->count);
	}
	return true;
}

static int no_space(const struct lvm_vg *vg, const struct lvm_wish *wish,
		    char why[LVM_WHY_BYTES])
{
	char wanted[SIZE_TEXT_BYTES], rest[SIZE_TEXT_BYTES];

	size_text((uint64_t)wish->extents * wish->stripes * vg->extent_bytes, wanted);
	size_text(lvm_alloc_free(vg) * vg->extent_bytes, rest);
	if (wish->stripes > 1)
		snprintf(why, LVM_WHY_BYTES,
			 "finds no room in %.40s for %s on %u physical volumes at once; %s are "
			 "free in all",
			 vg->name, wanted, wish->stripes, rest);
	else
		snprintf(why, LVM_WHY_BYTES, "finds no room in %.40s for %s; %s are free",
			 vg->name, wanted, rest);
	return -ENOSPC;
}

static int add_piece(struct lvm_vg *vg, const struct lvm_wish *wish, struct lvm_run **chosen,
		     uint32_t count, struct lvm_piece *piece)
{
	piece->count = count;
	piece->runs = lvm_text_alloc(&vg->text, wish->stripes * sizeof(*piece->runs));
	if (!piece->runs)
		return -ENOMEM;
	for (unsigned s = 0; s < wish->stripes; s++)
		take(chosen[s], count, &piece->runs[s]);
	return 0;
}

int lvm_alloc(struct lvm_vg *vg, const struct lvm_wish *wish,
	      struct lvm_piece pieces[LVM_PIECES_MAX], unsigned *count, char why[LVM_WHY_BYTES])
{
	struct offer *offers = calloc(vg->pv_count, sizeof(*offers));
	struct lvm_run **chosen = calloc(wish->stripes, sizeof(struct lvm_run *));
	struct holes holes = {0};
	uint32_t left = wish->extents, now;
	int error = offers && chosen ? find_holes(vg, &holes) : -ENOMEM;

	*count = 0;
	if (!error && wish->after && left && take_behind(&holes, wish, chosen, left, &now)) {
		error = add_piece(vg, wish, chosen, now, &pieces[(*count)++]);
		left -= now;
	}
	while (left && !error) {
		if (*count == LVM_PIECES_MAX ||
		    !take_best(vg, &holes, offers, wish, chosen, left, &now)) {
			error = no_space(vg, wish, why);
			break;
		}
		error = add_piece(vg, wish, chosen, now, &pieces[(*count)++]);
		left -= now;
	}
	free(holes.runs);
	free(chosen);
	free(offers);
	return error;
}

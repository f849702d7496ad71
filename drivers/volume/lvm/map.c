/* The arithmetic of extents and stripes. Of a striped segment, one stripe is taken from each
 * area in turn (Linux: Documentation/admin-guide/device-mapper/striped.rst). */
#include "drivers/volume/lvm/map.h"

#include <stdlib.h>

static unsigned count_areas(const struct lvm_lv *lv)
{
	unsigned count = 0;

	for (unsigned i = 0; i < lv->segment_count; i++)
		count += lv->segments[i].stripes;
	return count;
}

static void fill_segment(const struct lvm_vg *vg, const struct lvm_segment *from,
			 struct lvm_map_segment *segment)
{
	segment->first = from->first * vg->extent_bytes;
	segment->bytes = from->count * vg->extent_bytes;
	segment->stripes = from->stripes;
	segment->stripe_bytes = from->stripe_bytes;
	for (unsigned i = 0; i < from->stripes; i++) {
		const struct lvm_run *area = &from->areas[i];

		segment->areas[i] = (struct lvm_place){
			.pv = area->pv,
			.offset = vg->pvs[area->pv].start + area->first * vg->extent_bytes,
			.bytes = area->count * vg->extent_bytes,
		};
	}
}

struct lvm_map *lvm_map_create(const struct lvm_vg *vg, const struct lvm_lv *lv)
{
	size_t segments = lv->segment_count * sizeof(struct lvm_map_segment);
	struct lvm_map *map =
		calloc(1, sizeof(*map) + segments + count_areas(lv) * sizeof(struct lvm_place));
	struct lvm_place *areas;

	if (!map)
		return NULL;
	map->bytes = lv->extents * vg->extent_bytes;
	map->segment_count = lv->segment_count;
	areas = (struct lvm_place *)&map->segments[map->segment_count];
	for (unsigned i = 0; i < map->segment_count; i++) {
		map->segments[i].areas = areas;
		fill_segment(vg, &lv->segments[i], &map->segments[i]);
		areas += map->segments[i].stripes;
	}
	return map;
}

static const struct lvm_map_segment *segment_at(const struct lvm_map *map, uint64_t offset)
{
	const struct lvm_map_segment *segment = map->segments;

	for (unsigned count = map->segment_count; count > 1;) {
		unsigned half = count / 2;

		if (segment[half].first <= offset) {
			segment += half;
			count -= half;
		} else {
			count = half;
		}
	}
	return segment;
}

struct lvm_place lvm_map_at(const struct lvm_map *map, uint64_t offset)
{
	const struct lvm_map_segment *segment = segment_at(map, offset);
	uint64_t at = offset - segment->first;
	struct lvm_place place = segment->areas[0];
	uint64_t skip = at, left = segment->bytes - at;

	if (segment->stripes > 1) {
		uint64_t stripe = at / segment->stripe_bytes;
		uint64_t in_stripe = at % segment->stripe_bytes;

		place = segment->areas[stripe % segment->stripes];
		skip = stripe / segment->stripes * segment->stripe_bytes + in_stripe;
		left = segment->stripe_bytes - in_stripe;
	}
	place.offset += skip;
	place.bytes = left;
	return place;
}

/* [from, to) of the segment: in each area the rows of stripes that it touches. */
static int visit_segment(const struct lvm_map_segment *segment, uint64_t from, uint64_t to,
			 int (*visit)(void *arg, const struct lvm_place *place), void *arg)
{
	uint64_t stripe = segment->stripes > 1 ? segment->stripe_bytes : 1;
	uint64_t row = stripe * segment->stripes;
	uint64_t first = from / row * stripe, end = (to + row - 1) / row * stripe;
	int stop = 0;

	for (uint32_t s = 0; s < segment->stripes && !stop; s++) {
		struct lvm_place place = segment->areas[s];

		place.offset += first;
		place.bytes = end - first;
		stop = visit(arg, &place);
	}
	return stop;
}

int lvm_map_places(const struct lvm_map *map, uint64_t offset, uint64_t bytes,
		   int (*visit)(void *arg, const struct lvm_place *place), void *arg)
{
	const struct lvm_map_segment *segment = segment_at(map, offset);
	const struct lvm_map_segment *end = map->segments + map->segment_count;
	int stop = 0;

	for (; segment < end && segment->first < offset + bytes && !stop; segment++) {
		uint64_t from = MAX(offset, segment->first) - segment->first;
		uint64_t to = MIN(offset + bytes - segment->first, segment->bytes);

		if (from < to)
			stop = visit_segment(segment, from, to, visit, arg);
	}
	return stop;
}

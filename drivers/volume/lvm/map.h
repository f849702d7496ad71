/* Where a logical volume's bytes are on its physical volumes. By itself: what it was made from
 * may go. */
#ifndef DRIVERS_VOLUME_LVM_MAP_H
#define DRIVERS_VOLUME_LVM_MAP_H

#include "drivers/volume/lvm/vg.h"

/* Bytes that lie one behind the other on a physical volume. */
struct lvm_place {
	uint32_t pv;	 /* index in the group */
	uint64_t offset; /* on its disk */
	uint64_t bytes;
};

struct lvm_map_segment {
	uint64_t first, bytes; /* of the volume */
	uint32_t stripes, stripe_bytes;
	struct lvm_place *areas; /* one for each stripe */
};

struct lvm_map {
	uint64_t bytes;
	unsigned segment_count;
	struct lvm_map_segment segments[];
};

/* Of a volume that lvm_vg_check() found nothing wrong with. To be freed with free(); NULL when
 * out of memory. */
struct lvm_map *lvm_map_create(const struct lvm_vg *vg, const struct lvm_lv *lv);

/* The run that begins with byte `offset` of the volume, which is inside it. In a stripe: to the
 * stripe's end. Any context. */
struct lvm_place lvm_map_at(const struct lvm_map *map, uint64_t offset);

/* All that [offset, offset + bytes) of the volume lies on: one run for each area of a segment,
 * of stripes rather more than less. `visit` returns non-zero to stop, which is returned. */
int lvm_map_places(const struct lvm_map *map, uint64_t offset, uint64_t bytes,
		   int (*visit)(void *arg, const struct lvm_place *place), void *arg);

#endif

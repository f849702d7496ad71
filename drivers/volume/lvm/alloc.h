/* Finds free extents for a new volume, or for one that grows. */
#ifndef DRIVERS_VOLUME_LVM_ALLOC_H
#define DRIVERS_VOLUME_LVM_ALLOC_H

#include "drivers/volume/lvm/vg.h"

#define LVM_PIECES_MAX \
	64 /* more would mean a group so full of holes that a person should look */

/* `count` extents on each of as many physical volumes as there are stripes. */
struct lvm_piece {
	uint32_t count;
	struct lvm_run *runs;
};

struct lvm_wish {
	uint32_t stripes;
	uint32_t extents;	     /* of each stripe */
	const struct lvm_run *after; /* go on behind these if possible: one a stripe; or NULL */
};

/*
 * Fills `pieces`, whose runs last as long as the group. 0; -ENOSPC with the rest of a sentence;
 * -ENOMEM. Nothing in the group is changed.
 */
int lvm_alloc(struct lvm_vg *vg, const struct lvm_wish *wish,
	      struct lvm_piece pieces[LVM_PIECES_MAX], unsigned *count,
	      char why[LVM_WHY_BYTES]);

/* Extents that are free, and may be used, in all. */
uint64_t lvm_alloc_free(const struct lvm_vg *vg);

#endif

/* The segments of a group's logical volumes, and the extents that they use. Private to vg.c. */
#ifndef DRIVERS_VOLUME_LVM_VG_INTERNAL_H
#define DRIVERS_VOLUME_LVM_VG_INTERNAL_H

#include "drivers/volume/lvm/vg.h"

/* Fills in the segments of all volumes, who is made of whom, and vg->used. Errors as those of
 * lvm_vg_parse(). */
int lvm_segments_parse(struct lvm_vg *vg, char why[LVM_WHY_BYTES]);

#endif

/*
 * The volume groups that disks hold: labels found, texts read, the newest of each group chosen,
 * its physical volumes matched with disks. A picture of one moment; nothing is written.
 */
#ifndef DRIVERS_VOLUME_LVM_SCAN_H
#define DRIVERS_VOLUME_LVM_SCAN_H

#include "drivers/volume/lvm/vg.h"

/* Words of all texts together: what one of them may have, twice. Smaller texts come first, so
 * that large ones, which a stranger may have written, leave nobody out. */
#define LVM_SCAN_NODES_MAX (2 * LVM_TEXT_NODES_MAX)

struct lvm_scan {
	struct lvm_label *labels;
	struct lvm_label **by_id; /* the same, sorted */
	unsigned label_count;
	struct lvm_vg *vgs; /* by `next`; older states of a group are not among them */
	struct lvm_vg *old;
	unsigned vg_count, nodes;    /* of all texts */
	char problem[LVM_WHY_BYTES]; /* the first disk with something wrong: a sentence, or ""
				      */
	struct turns turns;
};

/*
 * Bounds: with T texts, L labels and P physical volumes in all the texts, about T * T + T * L +
 * (P + T * L) * log2(P) comparisons, with others' turns in between.
 *
 * The disks stay in use until lvm_scan_free(). What a disk does not tell is as if it were not
 * there. 0 or -ENOMEM. */
int lvm_scan(struct lvm_disk *const *disks, unsigned count, struct lvm_scan *scan);
void lvm_scan_free(struct lvm_scan *scan);

/* 0; -ENOENT with the rest of a sentence. */
int lvm_scan_group(const struct lvm_scan *scan, const char *name, struct lvm_vg **vg,
		   char why[LVM_WHY_BYTES]);
/* "vg0/web", to the volume as well. -EINVAL: not of that form. */
int lvm_scan_volume(const struct lvm_scan *scan, const char *path, struct lvm_vg **vg,
		    struct lvm_lv **lv, char why[LVM_WHY_BYTES]);

#endif

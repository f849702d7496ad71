/*
 * Changes of a group in memory: volumes are made, resized and taken away in the tree of its
 * metadata, and the new text is printed and checked. Disks are commit.c's.
 */
#ifndef DRIVERS_VOLUME_LVM_CHANGE_H
#define DRIVERS_VOLUME_LVM_CHANGE_H

#include "drivers/volume/lvm/vg.h"

#define LVM_STRIPE_BYTES (64 * KIB) /* if nothing else is asked for, as in LVM2 */

/* What the metadata says of who changed it, and where its IDs come from. */
struct lvm_author {
	const char *host;
	uint64_t time_s; /* since 1970 */
	/* Fills `buf` with random bytes. 0 or a negative errno. */
	int (*random)(void *buf, size_t bytes);
};

struct lvm_new {
	const char *name;
	uint64_t bytes; /* rounded up to whole extents of every stripe */
	uint32_t stripes;
	uint32_t stripe_bytes; /* where there are several: a power of two, 4 KiB or more */
};

/*
 * Each changes the tree and nothing else of `vg`, which lvm_change_finish() may follow, and
 * lvm_vg_free() must. 0; -EINVAL, -EEXIST, -ENOSPC, -EALREADY, with the rest of a sentence;
 * -ENOMEM, or what `random` says.
 */
int lvm_change_create(struct lvm_vg *vg, const struct lvm_new *new,
		      const struct lvm_author *author, char why[LVM_WHY_BYTES]);
int lvm_change_resize(struct lvm_vg *vg, struct lvm_lv *lv, uint64_t bytes,
		      char why[LVM_WHY_BYTES]);
int lvm_change_remove(struct lvm_vg *vg, struct lvm_lv *lv, char why[LVM_WHY_BYTES]);

/*
 * The group's next text, with the next number: *text is to be freed, *changed is the group that
 * it describes, to be freed with lvm_vg_free(). `what` is what was done, for the description.
 * 0; -EINVAL with the rest of a sentence: the text did not hold what it should; -ENOMEM.
 */
int lvm_change_finish(struct lvm_vg *vg, const struct lvm_author *author, const char *what,
		      char **text, size_t *bytes, struct lvm_vg **changed,
		      char why[LVM_WHY_BYTES]);

/* Whether LVM2 would take the name for a new volume. 0, or -EINVAL. */
int lvm_change_name(const struct lvm_vg *vg, const char *name, char why[LVM_WHY_BYTES]);

#endif

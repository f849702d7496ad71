/* Disks in memory with LVM2's labels and metadata areas, for the tests of drivers/volume/lvm;
 * and a group's metadata as LVM2 2.03.16 wrote it. */
#ifndef TESTS_UNIT_LVM_IMAGE_H
#define TESTS_UNIT_LVM_IMAGE_H

#include "drivers/volume/lvm/label.h"

#define LVM_IMAGE_BYTES	     (20 * MIB)
#define LVM_IMAGE_AREA	     4096 /* where the first area is; the second is at the end */
#define LVM_IMAGE_AREA_BYTES (32 * KIB)

struct lvm_image {
	struct lvm_disk disk;
	uint8_t *bytes;
	unsigned areas;
	unsigned long calls;		   /* writes and flushes so far */
	unsigned long fail_at;		   /* this one and those after it fail; 0: none */
	unsigned long reads, fail_read_at; /* of reads, the one that fails; 0: none */
	uint64_t written;		   /* bytes, so far */
	bool flushed;			   /* nothing was written since the last flush */
};

/* "vg0" on two disks, with the volumes web (linear), str (two stripes) and x. */
extern const char lvm_image_text[];
extern const char lvm_image_pv0[], lvm_image_pv1[]; /* the IDs of its disks */

/* An empty PV with that ID and 0 to 2 metadata areas. */
void lvm_image_init(struct lvm_image *image, const char *name, const char *id, unsigned areas,
		    uint32_t block_bytes);
void lvm_image_free(struct lvm_image *image);

/* Writes the text (and NUL) to `offset` of the area, from where it wraps around, and the header
 * that names it. */
void lvm_image_put(struct lvm_image *image, unsigned area, uint64_t offset, const char *text);

/* The group's text with the first `from` replaced; stays until the next call. */
const char *lvm_image_edited(const char *from, const char *to);

/* Gives label and area headers the checksums that they should have. */
void lvm_image_mend(struct lvm_image *image);

#endif

/*
 * A volume group as its metadata describes it: physical volumes, logical volumes, segments.
 * Where the physical volumes are is scan.c's to find out.
 */
#ifndef DRIVERS_VOLUME_LVM_VG_H
#define DRIVERS_VOLUME_LVM_VG_H

#include "drivers/volume/lvm/label.h"

#define LVM_EXTENT_NONE UINT32_MAX

/* Bounds of one group: more is refused, with the number. */
#define LVM_PVS_MAX	  1024
#define LVM_LVS_MAX	  4096
#define LVM_STRIPES_MAX	  128 /* MAX_STRIPES in LVM2 */

#define LVM_LOOK_UP_STEPS 16 /* of turns.h: what finding one name among so many takes */

struct lvm_pv {
	const char *name; /* in this metadata: "pv0" */
	char id[LVM_ID_BYTES + 1];
	uint64_t start; /* of extent 0 on the disk, bytes */
	uint32_t extents;
	bool allocatable, missing;
	struct lvm_label *label; /* scan.c's: where it was found, or NULL */
};

/* Extents of a PV, one after the other. */
struct lvm_run {
	uint32_t pv, first, count;
};

struct lvm_segment {
	struct lvm_node *node;
	uint32_t first, count; /* extents of the volume; count: of all stripes together */
	const char *type;
	uint32_t stripes, stripe_bytes; /* bytes: 0 where there is one stripe */
	struct lvm_run *areas; /* one for each stripe; NULL: not made of PVs' extents alone */
};

struct lvm_lv {
	const char *name;
	struct lvm_node *node;
	uint32_t extents;
	struct lvm_segment *segments; /* in order, without gaps */
	unsigned segment_count;
	bool visible, writable;
	bool locked; /* pvmove or the like is under way */
	/* Another volume that is made of this one, or NULL; the type of its segment, and the
	 * field there that names this one. */
	const char *user, *user_type, *user_field;
};

struct lvm_vg {
	struct lvm_text text;
	struct lvm_node *node; /* the group's section in it */
	const char *name;
	char id[LVM_ID_BYTES + 1];
	uint32_t seqno;
	uint64_t extent_bytes;
	struct lvm_pv *pvs;
	unsigned pv_count;
	struct lvm_pv **pvs_by_name, **pvs_by_id; /* the same, sorted */
	struct lvm_lv *lvs;
	unsigned lv_count;
	struct lvm_lv **lvs_by_name;
	/* What PVs' extents are in use for, hidden volumes' too; in order, without overlap. */
	struct lvm_run *used;
	unsigned used_count;
	char why[LVM_WHY_BYTES];      /* "", or why nothing of it is served: "lacks ..." */
	char keep_why[LVM_WHY_BYTES]; /* "", or why it must not be changed */
	char note[LVM_WHY_BYTES];     /* "", or what to know besides */
	struct lvm_vg *next;	      /* scan.c's */
	bool is_old;		      /* scan.c's */
	char *raw;		      /* scan.c's: the text, of this checksum and length */
	uint32_t crc;
	size_t bytes;
};

/* 0; -EINVAL with the rest of a sentence: the text cannot be understood; -ENOMEM. */
int lvm_vg_parse(const char *text, size_t bytes, struct lvm_vg **vg, char why[LVM_WHY_BYTES]);
void lvm_vg_free(struct lvm_vg *vg); /* NULL is nothing */

/* Each looks a name or an ID up in about log2(count) comparisons. NULL: there is none. */
struct lvm_lv *lvm_vg_find(const struct lvm_vg *vg, const char *name);
struct lvm_pv *lvm_vg_find_pv(const struct lvm_vg *vg, const char *name);
struct lvm_pv *lvm_vg_find_id(const struct lvm_vg *vg, const char *id);

/* Whether the volume can be served: 0; or -EINVAL with the rest of a sentence. */
int lvm_vg_check(const struct lvm_vg *vg, const struct lvm_lv *lv, char why[LVM_WHY_BYTES]);

#endif

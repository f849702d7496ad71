/*
 * A physical volume as its disk shows it: the label, the PV header, and the metadata areas with
 * their headers and texts. What the texts say is vg.c's. Layout: lib/label/label.h and
 * lib/format_text/layout.h in LVM2.
 */
#ifndef DRIVERS_VOLUME_LVM_LABEL_H
#define DRIVERS_VOLUME_LVM_LABEL_H

#include "drivers/volume/lvm/disk.h"
#include "drivers/volume/lvm/text.h"

#define LVM_ID_BYTES	     32
#define LVM_NAME_BYTES	     128 /* of a group or volume, with NUL; NAME_LEN in LVM2 */
#define LVM_AREAS_MAX	     2	 /* of one PV: LVM2 makes one at the start and one at the end */
#define LVM_LABEL_AREA_BYTES (4 * LVM_SECTOR_BYTES) /* where the label may be */

struct lvm_label_header {
	char magic[8];	 /* "LABELONE" */
	uint64_t sector; /* its own number */
	uint32_t crc;	 /* from `offset` to the sector's end */
	uint32_t offset; /* of the PV header in the sector */
	char type[8];	 /* "LVM2 001" */
};
_Static_assert(sizeof(struct lvm_label_header) == 32, "label_header");

struct lvm_location { /* disk_locn */
	uint64_t offset, bytes;
};

struct lvm_raw_location { /* raw_locn */
	uint64_t offset;  /* from the area's start */
	uint64_t bytes;
	uint32_t crc;
	uint32_t flags;
};
_Static_assert(sizeof(struct lvm_raw_location) == 24, "raw_locn");
#define LVM_RAW_IGNORED 1u

enum { LVM_COMMITTED, LVM_PRECOMMITTED, LVM_SLOTS };

/* mda_header: one sector, so that it is written whole or not at all. */
struct lvm_area_header {
	uint32_t crc; /* of the rest */
	char magic[16];
	uint32_t version;
	uint64_t start; /* of the area on its disk: where this is */
	uint64_t bytes;
	struct lvm_raw_location slots[LVM_SLOTS];
	uint8_t rest[LVM_SECTOR_BYTES - 88]; /* more slots, which nobody uses */
};
_Static_assert(sizeof(struct lvm_area_header) == LVM_SECTOR_BYTES, "mda_header");
_Static_assert(offsetof(struct lvm_area_header, slots) == 40, "mda_header");

enum lvm_area_state {
	LVM_AREA_EMPTY,	  /* no text yet: a PV without a VG */
	LVM_AREA_IGNORED, /* LVM2 neither reads nor writes it */
	LVM_AREA_GOOD,	  /* has a text with the right CRC */
	LVM_AREA_UNREAD,  /* may have one, which Bulkhead does not take: label.why says why */
	LVM_AREA_DAMAGED, /* has nothing that counts, for LVM2 neither: so does it */
};

struct lvm_area {
	enum lvm_area_state state;
	struct lvm_location where; /* on the disk */
	struct lvm_area_header header;
	struct lvm_vg *vg; /* scan.c's: whose text it has */
};

struct lvm_label {
	struct lvm_disk *disk;
	char id[LVM_ID_BYTES + 1];
	uint32_t extension; /* version of pv_header_extension, 0: none */
	struct lvm_area areas[LVM_AREAS_MAX];
	unsigned area_count;
	bool more_areas;   /* than LVM_AREAS_MAX */
	struct lvm_vg *vg; /* scan.c's: that it is part of */
	/* "", or what is wrong with it, the rest of a sentence about its disk: of an area, or,
	 * by scan.c, why it is in no group that is known. */
	char why[LVM_WHY_BYTES];
	/* "", or the name of its group, as an area says it that could not be read whole. */
	char group[LVM_NAME_BYTES];
};

/* Reads the label, and the headers of the areas. 0; -ENOENT: not a PV; -ENOMEM, or what the
 * disk says. */
int lvm_label_read(struct lvm_disk *disk, struct lvm_label *label);

/* The text of an area in the state LVM_AREA_GOOD: *text is to be freed. 0; -EINVAL when it is
 * damaged after all, which state and label->why then say; -ENOMEM, or what the disk says. Gives
 * others their turn. */
int lvm_label_read_text(struct lvm_label *label, unsigned area, char **text);

/* Fills in label->group from the beginning of the area's text, if it is empty and that has a
 * name. 0; -ENOMEM. */
int lvm_label_read_name(struct lvm_label *label, unsigned area);

/* Computes the header's CRC and writes it. */
int lvm_label_write_header(struct lvm_label *label, unsigned area,
			   struct lvm_area_header *header);

/* An ID as people and metadata write it, 6-4-4-4-4-4-6, to its 32 letters and back. */
#define LVM_ID_TEXT_BYTES (LVM_ID_BYTES + 6 + 1)
bool lvm_label_id(const char *text, char id[LVM_ID_BYTES + 1]);
char lvm_label_id_letter(uint8_t random); /* one of those that LVM2 makes IDs of */
void lvm_label_id_text(const char id[LVM_ID_BYTES], char text[LVM_ID_TEXT_BYTES]);

#endif

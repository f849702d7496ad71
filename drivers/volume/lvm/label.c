/* Reads labels and areas, and writes area headers. Nothing on a disk is trusted. */
#include "drivers/volume/lvm/label.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define AREA_VERSION   1
#define CRC_STEP_BYTES 16 /* of a text: one of turns.h's steps */

static const char area_magic[16] = " LVM2 x[5A%r0N*>";
/* The last two are of old IDs only (lib/uuid/uuid.c). */
static const char id_letters[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ!#";
#define NEW_ID_LETTERS 62
static const uint8_t id_groups[] = {6, 4, 4, 4, 4, 4, 6};

/* The rest of a label's sector, read piece by piece. */
struct cursor {
	const uint8_t *at, *end;
};

static bool take(struct cursor *cursor, void *into, size_t bytes)
{
	if ((size_t)(cursor->end - cursor->at) < bytes)
		return false;
	memcpy(into, cursor->at, bytes);
	cursor->at += bytes;
	return true;
}

static bool id_is_valid(const char id[LVM_ID_BYTES])
{
	for (unsigned i = 0; i < LVM_ID_BYTES; i++)
		if (!id[i] || !strchr(id_letters, id[i]))
			return false;
	return true;
}

bool lvm_label_id(const char *text, char id[LVM_ID_BYTES + 1])
{
	unsigned used = 0;

	for (unsigned g = 0; g < ARRAY_SIZE(id_groups); g++) {
		if (g && *text++ != '-')
			return false;
		for (unsigned i = 0; i < id_groups[g]; i++) {
			if (!*text)
				return false;
			id[used++] = *text++;
		}
	}
	id[used] = '\0';
	return !*text && id_is_valid(id);
}

char lvm_label_id_letter(uint8_t random)
{
	return id_letters[random % NEW_ID_LETTERS];
}

void lvm_label_id_text(const char id[LVM_ID_BYTES], char text[LVM_ID_TEXT_BYTES])
{
	for (unsigned g = 0; g < ARRAY_SIZE(id_groups); g++) {
		if (g)
			*text++ = '-';
		memcpy(text, id, id_groups[g]);
		text += id_groups[g];
		id += id_groups[g];
	}
	*text = '\0';
}

/* ---- the label ---------------------------------------------------------------------------
 */

static bool label_in(const uint8_t sector[LVM_SECTOR_BYTES], unsigned number,
		     struct cursor *pv_header)
{
	const size_t covered = offsetof(struct lvm_label_header, offset);
	struct lvm_label_header header;

	memcpy(&header, sector, sizeof(header));
	if (memcmp(header.magic, "LABELONE", 8) != 0 || header.sector != number ||
	    memcmp(header.type, "LVM2 001", 8) != 0 ||
	    header.crc != lvm_crc(sector + covered, LVM_SECTOR_BYTES - covered) ||
	    header.offset < sizeof(header) || header.offset > LVM_SECTOR_BYTES)
		return false;
	*pv_header = (struct cursor){sector + header.offset, sector + LVM_SECTOR_BYTES};
	return true;
}

/* Two lists of locations, each ended by zeroes: data areas, then metadata areas. The first
 * tells nothing that the metadata does not. */
static bool parse_pv_header(struct cursor cursor, struct lvm_label *label)
{
	uint64_t device_bytes;
	struct lvm_location location;

	if (!take(&cursor, label->id, LVM_ID_BYTES) || !id_is_valid(label->id) ||
	    !take(&cursor, &device_bytes, sizeof(device_bytes)))
		return false;
	do {
		if (!take(&cursor, &location, sizeof(location)))
			return false;
	} while (location.offset);
	for (;;) {
		if (!take(&cursor, &location, sizeof(location)))
			return false;
		if (!location.offset)
			break;
		if (label->area_count == LVM_AREAS_MAX)
			label->more_areas = true;
		else
			label->areas[label->area_count++].where = location;
	}
	if (!take(&cursor, &label->extension, sizeof(label->extension)))
		label->extension = 0;
	return true;
}

static bool find_label(const uint8_t sectors[LVM_LABEL_AREA_BYTES], struct lvm_label *label)
{
	struct cursor pv_header;

	for (unsigned i = 0; i < LVM_LABEL_AREA_BYTES / LVM_SECTOR_BYTES; i++)
		if (label_in(sectors + i * LVM_SECTOR_BYTES, i, &pv_header))
			return parse_pv_header(pv_header, label);
	return false;
}

/* ---- areas ------------------------------------------------------------------------------- */

static uint32_t header_crc(const struct lvm_area_header *header)
{
	return lvm_crc(header->magic,
		       sizeof(*header) - offsetof(struct lvm_area_header, magic));
}

static bool area_fits(const struct lvm_disk *disk, const struct lvm_location *where)
{
	return where->offset <= disk->bytes && where->bytes <= disk->bytes - where->offset &&
	       where->bytes >= 3 * LVM_SECTOR_BYTES &&
	       IS_ALIGNED(where->offset | where->bytes, LVM_SECTOR_BYTES);
}

/* Where a text may be: behind the header; it may go on there from the area's end. */
static bool text_fits(const struct lvm_area *area, const struct lvm_raw_location *text)
{
	return text->bytes && text->offset >= LVM_SECTOR_BYTES &&
	       text->offset < area->where.bytes &&
	       text->bytes <= area->where.bytes - LVM_SECTOR_BYTES;
}

static enum lvm_area_state damaged(struct lvm_label *label, const char *what)
{
	lvm_text_refuse(label->why, "has a metadata area %s", what);
	return LVM_AREA_DAMAGED;
}

static enum lvm_area_state check_header(struct lvm_label *label, const struct lvm_area *area)
{
	const struct lvm_area_header *header = &area->header;
	const struct lvm_raw_location *text = &header->slots[LVM_COMMITTED];

	if (header->crc != header_crc(header))
		return damaged(label, "whose header is damaged: its checksum is wrong");
	if (memcmp(header->magic, area_magic, sizeof(area_magic)) != 0 ||
	    header->version != AREA_VERSION || header->start != area->where.offset ||
	    header->bytes != area->where.bytes)
		return damaged(label, "whose header does not belong there");
	if (text->flags & LVM_RAW_IGNORED)
		return LVM_AREA_IGNORED;
	if (!text->offset && !text->bytes)
		return LVM_AREA_EMPTY;
	if (!text_fits(area, text))
		return damaged(label, "whose header puts the text outside of it");
	if (text->bytes <= LVM_TEXT_BYTES_MAX)
		return LVM_AREA_GOOD;
	lvm_text_refuse(label->why,
			"has %llu bytes of metadata text; Bulkhead takes %llu at most",
			(unsigned long long)text->bytes, LVM_TEXT_BYTES_MAX);
	return LVM_AREA_UNREAD;
}

static int read_header(struct lvm_label *label, unsigned index)
{
	struct lvm_area *area = &label->areas[index];
	int error;

	area->state = LVM_AREA_DAMAGED;
	if (!area_fits(label->disk, &area->where)) {
		damaged(label, "that does not lie on it");
		return 0;
	}
	error = lvm_disk_read(label->disk, area->where.offset, &area->header,
			      sizeof(area->header));
	if (!error)
		area->state = check_header(label, area);
	else if (error != -ENOMEM)
		damaged(label, "that can't be read");
	if (area->state == LVM_AREA_UNREAD)
		error = lvm_label_read_name(label, index);
	return error == -ENOMEM ? error
				: 0; /* one area may be lost: the others have the same */
}

int lvm_label_read(struct lvm_disk *disk, struct lvm_label *label)
{
	uint8_t sectors[LVM_LABEL_AREA_BYTES];
	int error;

	*label = (struct lvm_label){.disk = disk};
	if (disk->bytes < LVM_LABEL_AREA_BYTES)
		return -ENOENT;
	error = lvm_disk_read(disk, 0, sectors, sizeof(sectors));
	if (error)
		return error;
	if (!find_label(sectors, label))
		return -ENOENT;
	for (unsigned i = 0; i < label->area_count && !error; i++)
		error = read_header(label, i);
	return error;
}

/* The checksum of much text, in pieces. */
static uint32_t text_crc(const char *text, size_t bytes)
{
	struct turns turns = {0};
	uint32_t crc = LVM_CRC_INITIAL;

	for (size_t done = 0, piece; done < bytes; done += piece) {
		piece = MIN(bytes - done, (size_t)CRC_STEP_BYTES * TURNS_STEPS);
		crc = crc32_update(crc, text + done, piece);
		turns_take(&turns, piece / CRC_STEP_BYTES);
	}
	return crc;
}

/* `bytes` of the text, from its beginning. */
static int read_text(const struct lvm_label *label, const struct lvm_area *area, char *buf,
		     size_t bytes)
{
	const struct lvm_raw_location *slot = &area->header.slots[LVM_COMMITTED];
	size_t first = MIN(bytes, area->where.bytes - slot->offset);
	int error = lvm_disk_read(label->disk, area->where.offset + slot->offset, buf, first);

	if (!error && first < bytes)
		error = lvm_disk_read(label->disk, area->where.offset + LVM_SECTOR_BYTES,
				      buf + first, bytes - first);
	return error;
}

int lvm_label_read_text(struct lvm_label *label, unsigned index, char **text)
{
	struct lvm_area *area = &label->areas[index];
	const struct lvm_raw_location *slot = &area->header.slots[LVM_COMMITTED];
	char *buf = malloc(slot->bytes);
	int error;

	if (!buf)
		return -ENOMEM;
	error = read_text(label, area, buf, slot->bytes);
	if (error && error != -ENOMEM)
		area->state = damaged(label, "whose text can't be read");
	if (!error && text_crc(buf, slot->bytes) != slot->crc) {
		area->state = damaged(label, "whose text is damaged: its checksum is wrong");
		error = -EINVAL;
	}
	if (error)
		free(buf);
	else
		*text = buf;
	return error;
}

int lvm_label_read_name(struct lvm_label *label, unsigned index)
{
	const struct lvm_area *area = &label->areas[index];
	char name[LVM_NAME_BYTES];
	size_t bytes = MIN(area->header.slots[LVM_COMMITTED].bytes, sizeof(name)), length;
	int error = *label->group ? -EEXIST : read_text(label, area, name, bytes);

	if (error)
		return error == -ENOMEM ? error : 0;
	length = lvm_text_name(name, bytes);
	if (length < bytes)
		memcpy(label->group, name, length);
	return 0;
}

int lvm_label_write_header(struct lvm_label *label, unsigned area,
			   struct lvm_area_header *header)
{
	header->crc = header_crc(header);
	return lvm_disk_write(label->disk, label->areas[area].where.offset, header,
			      sizeof(*header));
}

/* Names in FAT directories: long ones in pieces, short ones of eight and three characters. */
#include <ctype.h>
#include <string.h>

#include "drivers/volume/fat_internal.h"

#define PART_CHARS    13
#define PART_LAST     0x40 /* the name's last part, which comes first */
#define PART_NUMBER   0x3f
#define CHECKSUM_AT   13
#define BASE_CHARS    8
#define EXTENSION_END 11

static uint8_t checksum(const uint8_t short_name[11])
{
	uint8_t sum = 0;

	for (unsigned i = 0; i < 11; i++)
		sum = (uint8_t)((sum & 1 ? 0x80 : 0) + (sum >> 1) + short_name[i]);
	return sum;
}

void fat_long_name_add(struct fat_long_name *name, const struct fat_entry *entry)
{
	static const uint8_t places[PART_CHARS] = {1,  3,  5,  7,  9,  14, 16,
						   18, 20, 22, 24, 28, 30};
	const uint8_t *bytes = (const uint8_t *)entry;
	unsigned number = bytes[0] & PART_NUMBER, at;

	if (bytes[0] & PART_LAST) {
		memset(name, 0, sizeof(*name));
		name->next = number;
		name->length = number * PART_CHARS;
		name->checksum = bytes[CHECKSUM_AT];
	}
	at = (number - 1) * PART_CHARS;
	if (!number || number != name->next || name->checksum != bytes[CHECKSUM_AT] ||
	    at + PART_CHARS > FAT_NAME_MAX + 5) {
		name->length = 0;
		return;
	}
	for (unsigned i = 0; i < PART_CHARS && at + i < FAT_NAME_MAX; i++) {
		memcpy(&name->chars[at + i], bytes + places[i], sizeof(uint16_t));
		if (!name->chars[at + i]) {
			name->length = MIN(name->length, at + i);
			break;
		}
	}
	name->length = MIN(name->length, (unsigned)FAT_NAME_MAX);
	name->next--;
}

static bool same(uint16_t a, char b)
{
	return a < 0x80 && tolower(a) == tolower((uint8_t)b);
}

static bool is_long_name(const struct fat_long_name *name, const struct fat_entry *entry,
			 const char *text, size_t length)
{
	if (!name->length || name->next || name->length != length ||
	    name->checksum != checksum(entry->name))
		return false;
	for (size_t i = 0; i < length; i++)
		if (!same(name->chars[i], text[i]))
			return false;
	return true;
}

bool fat_is_named(const struct fat_long_name *name, const struct fat_entry *entry,
		  const char *text, size_t length)
{
	char short_name[BASE_CHARS + 1 + 3];
	size_t used = 0;

	if (is_long_name(name, entry, text, length))
		return true;
	for (unsigned i = 0; i < BASE_CHARS && entry->name[i] != ' '; i++)
		short_name[used++] = (char)entry->name[i];
	for (unsigned i = BASE_CHARS; i < EXTENSION_END && entry->name[i] != ' '; i++) {
		if (i == BASE_CHARS)
			short_name[used++] = '.';
		short_name[used++] = (char)entry->name[i];
	}
	if (used != length)
		return false;
	for (size_t i = 0; i < length; i++)
		if (!same((uint8_t)short_name[i], text[i]))
			return false;
	return true;
}

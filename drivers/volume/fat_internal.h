/* What fat.c and fat_name.c know of each other. */
#ifndef DRIVERS_VOLUME_FAT_INTERNAL_H
#define DRIVERS_VOLUME_FAT_INTERNAL_H

#include "drivers/volume/fat.h"

#define FAT_NAME_MAX 255

/* A directory's entry; the spec's names without their prefix. */
struct fat_entry {
	uint8_t name[11];
	uint8_t attributes, reserved, created_tenths;
	uint16_t created_time, created_date, accessed_date, cluster_high;
	uint16_t written_time, written_date, cluster_low;
	uint32_t bytes;
};
_Static_assert(sizeof(struct fat_entry) == 32, "FAT spec, directory structure");

enum {
	FAT_READ_ONLY = 0x01,
	FAT_VOLUME_LABEL = 0x08,
	FAT_DIRECTORY = 0x10,
	FAT_LONG_NAME = 0x0f,
	FAT_LONG_NAME_MASK = 0x3f,
};

/* The long name that the entries before a file's own spell, last part first. */
struct fat_long_name {
	uint16_t chars[FAT_NAME_MAX + 1];
	unsigned next;	  /* the part that must come now; 0: the name is whole */
	unsigned length;  /* 0: there is none */
	uint8_t checksum; /* of the short name it belongs to */
};

/* Takes the next entry of a directory, one with FAT_LONG_NAME. */
void fat_long_name_add(struct fat_long_name *name, const struct fat_entry *entry);

/* Whether `entry`, with the long name collected before it, is called the `length` bytes at
 * `text`. */
bool fat_is_named(const struct fat_long_name *name, const struct fat_entry *entry,
		  const char *text, size_t length);

#endif

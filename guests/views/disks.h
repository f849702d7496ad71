/* The machine's disks, and what is made of them. */
#ifndef GUESTS_VIEWS_DISKS_H
#define GUESTS_VIEWS_DISKS_H

#include "guests/views/view.h"

struct disk_view {
	char name[32];
	char model[64], serial[64];
	char location[32]; /* "pci:00:03.0" */
	uint64_t bytes, block_bytes;
	uint32_t read_only, write_cache, rotational, gone;
	uint64_t reads, writes, flushes, discards, zeroes, errors;
	uint64_t bytes_read, bytes_written, bytes_copied;
	uint64_t doorbells, interrupts, retries, timeouts, resets;
};

/* Something that a configuration could name as a guest's disk. */
struct source_view {
	char source[256];
	char about[128];
	char owner[32];	 /* a guest; "": nobody */
	char holds[256]; /* the rest of a sentence; "": nothing that is not one guest's alone */
	uint64_t bytes;
};

struct group_view {
	char name[128];
	char why[256]; /* the rest of a sentence; "": it can be used */
	uint64_t bytes, free_bytes;
	uint32_t disks, volumes;
};

/* A physical volume that is in no group above. */
struct stray_view {
	char disk[32];
	char group[128]; /* "": not known, or none */
	char why[256];	 /* the rest of a sentence */
	uint64_t bytes;
};

extern const struct view_table disk_table, source_table, group_table, stray_table;

#endif

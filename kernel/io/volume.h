/*
 * Volume groups and their logical volumes, for whoever manages them (the operator's console).
 * One provider, drivers/volume/lvm, keeps this promise. Using a volume is kernel/io/storage.h.
 */
#ifndef KERNEL_IO_VOLUME_H
#define KERNEL_IO_VOLUME_H

#include "kernel/io/storage.h"

#define VOLUME_NAME_BYTES 128

struct volume_group {
	char name[VOLUME_NAME_BYTES];
	uint64_t bytes, free_bytes; /* extents of all its disks */
	unsigned disks, volumes;
	char why[STORAGE_WHY_BYTES]; /* "", or why it is not served, or must not be changed, or
				      * what to know besides */
};

/* A physical volume that is in no group above. */
struct volume_stray {
	char disk[BLKDEV_NAME_MAX];
	uint64_t bytes;
	char group[VOLUME_NAME_BYTES]; /* "": not known, or none */
	char why[STORAGE_WHY_BYTES];   /* the rest of a sentence about the disk */
};

/* Who waits for a change. */
struct volume_watch {
	/* Before each step: what is done next, and how much of it is, of `total`; 0: not known.
	 * Not 0 ends the change, with nothing changed. */
	int (*step)(void *arg, uint64_t done, uint64_t total, const char *what);
	/* The same, of the step that cannot be ended half-way. It is the last. */
	int (*commit)(void *arg);
	void *arg;
};

/*
 * `path` is "vg0/web". Each returns 0, or a negative errno with the rest of a sentence about
 * the volume in `why`: also what `watch` said, which may be NULL. Thread context; may sleep.
 * One at a time, whoever calls.
 */
struct volume_provider {
	/* `stripes` on as many disks; 1: anywhere. *bytes is rounded up to what it is then. */
	int (*create)(const char *path, uint64_t *bytes, unsigned stripes,
		      const struct volume_watch *watch, char why[STORAGE_WHY_BYTES]);
	/* A volume that is open has its size for good. What is behind a smaller end is lost:
	 * that takes `may_shrink`. */
	int (*resize)(const char *path, uint64_t *bytes, bool may_shrink,
		      const struct volume_watch *watch, char why[STORAGE_WHY_BYTES]);
	int (*remove)(const char *path, const struct volume_watch *watch,
		      char why[STORAGE_WHY_BYTES]);
	void (*groups)(void (*visit)(void *arg, const struct volume_group *group), void *arg);
	void (*strays)(void (*visit)(void *arg, const struct volume_stray *stray), void *arg);
};

/* At start-up. NULL until then, and on a machine without a provider. */
void volume_init(const struct volume_provider *provider);
const struct volume_provider *volume_provider(void);

#endif

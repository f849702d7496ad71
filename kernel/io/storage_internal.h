/* Between storage.c (kinds of sources), storage_claims.c (who has what) and storage_check.c (a
 * whole document); and for came_up.c, which opens without a claim. */
#ifndef KERNEL_IO_STORAGE_INTERNAL_H
#define KERNEL_IO_STORAGE_INTERNAL_H

#include "kernel/io/extents.h"
#include "kernel/io/storage.h"
#include "kernel/lib/list.h"

/* The kinds that are registered; NULL behind the last. */
const struct storage_scheme *storage_scheme_at(unsigned index);

/* The kind of a source, and what stands behind its colon. NULL, and why, when it has none. */
const struct storage_scheme *storage_find_scheme(const char *source, const char **text,
						 char why[STORAGE_WHY_BYTES]);

/* Opens a source and finds what it is made of: `extents`, empty before. On failure nothing is
 * open. Thread context; may sleep. */
int storage_open_source(const char *source, bool read_only, struct blkdev **dev,
			struct extents *extents, char why[STORAGE_WHY_BYTES]);
void storage_close_device(struct blkdev *dev);

/* All that the device is made of. 0, -ENOMEM or -E2BIG, with the rest of a sentence. */
int storage_add_extents(struct extents *extents, struct blkdev *dev,
			char why[STORAGE_WHY_BYTES]);

/* As storage_set_holds() was told; 0 without, which is when there is nothing to tell. */
bool storage_can_tell(void);
int storage_holds(struct blkdev *dev, uint64_t offset, uint64_t bytes,
		  char what[STORAGE_WHY_BYTES]);

/*
 * What an owner has of disks or, `kept`, is to have at its next start: then nobody else comes
 * between, but who has it already goes on until it lets go. With references: the list of claims
 * has one; with the last the device is closed. `references`, `kept`, `owner_removed` and
 * `clash` are guarded by the claims' lock, all else is fixed once it is listed.
 */
struct claim {
	struct list link;
	unsigned references;
	struct blkdev *dev; /* NULL: it could not be opened */
	bool read_only;
	bool kept;
	bool owner_removed;
	char owner[STORAGE_OWNER_BYTES];
	char source[STORAGE_SOURCE_BYTES];
	char clash[STORAGE_WHY_BYTES]; /* kept: why it may not be had, or "" */
	struct extents extents;
};

/* Not listed, without a device; with a reference. NULL, and why, when out of memory. */
struct claim *claim_new(const char *source, bool read_only, const char *owner,
			char why[STORAGE_WHY_BYTES]);
/* Thread context; may sleep. NULL is fine. */
void claim_put(struct claim *claim);
/* What the owner, who was not removed, has by this name, or is to have; with a reference. NULL:
 * nothing. */
struct claim *claim_find(const char *owner, const char *source, bool read_only, bool kept);
/* Lists one that is open, for its owner's next start. 0, or -E2BIG with the rest of a sentence.
 */
int claim_keep(struct claim *claim, char why[STORAGE_WHY_BYTES]);
/* That start is refused, for this reason; "": it is not. */
void claim_contest(struct claim *claim, const char *clash);

#endif

/* Between storage.c (kinds of sources, claims) and storage_check.c (a whole document). */
#ifndef KERNEL_IO_STORAGE_INTERNAL_H
#define KERNEL_IO_STORAGE_INTERNAL_H

#include "kernel/io/extents.h"
#include "kernel/io/storage.h"

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

#endif

/* The files that boot read from \bulkhead\ on the boot partition: `esp:/...` of a
 * configuration. Not those that are disks: drivers/volume/esp.c. */
#ifndef KERNEL_IO_FILES_H
#define KERNEL_IO_FILES_H

#include "boot/handoff.h"

/* `handoff` is the kernel's own copy and stays. */
void files_init(const struct handoff *handoff);

/* The file at `path` (relative to \bulkhead\, '/' between names; case counts as on FAT: not at
 * all). NULL where there is none. */
const struct handoff_file *files_find(const char *path);
const struct handoff_file *files_config(void); /* bulkhead.yaml */

/* Where they are from; of unknown kind where the firmware did not say. */
const struct handoff_partition *files_partition(void);

/* Maps a whole file read-only; NULL when out of memory, or for an empty file. Thread context.
 */
const void *files_map(const struct handoff_file *file);
void files_unmap(const void *data);

#endif

/*
 * What sources look like: whether a text can be one of a kind at all. Only text, so that a
 * document can be checked where there are no disks; what a name means is each kind's file's.
 */
#ifndef DRIVERS_VOLUME_NAMES_H
#define DRIVERS_VOLUME_NAMES_H

#include "kernel/io/storage.h"

#define NAMES_LVM_BYTES 128 /* of a group or a logical volume, with NUL */

/* Each as storage_scheme.parse: 0, or -EINVAL with the rest of a sentence in `why`. Any thread.
 */
int names_disk(const char *text, char why[STORAGE_WHY_BYTES]);
int names_part(const char *text, char why[STORAGE_WHY_BYTES]);
int names_lvm(const char *text, char why[STORAGE_WHY_BYTES]);
int names_esp(const char *text, char why[STORAGE_WHY_BYTES]);
int names_ram(const char *text, char why[STORAGE_WHY_BYTES]);

#endif

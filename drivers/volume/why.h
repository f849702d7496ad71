/* Sentences that grow: the reasons that sources give, with lists of what there is. */
#ifndef DRIVERS_VOLUME_WHY_H
#define DRIVERS_VOLUME_WHY_H

#include "kernel/io/storage.h"

/* Appends to `why`; once it is full it ends in "..." and takes no more. */
void why_add(char why[STORAGE_WHY_BYTES], const char *fmt, ...) printf_like(2, 3);

#endif

/* Sizes as people write and read them: "512 MiB". Nothing but text; no allocation. */
#ifndef KERNEL_LIB_SIZE_H
#define KERNEL_LIB_SIZE_H

#include "kernel/lib/types.h"

#define SIZE_TEXT_BYTES 32

/* In a unit that needs no fraction, or leaves two digits at least, rounded down: "4 GiB",
 * "1536 MiB", "37 GiB". Returns `text`. */
const char *size_text(uint64_t bytes, char text[SIZE_TEXT_BYTES]);

/* In the largest unit that needs no fraction, exactly: "512 MiB", "1025 bytes". Returns `text`.
 */
const char *size_exact_text(uint64_t bytes, char text[SIZE_TEXT_BYTES]);

/* For columns of figures, rounded down, in KiB or MiB: "64 KiB", "1.2 MiB", "2048 MiB". Returns
 * `text`. */
const char *size_column_text(uint64_t bytes, char text[SIZE_TEXT_BYTES]);

/* "64 MiB" or "64MiB", as in a configuration: a whole number and KiB, MiB, GiB or TiB. False
 * when `text` is anything else, or more than 64 bits. */
bool size_parse(const char *text, uint64_t *bytes);

#endif

/* Lengths of time as people write and read them: "60 s". Nothing but text; no allocation. */
#ifndef KERNEL_LIB_DURATION_H
#define KERNEL_LIB_DURATION_H

#include "kernel/lib/types.h"

#define DURATION_TEXT_BYTES 16

/* Exactly, in the largest unit that makes it a whole number above 1: "90 s", "60 s", "5 min",
 * "24 h". Returns `text`. */
const char *duration_text(uint32_t seconds, char text[DURATION_TEXT_BYTES]);

/* "60 s" or "60s": a whole number without leading zeros, and s, min or h. False when `text` is
 * anything else, or more than 32 bits of seconds. */
bool duration_parse(const char *text, uint32_t *seconds);

#endif

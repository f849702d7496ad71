/* Which bytes are a character of UTF-8. Nothing but that: no conversion, no widths. */
#ifndef KERNEL_LIB_UTF8_H
#define KERNEL_LIB_UTF8_H

#include "kernel/lib/types.h"

/* Bytes of the well-formed UTF-8 character at `in`, of which `left` bytes are there: 1 to 4; 0
 * where it is none (RFC 3629, section 4). Any bytes are harmless. */
size_t utf8_bytes(const void *in, size_t left);

#endif

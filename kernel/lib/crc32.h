/* The CRC-32 of Ethernet (IEEE 802.3), as GPT and others use it. */
#ifndef KERNEL_LIB_CRC32_H
#define KERNEL_LIB_CRC32_H

#include "kernel/lib/types.h"

/* Goes on from `crc` over `bytes`, with no inversion at either end: formats differ in that. */
uint32_t crc32_update(uint32_t crc, const void *data, size_t bytes);

/* Begun with ones and inverted at the end, as most formats have it. */
static inline uint32_t crc32(const void *data, size_t bytes)
{
	return ~crc32_update(~0u, data, bytes);
}

#endif

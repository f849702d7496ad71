/* The checksum of the tables that firmware leaves: a byte that makes all bytes add up to zero.
 */
#ifndef GUESTS_BOOT_TABLE_H
#define GUESTS_BOOT_TABLE_H

#include "kernel/lib/types.h"

/* What the checksum's byte must become, where it is zero now. */
static inline uint8_t table_checksum(const void *table, size_t bytes)
{
	const uint8_t *byte = table;
	uint8_t sum = 0;

	while (bytes--)
		sum += *byte++;
	return -sum;
}

#endif

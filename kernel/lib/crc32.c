/* CRC-32, four bits at a time: what is checked is read from disks, and short. */
#include "kernel/lib/crc32.h"

#define POLYNOMIAL 0xedb88320u /* 0x04c11db7, bits reversed */

/* The CRC of each half byte. */
static uint32_t half(uint32_t n)
{
	for (unsigned i = 0; i < 4; i++)
		n = n & 1 ? n >> 1 ^ POLYNOMIAL : n >> 1;
	return n;
}

uint32_t crc32_update(uint32_t crc, const void *data, size_t bytes)
{
	uint32_t table[16];

	for (uint32_t n = 0; n < 16; n++)
		table[n] = half(n);
	for (const uint8_t *at = data; bytes--; at++) {
		crc ^= *at;
		crc = table[crc & 15] ^ crc >> 4;
		crc = table[crc & 15] ^ crc >> 4;
	}
	return crc;
}

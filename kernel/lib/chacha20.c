/* See chacha20.h. */
#include "kernel/lib/chacha20.h"

#include <string.h>

#define ROUNDS 20

static uint32_t rotate(uint32_t value, unsigned bits)
{
	return value << bits | value >> (32 - bits);
}

/* RFC 8439, 2.1 */
static inline void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
	*a += *b;
	*d = rotate(*d ^ *a, 16);
	*c += *d;
	*b = rotate(*b ^ *c, 12);
	*a += *b;
	*d = rotate(*d ^ *a, 8);
	*c += *d;
	*b = rotate(*b ^ *c, 7);
}

/* Four columns, then four diagonals: each row of the square one word further. */
static void double_round(uint32_t x[16])
{
	for (unsigned shift = 0; shift < 2; shift++)
		for (unsigned i = 0; i < 4; i++)
			quarter_round(&x[i], &x[4 + (i + shift) % 4],
				      &x[8 + (i + 2 * shift) % 4],
				      &x[12 + (i + 3 * shift) % 4]);
}

void chacha20_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3],
		    uint32_t block[16])
{
	uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

	memcpy(&start[4], key, CHACHA20_KEY_BYTES);
	start[12] = counter;
	memcpy(&start[13], nonce, 3 * sizeof(*nonce));
	memcpy(block, start, sizeof(start));
	for (unsigned i = 0; i < ROUNDS; i += 2)
		double_round(block);
	for (unsigned i = 0; i < 16; i++)
		block[i] += start[i];
}

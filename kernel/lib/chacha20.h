/* The ChaCha20 block function (RFC 8439, 2.3): pseudo-random bytes of a key and a counter. No
 * cipher: nothing is encrypted with it here. */
#ifndef KERNEL_LIB_CHACHA20_H
#define KERNEL_LIB_CHACHA20_H

#include "kernel/lib/types.h"

#define CHACHA20_KEY_BYTES   32
#define CHACHA20_BLOCK_BYTES 64

/* Words are little-endian; `nonce` has three. */
void chacha20_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3],
		    uint32_t block[16]);

#endif

/*
 * A request's segments as pieces that a controller takes: so many, so long, not across a
 * boundary. What is more goes into the next command, from where the last one ended. Pure.
 */
#ifndef DRIVERS_BLOCK_GATHER_H
#define DRIVERS_BLOCK_GATHER_H

#include "kernel/io/blkdev.h"

struct gather_piece {
	uint64_t phys;
	uint32_t bytes;
};

struct gather_limits {
	unsigned pieces;
	uint32_t piece_bytes;
	uint64_t boundary; /* a power of two that no piece crosses; 0: none */
	uint32_t bytes;	   /* of all pieces */
	uint32_t block_bytes;
};

/* How far one has come in a request's segments. Zeroed: at the beginning. */
struct gather {
	unsigned segment;
	uint32_t at;   /* in it */
	uint64_t done; /* bytes before */
};

/* Takes what fits into one command, a multiple of the block, and moves on. Returns the number
 * of pieces, and their bytes; 0 where the request ends, or not even a block fits. */
unsigned gather(struct gather *g, const struct blk_request *request,
		const struct gather_limits *limits, struct gather_piece *pieces,
		uint32_t *bytes);

#endif

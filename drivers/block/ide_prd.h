/* Physical region descriptors of bus-master IDE (SFF-8038i 1.0, 1.2; 82371AB data sheet 290562,
 * 6.5.3): which memory it reaches, and tables of it. Pure. */
#ifndef DRIVERS_BLOCK_IDE_PRD_H
#define DRIVERS_BLOCK_IDE_PRD_H

#include "drivers/block/gather.h"

#define IDE_PRD_BOUNDARY (64 * KIB) /* that no region crosses */
#define IDE_PRD_MAX	 256	    /* of ours: half a page */

struct ide_prd {
	uint32_t address;
	uint16_t bytes; /* 0: 64 KiB */
	uint16_t flags; /* the last one ends the table */
};
_Static_assert(sizeof(struct ide_prd) == 8, "SFF-8038i 1.2");

/* Whether it can reach a page at `phys`, for a table. */
bool ide_prd_reaches_page(uint64_t phys);
/* Whether it can reach all of the request's memory: below 4 GiB, even. */
bool ide_prd_reaches(const struct blk_request *request);

/* Writes `count` pieces, at most 64 KiB each and not across its boundary, as a table. */
void ide_prd_fill(struct ide_prd *table, const struct gather_piece *pieces, unsigned count);

#endif

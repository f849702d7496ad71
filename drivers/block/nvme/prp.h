/* Physical region pages: how a command names its memory, and what it can't (NVM Express Base
 * 1.4, 4.3). Pure: no device here. */
#ifndef DRIVERS_BLOCK_NVME_PRP_H
#define DRIVERS_BLOCK_NVME_PRP_H

#include "kernel/io/blkdev.h"

/* Entries of a list that names all of a command of this size, wherever its memory begins; the
 * first page is not in the list. */
#define PRP_LIST_ENTRIES(bytes) ((bytes) / PAGE_BYTES)

/* Whether the segments have no gap but between whole pages, and begin at a multiple of 4. */
bool prp_fits(const struct io_segment *segments, unsigned count);

/*
 * Names segments that fit, of `bytes` in all. `list`, at `list_phys`, takes
 * PRP_LIST_ENTRIES(bytes) and lies in one page; it is used if there are more than two pages.
 */
void prp_build(const struct io_segment *segments, uint64_t bytes, uint64_t *list,
	       uint64_t list_phys, uint64_t prp[2]);

#endif

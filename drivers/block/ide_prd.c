/* See ide_prd.h. */
#include "drivers/block/ide_prd.h"

#define PRD_END 0x8000

bool ide_prd_reaches_page(uint64_t phys)
{
	return phys <= 4 * GIB - PAGE_BYTES;
}

bool ide_prd_reaches(const struct blk_request *request)
{
	for (unsigned i = 0; i < request->segment_count; i++) {
		const struct io_segment *s = &request->segments[i];

		if ((s->phys | s->bytes) & 1 || s->phys + s->bytes > 4 * GIB)
			return false;
	}
	return true;
}

void ide_prd_fill(struct ide_prd *table, const struct gather_piece *pieces, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		table[i] = (struct ide_prd){
			.address = (uint32_t)pieces[i].phys,
			.bytes = (uint16_t)pieces[i].bytes,
			.flags = i + 1 == count ? PRD_END : 0,
		};
}

/* Segments to pages. */
#include "drivers/block/nvme/prp.h"

#define PAGE_OFFSET(phys) ((phys) & (PAGE_BYTES - 1))

bool prp_fits(const struct io_segment *segments, unsigned count)
{
	if (segments[0].phys & 3)
		return false;
	for (unsigned i = 1; i < count; i++)
		if (PAGE_OFFSET(segments[i - 1].phys + segments[i - 1].bytes) ||
		    PAGE_OFFSET(segments[i].phys))
			return false;
	return true;
}

void prp_build(const struct io_segment *segments, uint64_t bytes, uint64_t *list,
	       uint64_t list_phys, uint64_t prp[2])
{
	uint64_t at = segments->phys, end = at + segments->bytes;
	uint64_t page_bytes = MIN(PAGE_BYTES - PAGE_OFFSET(at), bytes);
	unsigned count = 0;

	prp[0] = at;
	prp[1] = 0;
	at += page_bytes;
	for (bytes -= page_bytes; bytes; bytes -= page_bytes) {
		if (at >= end) {
			segments++;
			at = segments->phys;
			end = at + segments->bytes;
		}
		list[count++] = at;
		page_bytes = MIN(PAGE_BYTES, bytes);
		at += page_bytes;
	}
	if (count == 1)
		prp[1] = list[0];
	else if (count)
		prp[1] = list_phys;
}

/* See gather.h: one command's pieces at a time, from the front. */
#include "drivers/block/gather.h"

static uint32_t next_piece(const struct gather *g, const struct blk_request *request,
			   const struct gather_limits *limits, uint32_t room,
			   struct gather_piece *piece)
{
	const struct io_segment *s = &request->segments[g->segment];
	uint64_t phys = s->phys + g->at, bytes = MIN(s->bytes - g->at, limits->piece_bytes);

	if (limits->boundary)
		bytes = MIN(bytes,
			    ALIGN_DOWN(phys, limits->boundary) + limits->boundary - phys);
	piece->phys = phys;
	piece->bytes = (uint32_t)MIN(bytes, (uint64_t)room);
	return piece->bytes;
}

static void advance(struct gather *g, const struct blk_request *request, uint32_t bytes)
{
	g->at += bytes;
	g->done += bytes;
	if (g->at == request->segments[g->segment].bytes) {
		g->segment++;
		g->at = 0;
	}
}

/* One piece's bytes, or less, are given back. */
static void retreat(struct gather *g, const struct blk_request *request, uint32_t bytes)
{
	if (g->at == 0) {
		g->segment--;
		g->at = request->segments[g->segment].bytes;
	}
	g->at -= bytes;
	g->done -= bytes;
}

unsigned gather(struct gather *g, const struct blk_request *request,
		const struct gather_limits *limits, struct gather_piece *pieces,
		uint32_t *bytes)
{
	uint32_t all = 0, excess;
	unsigned n = 0;

	while (n < limits->pieces && all < limits->bytes &&
	       g->segment < request->segment_count) {
		uint32_t part = next_piece(g, request, limits, limits->bytes - all, &pieces[n]);

		advance(g, request, part);
		all += part;
		n++;
	}
	for (excess = all % limits->block_bytes; excess;) {
		uint32_t part = MIN(excess, pieces[n - 1].bytes);

		retreat(g, request, part);
		excess -= part;
		all -= part;
		pieces[n - 1].bytes -= part;
		n -= pieces[n - 1].bytes == 0;
	}
	*bytes = all;
	return n;
}

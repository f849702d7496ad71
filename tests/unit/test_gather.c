/* A request's segments cut for controllers with limits: every byte once, in order, and no piece
 * that a limit forbids. */
/* links: drivers/block/gather.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "drivers/block/gather.h"

#define SEGMENTS_MAX 40
#define PIECES_MAX   64
#define BLOCK	     512

static struct io_segment segments[SEGMENTS_MAX];
static struct blk_request request = {.segments = segments};

/* Cuts the request to its end; returns the number of commands, or 0 if it got stuck. */
static unsigned cut(const struct gather_limits *limits)
{
	struct gather_piece pieces[PIECES_MAX];
	struct gather g = {0};
	unsigned commands = 0, segment = 0;
	uint32_t at = 0, bytes;

	for (; g.done < request.bytes; commands++) {
		unsigned n = gather(&g, &request, limits, pieces, &bytes);
		uint32_t all = 0;

		if (!n)
			return 0;
		assert_true(n <= limits->pieces);
		assert_int_equal(bytes % BLOCK, 0);
		assert_true(bytes <= limits->bytes);
		for (unsigned i = 0; i < n; all += pieces[i++].bytes) {
			uint64_t last = pieces[i].phys + pieces[i].bytes - 1;

			assert_in_range(pieces[i].bytes, 1, limits->piece_bytes);
			if (limits->boundary)
				assert_int_equal(pieces[i].phys / limits->boundary,
						 last / limits->boundary);
			assert_int_equal(pieces[i].phys, segments[segment].phys + at);
			at += pieces[i].bytes;
			assert_true(at <= segments[segment].bytes);
			if (at == segments[segment].bytes) {
				segment++;
				at = 0;
			}
		}
		assert_int_equal(all, bytes);
	}
	assert_int_equal(gather(&g, &request, limits, pieces, &bytes), 0);
	assert_int_equal(segment, request.segment_count);
	return commands;
}

static void add(uint64_t phys, uint32_t bytes)
{
	segments[request.segment_count++] = (struct io_segment){.phys = phys, .bytes = bytes};
	request.bytes += bytes;
}

static void clear(void)
{
	request.segment_count = 0;
	request.bytes = 0;
}

static void test_one_command(void **state)
{
	const struct gather_limits limits = {
		.pieces = 4, .piece_bytes = 1 << 20, .bytes = 1 << 20, .block_bytes = BLOCK};

	(void)state;
	clear();
	add(0x1000, 4096);
	add(0x9000, 512);
	assert_int_equal(cut(&limits), 1);
}

/* As bus-master IDE wants it: 64 KiB boundaries. */
static void test_boundary(void **state)
{
	struct gather_limits limits = {.pieces = 4,
				       .piece_bytes = 0x10000,
				       .boundary = 0x10000,
				       .bytes = 1 << 20,
				       .block_bytes = BLOCK};
	struct gather_piece pieces[4];
	struct gather g = {0};
	uint32_t bytes;

	(void)state;
	clear();
	add(0x1fe00, 0x10400);
	assert_int_equal(gather(&g, &request, &limits, pieces, &bytes), 3);
	assert_int_equal(pieces[0].bytes, 0x200);
	assert_int_equal(pieces[1].bytes, 0x10000);
	assert_int_equal(pieces[2].bytes, 0x200);
	assert_int_equal(cut(&limits), 1);
	limits.pieces = 1;
	assert_int_equal(cut(&limits), 3);
}

/* A command ends with a whole block, however the segments lie. */
static void test_blocks_across_segments(void **state)
{
	struct gather_limits limits = {
		.pieces = 4, .piece_bytes = 4096, .bytes = 4096, .block_bytes = BLOCK};

	(void)state;
	clear();
	for (unsigned i = 0; i < 8; i++)
		add(0x1000 * i, 200 + 2 * i);
	add(0x20000, 4 * BLOCK - (uint32_t)request.bytes);
	assert_true(cut(&limits) > 1);
	limits.pieces = 1; /* no block lies in one piece: that can't be done, and is said */
	assert_int_equal(cut(&limits), 0);
}

static void test_random(void **state)
{
	unsigned done = 0;

	(void)state;
	srand(1);
	for (unsigned round = 0; round < 20000; round++) {
		struct gather_limits limits = {
			.pieces = 1 + rand() % PIECES_MAX,
			.piece_bytes = 1 + rand() % 70000,
			.boundary = rand() % 2 ? 0 : 4096u << rand() % 5,
			.bytes = BLOCK * (1 + rand() % 300),
			.block_bytes = BLOCK,
		};
		unsigned count = 1 + rand() % (SEGMENTS_MAX - 1);

		clear();
		for (unsigned i = 0; i < count; i++)
			add((uint64_t)rand() * 3, 1 + rand() % (rand() % 4 ? 600 : 40000));
		if (request.bytes % BLOCK)
			add(rand(), BLOCK - request.bytes % BLOCK);
		done += cut(&limits) > 0;
	}
	assert_true(done > 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_command),
		cmocka_unit_test(test_boundary),
		cmocka_unit_test(test_blocks_across_segments),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

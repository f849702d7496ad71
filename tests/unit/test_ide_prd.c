/* What bus-master IDE can reach, and the tables that it reads. */
/* links: drivers/block/ide_prd.c drivers/block/gather.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "drivers/block/ide_prd.h"

static bool reaches(uint64_t phys, uint32_t bytes)
{
	const struct io_segment segments[] = {{.phys = 0x1000, .bytes = 512},
					      {.phys = phys, .bytes = bytes}};
	const struct blk_request request = {.segments = segments, .segment_count = 2};

	return ide_prd_reaches(&request);
}

static void test_reach(void **state)
{
	(void)state;
	assert_true(reaches(0x2000, 4096));
	assert_true(reaches(0x2002, 510));
	assert_false(reaches(0x2001, 512));
	assert_false(reaches(0x2000, 511));
	assert_true(reaches(0xfffff000, 4096));
	assert_false(reaches(0xfffff000, 4098));
	assert_false(reaches(0x100000000, 512));
	assert_true(ide_prd_reaches_page(0xfffff000));
	assert_false(ide_prd_reaches_page(0x100000000));
}

/* Whatever the segments, a region is even, within its 64 KiB, and the last ends the table. */
static void test_tables(void **state)
{
	const struct gather_limits limits = {.pieces = IDE_PRD_MAX,
					     .piece_bytes = IDE_PRD_BOUNDARY,
					     .boundary = IDE_PRD_BOUNDARY,
					     .bytes = 128 * KIB,
					     .block_bytes = 512};
	static struct ide_prd table[IDE_PRD_MAX];
	static struct gather_piece pieces[IDE_PRD_MAX];
	struct io_segment segments[8];
	struct blk_request request = {.segments = segments, .segment_count = 8};

	(void)state;
	srand(1);
	for (unsigned round = 0; round < 5000; round++) {
		struct gather g = {0};
		uint32_t bytes, all = 0;
		unsigned n;

		for (unsigned i = 0; i < 8; i++)
			segments[i] = (struct io_segment){.phys = rand() * 2ull % (2 * GIB),
							  .bytes = 2 + rand() % 60000 * 2};
		n = gather(&g, &request, &limits, pieces, &bytes);
		assert_true(n > 0);
		ide_prd_fill(table, pieces, n);
		for (unsigned i = 0; i < n; i++) {
			uint32_t length = table[i].bytes ? table[i].bytes : 65536;

			assert_int_equal(table[i].address, pieces[i].phys);
			assert_int_equal(table[i].address % 2 + length % 2, 0);
			assert_int_equal(table[i].address / 65536,
					 (table[i].address + length - 1) / 65536);
			assert_int_equal(table[i].flags, i + 1 == n ? 0x8000 : 0);
			all += length;
		}
		assert_int_equal(all, bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reach),
		cmocka_unit_test(test_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

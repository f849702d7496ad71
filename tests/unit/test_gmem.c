/*
 * Guest RAM: what is reserved where, what a guest finds in it at first touch, when the pages
 * become large, and that a failure half way leaves nothing behind. Giving it back is
 * test_gmem_return.c's.
 */
/* links: kernel/mem/pt_long.c */
/* links: kernel/vmm/gmem.c kernel/vmm/gmem_return.c kernel/vmm/nested.c */
/* links: kernel/mem/pagetable.c */
#define _GNU_SOURCE
#include "tests/unit/checks_host.h"
#include "tests/unit/gmem_machine.h"

/* 4 GiB and 2 MiB: three below the hole, the rest from 4 GiB on. */
static void ram_has_a_hole(void **state)
{
	struct gmem gm;
	uint64_t hpa, bytes = 16 * GIB;

	(void)state;
	assert_int_equal(gmem_init(&gm, 4 * GIB + PAGE_2M, &account), 0);
	assert_int_equal(gm.block_count, 5);
	assert_int_equal(gm.blocks[3].gpa, GMEM_HIGH_BASE);
	assert_int_equal(frames_out, 4 * GIB + PAGE_2M);
	assert_true(gmem_is_ram(&gm, 0, 3 * GIB));
	assert_false(gmem_is_ram(&gm, 0, 3 * GIB + 1));
	assert_false(gmem_is_ram(&gm, 3 * GIB, 1));
	assert_false(gmem_is_ram(&gm, GMEM_HIGH_BASE - 1, 1));
	assert_true(gmem_is_ram(&gm, GMEM_HIGH_BASE, GIB + PAGE_2M));
	assert_false(gmem_is_ram(&gm, GMEM_HIGH_BASE, GIB + PAGE_2M + 1));
	assert_false(gmem_is_ram(&gm, UINT64_MAX, 2));
	assert_false(gmem_is_ram(&gm, 4096, UINT64_MAX));
	assert_int_equal(gmem_populate(&gm, 3 * GIB), -EFAULT);
	assert_int_equal(gmem_populate(&gm, UINT64_MAX), -EFAULT);
	assert_int_equal(gmem_pin(&gm, GMEM_HIGH_BASE + GIB + 12345, &hpa, &bytes), 0);
	assert_int_equal(hpa, gm.blocks[4].hpa + 12345);
	assert_int_equal(bytes, PAGE_2M - 12345); /* a chunk at the most */
	gmem_unpin(&gm, GMEM_HIGH_BASE + GIB + 12345);
	gmem_fini(&gm);
	nothing_is_left();
}

/* Chunks are numbered without the hole, and lie where they are numbered. */
static void chunks_leave_out_the_hole(void **state)
{
	const uint64_t below = GMEM_LOW_MAX / PAGE_2M;
	struct gmem gm;

	(void)state;
	assert_int_equal(gmem_init(&gm, 4 * GIB + PAGE_2M, &account), 0);
	assert_int_equal(gmem_chunk_gpa(0), 0);
	assert_int_equal(gmem_chunk_gpa(below - 1), GMEM_LOW_MAX - PAGE_2M);
	assert_int_equal(gmem_chunk_gpa(below), GMEM_HIGH_BASE);
	assert_int_equal(gmem_chunk_gpa(below + 1), GMEM_HIGH_BASE + PAGE_2M);
	for (uint64_t chunk = 0; chunk < gm.bytes / PAGE_2M; chunk++) {
		assert_int_equal(gmem_chunk(&gm, gmem_chunk_gpa(chunk)), chunk);
		assert_int_equal(gmem_chunk(&gm, gmem_chunk_gpa(chunk) + PAGE_2M - 1), chunk);
	}
	assert_true(gmem_chunk(&gm, gmem_chunk_gpa(gm.bytes / PAGE_2M)) == UINT64_MAX);
	gmem_fini(&gm);
	nothing_is_left();
}

/* What another guest left in a frame is gone before the nested tables have it. */
static void first_touch_finds_zeroes(void **state)
{
	struct gmem gm;
	uint64_t hpa;
	uint8_t bytes[32];

	(void)state;
	assert_int_equal(gmem_init(&gm, 64 * MIB, &account), 0);
	memset((void *)GUEST_WINDOW_BASE, 0xaa, PAGE_2M);
	assert_int_equal(level_of(&gm, 5 * PAGE_2M, &hpa), 0);
	assert_null(gmem_window(&gm, 5 * PAGE_2M));
	assert_int_equal(gmem_read(&gm, 5 * PAGE_2M + 100, bytes, sizeof(bytes)), 0);
	for (unsigned i = 0; i < sizeof(bytes); i++)
		assert_int_equal(bytes[i], 0);
	assert_int_equal(level_of(&gm, 5 * PAGE_2M, &hpa), 2);
	assert_non_null(gmem_window(&gm, 5 * PAGE_2M));
	assert_int_equal(gm.populated_bytes, PAGE_2M);
	assert_int_equal(gmem_populate(&gm, 5 * PAGE_2M + 7), 0); /* no second time */
	assert_int_equal(gm.populated_bytes, PAGE_2M);

	assert_int_equal(gmem_write(&gm, 6 * PAGE_2M - 1, "ab", 2), 0); /* over a border */
	assert_int_equal(gm.populated_bytes, 2 * PAGE_2M);
	assert_int_equal(gmem_write(&gm, 64 * MIB - 1, "ab", 2), -EFAULT);
	assert_int_equal(gmem_read(&gm, 0, bytes, 0), -EFAULT);
	gmem_fini(&gm);
	nothing_is_left();
}

/* Where a frame was zeroed nothing is mapped any more: it may be another guest's tomorrow. */
static void nothing_stays_where_it_was_zeroed(void **state)
{
	struct gmem gm;
	unsigned prot;
	uint64_t hpa;

	(void)state;
	create(&gm, 64 * MIB, 3);
	for (uint64_t at = 0; at < 64 * PAGE_2M; at += PAGE_2M)
		assert_int_equal(pagetable_lookup(&gm.as.window,
						  GUEST_WINDOW_BASE + GMEM_LOW_MAX + at, &hpa,
						  &prot),
				 0);
	assert_int_equal(gm.staging, 0);
	gmem_fini(&gm);
	nothing_is_left();
}

/* Whoever touches a guest's memory says that it may wait, though it is all there this time. */
static void touching_may_always_wait(void **state)
{
	static char text[CHECKS_TEXT_BYTES];
	struct spinlock lock = SPINLOCK("RAM disk");
	uint64_t value = 0, hpa, bytes = 1;
	struct gmem gm;

	(void)state;
	create(&gm, 64 * MIB, 1);
	checks_expected = text;
	spin_lock(&lock);
	for (unsigned i = 0; i < 7; i++) {
		text[0] = 0;
		switch (i) {
		case 0: gmem_read(&gm, 0, &value, 8); break;
		case 1: gmem_write(&gm, 0, &value, 8); break;
		case 2: gmem_read64(&gm, 0, &value); break;
		case 3: gmem_cmpxchg(&gm, 0, 0, 1, 8); break;
		case 4: gmem_populate(&gm, 0); break;
		case 5:
			gmem_pin(&gm, 0, &hpa, &bytes);
			gmem_unpin(&gm, 0);
			break;
		case 6: gmem_discard(&gm, 0, PAGE_2M); break;
		}
		if (!strstr(text, "with 'RAM disk' held since"))
			fail_msg("nothing is said of call %u", i);
	}
	spin_unlock(&lock);
	checks_expected = NULL;
	gmem_fini(&gm);
	nothing_is_left();
}

static void whole_gigabytes_become_one_page(void **state)
{
	struct gmem gm;
	uint64_t hpa, before;

	(void)state;
	assert_int_equal(gmem_init(&gm, 2 * GIB, &account), 0);
	for (uint64_t at = 0; at < GIB; at += PAGE_2M) {
		assert_int_equal(level_of(&gm, 0, &hpa), at ? 2 : 0);
		assert_int_equal(gmem_populate(&gm, at), 0);
	}
	assert_int_equal(level_of(&gm, 0x12345678, &hpa), 3);
	assert_int_equal(hpa, gm.blocks[0].hpa + 0x12345678);
	assert_int_equal(gm.retired_count, 1); /* kept: a CPU may still walk it */
	assert_int_equal(gmem_populate(&gm, GIB), 0);
	assert_int_equal(level_of(&gm, GIB, &hpa), 2);
	before = tables;
	gmem_fini(&gm);
	assert_true(before > 0);
	nothing_is_left();

	largest_order =
		3; /* the pool is in pieces of 16 MiB: no 1 GiB page, but the guest runs */
	assert_int_equal(gmem_init(&gm, GIB, &account), 0);
	assert_int_equal(gm.block_count, 64);
	for (uint64_t at = 0; at < GIB; at += PAGE_2M)
		assert_int_equal(gmem_populate(&gm, at), 0);
	assert_int_equal(level_of(&gm, 17 * PAGE_2M + 5, &hpa), 2);
	assert_int_equal(hpa, gm.blocks[2].hpa + PAGE_2M + 5);
	gmem_fini(&gm);
	nothing_is_left();
}

static void entries_change_atomically(void **state)
{
	struct gmem gm;
	uint64_t value;

	(void)state;
	assert_int_equal(gmem_init(&gm, 64 * MIB, &account), 0);
	assert_int_equal(gmem_cmpxchg(&gm, 64, 0, 0x1122334455667788, 8), 0);
	assert_int_equal(gmem_cmpxchg(&gm, 64, 0, 1, 8), -EAGAIN);
	assert_int_equal(gmem_cmpxchg(&gm, 64, 0x88, 0x99, 1), 0);
	assert_int_equal(gmem_read64(&gm, 64, &value), 0);
	assert_int_equal(value, 0x1122334455667799);
	assert_int_equal(gmem_read64(&gm, 65, &value), -EFAULT);
	assert_int_equal(gmem_read64(&gm, 64 * MIB, &value), -EFAULT);
	assert_int_equal(gmem_cmpxchg(&gm, 64 * MIB, 0, 1, 8), -EFAULT);
	gmem_fini(&gm);
	nothing_is_left();
}

/* Each allocation of creating and populating fails once, until none is left to fail. */
static void no_memory_leaves_nothing(void **state)
{
	unsigned failures = 0;
	bool reached = true;

	(void)state;
	for (unsigned n = 1; reached; n++) {
		struct gmem gm;
		int err;

		fail_after = n;
		err = gmem_init(&gm, 8 * MIB, &account);
		if (!err)
			err = gmem_populate(&gm, PAGE_2M);
		reached = fail_after == 0;
		if (!err) { /* or it made do with smaller blocks */
			gmem_fini(&gm);
			continue;
		}
		assert_int_equal(err, -ENOMEM);
		failures++;
		fail_after = 0;
		if (gm.bytes) { /* it was populating that failed: a second try succeeds */
			assert_int_equal(gmem_populate(&gm, PAGE_2M), 0);
			gmem_fini(&gm);
		}
		nothing_is_left();
	}
	assert_true(failures > 8);
	nothing_is_left();
}

/* The pool has enough, in whatever pieces, or one piece too few: then it has all of it back. */
static void a_pool_that_is_too_small(void **state)
{
	static const uint64_t sizes[] = {PAGE_2M, 1 * GIB, 5 * GIB + 3 * PAGE_2M};
	struct gmem gm;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		pool_bytes = sizes[i];
		assert_int_equal(gmem_init(&gm, sizes[i], &account), 0);
		assert_int_equal(frames_out, sizes[i]);
		gmem_fini(&gm);
		pool_bytes = sizes[i] - PAGE_2M;
		next_frame = POOL_BASE;
		assert_int_equal(gmem_init(&gm, sizes[i], &account), -ENOMEM);
		assert_int_equal(next_frame, POOL_BASE); /* not even for a moment */
		assert_false(reserving);
		nothing_is_left();
	}
	assert_int_equal(blocks_taken_freely, 0);
	pool_bytes = UINT64_MAX;
}

/* Whoever reaches for memory that cannot be populated is told so, and nothing is touched. */
static void no_memory_to_reach(void **state)
{
	struct gmem gm;
	uint64_t value = 7, hpa = 8, bytes = 9;

	(void)state;
	assert_int_equal(gmem_init(&gm, 8 * MIB, &account), 0);
	memset((void *)GUEST_WINDOW_BASE, OTHERS, PAGE_2M);
	for (unsigned i = 0; i < 5; i++) {
		fail_after = 1;
		switch (i) {
		case 0: assert_int_equal(gmem_read64(&gm, 64, &value), -ENOMEM); break;
		case 1: assert_int_equal(gmem_read(&gm, 64, &value, 8), -ENOMEM); break;
		case 2: assert_int_equal(gmem_write(&gm, 64, &value, 8), -ENOMEM); break;
		case 3: assert_int_equal(gmem_cmpxchg(&gm, 64, 0, 1, 8), -ENOMEM); break;
		case 4: assert_int_equal(gmem_pin(&gm, 64, &hpa, &bytes), -ENOMEM); break;
		}
		assert_int_equal(fail_after, 0);
	}
	assert_int_equal(value, 7);
	assert_int_equal(hpa, 8);
	assert_int_equal(bytes, 9);
	assert_int_equal(gm.pins[0], 0);
	assert_int_equal(gm.populated_bytes, 0);
	assert_int_equal(*(volatile uint8_t *)(GUEST_WINDOW_BASE + 64), OTHERS);
	assert_int_equal(gmem_read64(&gm, 64, &value), 0);
	assert_int_equal(value, 0);
	gmem_fini(&gm);
	nothing_is_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(ram_has_a_hole, setup),
		cmocka_unit_test_setup(a_pool_that_is_too_small, setup),
		cmocka_unit_test_setup(chunks_leave_out_the_hole, setup),
		cmocka_unit_test_setup(first_touch_finds_zeroes, setup),
		cmocka_unit_test_setup(nothing_stays_where_it_was_zeroed, setup),
		cmocka_unit_test_setup(touching_may_always_wait, setup),
		cmocka_unit_test_setup(whole_gigabytes_become_one_page, setup),
		cmocka_unit_test_setup(entries_change_atomically, setup),
		cmocka_unit_test_setup(no_memory_leaves_nothing, setup),
		cmocka_unit_test_setup(no_memory_to_reach, setup),
	};

	return map_window() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}

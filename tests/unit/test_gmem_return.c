/*
 * Guest RAM that is given back: forgotten, or left to others and taken back; what others see of
 * it meanwhile, and how many flushes it takes.
 */
/* links: kernel/mem/pt_long.c */
/* links: kernel/vmm/gmem.c kernel/vmm/gmem_return.c kernel/vmm/nested.c */
/* links: kernel/mem/pagetable.c */
#define _GNU_SOURCE
#include "tests/unit/gmem_machine.h"

/* Whole chunks that nobody has pinned are forgotten; they stay the guest's, at the same place.
 */
static void what_is_discarded_reads_as_zeroes(void **state)
{
	struct gmem gm;
	uint64_t hpa, again, bytes = 1;
	uint32_t value = 0x5a5a5a5a;

	(void)state;
	create(&gm, 64 * MIB, 4);
	assert_int_equal(gmem_write(&gm, PAGE_2M, &value, 4), 0);
	level_of(&gm, PAGE_2M, &hpa);
	assert_int_equal(gmem_pin(&gm, 2 * PAGE_2M + 5, &again, &bytes), 0);
	assert_int_equal(gmem_discard(&gm, 1, 5 * PAGE_2M), 2 * PAGE_2M); /* 1 and 3 */
	assert_int_equal(gm.populated_bytes, 2 * PAGE_2M);
	assert_int_equal(level_of(&gm, PAGE_2M, &again), 0);
	assert_int_equal(level_of(&gm, 2 * PAGE_2M, &again), 2);
	assert_null(gmem_window(&gm, PAGE_2M));
	gmem_unpin(&gm, 2 * PAGE_2M + 5);
	assert_int_equal(gmem_discard(&gm, 2 * PAGE_2M, PAGE_2M), PAGE_2M);
	assert_int_equal(gmem_discard(&gm, 2 * PAGE_2M, PAGE_2M), 0);
	assert_int_equal(gmem_discard(&gm, PAGE_2M, PAGE_2M - 1), 0);
	assert_int_equal(gmem_discard(&gm, 62 * MIB, 4 * MIB), 0); /* beyond RAM */
	assert_int_equal(gmem_discard(&gm, UINT64_MAX - 5, PAGE_2M), 0);

	assert_int_equal(gmem_read(&gm, PAGE_2M, &value, 4), 0);
	assert_int_equal(value, 0);
	assert_int_equal(level_of(&gm, PAGE_2M, &again), 2);
	assert_int_equal(again, hpa);
	assert_int_equal(flushes, 0);
	assert_int_equal(frames_out, 64 * MIB);
	gmem_fini(&gm);
	nothing_is_left();
}

/* What is given away is in no table, and with the pool once all CPUs have forgotten it; one
 * frame of scrap is what it costs. It comes back elsewhere, and is flushed again before it is
 * zeroed. */
static void what_is_given_away_is_the_pools(void **state)
{
	struct gmem gm;
	uint64_t hpa, again, bytes = 1;

	(void)state;
	create(&gm, 64 * MIB, 4);
	level_of(&gm, PAGE_2M, &hpa);
	assert_int_equal(gmem_pin(&gm, PAGE_2M, &again, &bytes), 0);
	assert_int_equal(gmem_give_away(&gm, PAGE_2M + 77), -EBUSY);
	assert_int_equal(level_of(&gm, PAGE_2M, &again), 2);
	gmem_unpin(&gm, PAGE_2M);
	assert_int_equal(gmem_give_away(&gm, PAGE_2M + 77), 0);
	assert_int_equal(gmem_give_away(&gm, PAGE_2M), 0);
	assert_int_equal(gmem_give_away(&gm, 20 * PAGE_2M), 0); /* never touched */
	assert_int_equal(gmem_give_away(&gm, 64 * MIB), -EFAULT);
	assert_int_equal(flushes, 2);
	assert_int_equal(splits, 1);
	assert_int_equal(gm.away_bytes, 2 * PAGE_2M);
	assert_int_equal(frames_out, 64 * MIB - 2 * PAGE_2M + PAGE_2M);
	assert_int_equal(level_of(&gm, PAGE_2M, &again), 0);

	assert_int_equal(gmem_populate(&gm, PAGE_2M), 0);
	assert_int_equal(flushes, 3);
	assert_int_equal(level_of(&gm, PAGE_2M, &again), 2);
	assert_int_not_equal(again, hpa);
	assert_int_equal(gmem_pin(&gm, PAGE_2M + 9, &hpa, &bytes), 0);
	assert_int_equal(hpa, again + 9);
	gmem_unpin(&gm, PAGE_2M + 9);
	assert_int_equal(gmem_take_back(&gm, 20 * PAGE_2M), 0);
	assert_int_equal(gmem_take_back(&gm, 20 * PAGE_2M), 0);
	assert_int_equal(gm.away_bytes, 0);
	assert_int_equal(gmem_give_away(&gm, PAGE_2M), 0); /* once more, from elsewhere */
	gmem_fini(&gm);
	nothing_is_left();
}

static unsigned seen;

/* At each flush other CPUs look at the window anew, in the midst of a copy from or to chunk 1.
 */
static void look(void *arg)
{
	struct gmem *gm = arg;
	unsigned prot;
	uint64_t hpa;

	flushes++;
	if (pagetable_lookup(&gm->as.window, GUEST_WINDOW_BASE + PAGE_2M, &hpa, &prot))
		seen |= *(volatile uint8_t *)(GUEST_WINDOW_BASE + PAGE_2M + 12345);
}

/* Neither scrap, nor what comes back in its place, ever shows what its last owner left. */
static void nobody_sees_others_data(void **state)
{
	struct gmem gm;

	(void)state;
	create(&gm, 64 * MIB, 4);
	gm.flush = look;
	gm.flush_arg = &gm;
	fill_new = true;
	seen = 0;
	assert_int_equal(gmem_give_away(&gm, PAGE_2M), 0);
	assert_int_equal(flushes, 1);
	assert_int_equal(seen, 0);
	assert_int_equal(gmem_populate(&gm, PAGE_2M), 0);
	assert_int_equal(flushes, 2);
	assert_int_equal(seen, 0);
	assert_int_equal(gm.staging, 0);
	gmem_fini(&gm);
	nothing_is_left();
}

/* The flush is for scrap's sake: what lies elsewhere since it came back, and is forgotten and
 * touched again and again, costs others nothing more. */
static void coming_back_flushes_once(void **state)
{
	struct gmem gm;

	(void)state;
	create(&gm, 64 * MIB, 4);
	assert_int_equal(gmem_give_away(&gm, PAGE_2M), 0);
	assert_int_equal(gmem_populate(&gm, PAGE_2M), 0);
	assert_int_equal(flushes, 2);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(gmem_discard(&gm, PAGE_2M, PAGE_2M), PAGE_2M);
		assert_int_equal(gmem_populate(&gm, PAGE_2M), 0);
	}
	assert_int_equal(flushes, 2);
	assert_int_equal(gmem_give_away(&gm, PAGE_2M), 0);
	assert_int_equal(gmem_take_back(&gm, PAGE_2M), 0);
	assert_int_equal(gmem_populate(&gm, PAGE_2M), 0);
	assert_int_equal(flushes, 4);
	gmem_fini(&gm);
	nothing_is_left();
}

/* One flush for all; those that cannot go stay, and do not hold up the others. */
static void many_go_with_one_flush(void **state)
{
	uint64_t gpas[GMEM_GIVE_MAX + 1], hpa, bytes = 1;
	struct gmem gm;

	(void)state;
	create(&gm, 256 * MIB, 80);
	for (unsigned i = 0; i < ARRAY_SIZE(gpas); i++)
		gpas[i] = (i + 1) * PAGE_2M + 99;
	assert_int_equal(gmem_pin(&gm, 3 * PAGE_2M, &hpa, &bytes), 0);
	assert_int_equal(gmem_give_away_all(&gm, gpas, 8), 7);
	assert_int_equal(flushes, 1);
	assert_int_equal(gm.away_bytes, 7 * PAGE_2M);
	assert_non_null(gmem_window(&gm, 3 * PAGE_2M));
	assert_int_equal(gmem_give_away_all(&gm, gpas, 8), 7); /* they are away */
	assert_int_equal(flushes, 1);
	gmem_unpin(&gm, 3 * PAGE_2M);
	assert_int_equal(gmem_give_away_all(&gm, gpas, GMEM_GIVE_MAX + 1), GMEM_GIVE_MAX);
	assert_int_equal(flushes, 2);
	assert_int_equal(gm.away_bytes, GMEM_GIVE_MAX * PAGE_2M);
	assert_int_equal(gmem_give_away_all(&gm, gpas, 0), 0);
	assert_int_equal(flushes, 2);
	gmem_fini(&gm);
	nothing_is_left();
}

/* The first chunk above the hole, and what is no RAM on both sides of it. */
static void above_the_hole(void **state)
{
	struct gmem gm;
	uint64_t hpa;

	(void)state;
	create(&gm, 4 * GIB, 0);
	assert_int_equal(gmem_populate(&gm, GMEM_HIGH_BASE), 0);
	assert_int_equal(gmem_give_away(&gm, GMEM_HIGH_BASE + 5), 0);
	assert_int_equal(level_of(&gm, GMEM_HIGH_BASE, &hpa), 0);
	assert_int_equal(gmem_give_away(&gm, GMEM_LOW_MAX), -EFAULT);
	assert_int_equal(gmem_give_away(&gm, GMEM_HIGH_BASE + GIB), -EFAULT);
	assert_int_equal(gmem_take_back(&gm, GMEM_HIGH_BASE), 0);
	assert_int_equal(gm.away_bytes, 0);
	gmem_fini(&gm);
	nothing_is_left();
}

/* Every allocation of giving away and of coming back fails once. */
static void no_memory_to_give_or_come_back(void **state)
{
	bool reached = true;

	(void)state;
	for (unsigned n = 1; reached; n++) {
		struct gmem gm;

		create(&gm, 8 * MIB, 2);
		fail_after = n;
		gmem_give_away(&gm, PAGE_2M);
		gmem_populate(&gm, PAGE_2M);
		reached = fail_after == 0;
		fail_after = 0;
		assert_int_equal(gmem_populate(&gm, PAGE_2M), 0);
		assert_int_equal(gm.away_bytes, 0);
		assert_int_equal(gm.staging, 0);
		gmem_fini(&gm);
		nothing_is_left();
	}
}

/* Without a frame for scrap it stays; but it was out of the nested tables, so what translations
 * of it there are must go before it is zeroed again. */
static void what_cannot_be_given_away_is_flushed(void **state)
{
	struct gmem gm;

	(void)state;
	create(&gm, 64 * MIB, 4);
	fail_after = 1;
	assert_int_equal(gmem_give_away(&gm, PAGE_2M), -EBUSY);
	assert_int_equal(fail_after, 0);
	assert_int_equal(flushes, 1);
	assert_int_equal(gm.away_bytes, 0);
	assert_int_equal(gmem_populate(&gm, PAGE_2M), 0);
	assert_int_equal(gm.populated_bytes, 4 * PAGE_2M);
	gmem_fini(&gm);
	nothing_is_left();
}

/* What is kept comes back without fail; what cannot be kept changes nothing. */
static void what_is_kept_comes_back(void **state)
{
	struct gmem gm;

	(void)state;
	create(&gm, 64 * MIB, 8);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(gmem_give_away(&gm, i * PAGE_2M), 0);
	assert_int_equal(gmem_keep(&gm, 4 * PAGE_2M), 0);
	assert_int_equal(gm.kept_count, 4);
	fail_after = 3;
	assert_int_equal(gmem_keep(&gm, 8 * PAGE_2M), -ENOMEM);
	assert_int_equal(gm.kept_count, 4);
	fail_after = 1; /* the pool is empty from now on */
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(gmem_take_back(&gm, i * PAGE_2M), 0);
	assert_int_equal(gmem_take_back(&gm, 4 * PAGE_2M), -ENOMEM);
	fail_after = 1;
	assert_int_equal(gmem_populate(&gm, 4 * PAGE_2M), -ENOMEM);
	fail_after = 0;
	assert_int_equal(gmem_populate(&gm, 4 * PAGE_2M), 0);
	assert_int_equal(gmem_keep(&gm, 2 * PAGE_2M), 0);
	assert_int_equal(gmem_keep(&gm, 0), 0); /* and the pool has them again */
	assert_int_equal(gm.kept_count, 0);
	gmem_fini(&gm);
	nothing_is_left();
}

/* A 1 GiB entry is cut for it, for good. */
static void a_broken_gigabyte_stays_broken(void **state)
{
	struct gmem gm;
	uint64_t hpa;

	(void)state;
	create(&gm, GIB, 512);
	assert_int_equal(level_of(&gm, 5 * PAGE_2M, &hpa), 3);
	assert_int_equal(gmem_discard(&gm, 5 * PAGE_2M, PAGE_2M), PAGE_2M);
	assert_int_equal(level_of(&gm, 5 * PAGE_2M, &hpa), 0);
	assert_int_equal(level_of(&gm, 6 * PAGE_2M, &hpa), 2);
	assert_int_equal(hpa, gm.blocks[0].hpa + 6 * PAGE_2M);
	assert_int_equal(gmem_populate(&gm, 5 * PAGE_2M), 0);
	assert_int_equal(level_of(&gm, 5 * PAGE_2M, &hpa), 2);
	assert_int_equal(gmem_give_away(&gm, 7 * PAGE_2M), 0);
	assert_int_equal(frames_out, GIB);
	gmem_fini(&gm);
	nothing_is_left();
}

/* A chunk of it that goes before it was ever touched comes back elsewhere: an entry for all
 * would show the frame that is another's now. */
static void a_gigabyte_with_a_stranger_is_never_one_page(void **state)
{
	struct gmem gm;
	uint64_t hpa, old;

	(void)state;
	create(&gm, GIB, 511);
	old = gm.blocks[0].hpa + 511 * PAGE_2M;
	assert_int_equal(gmem_give_away(&gm, 511 * PAGE_2M), 0);
	assert_int_equal(gmem_populate(&gm, 511 * PAGE_2M), 0);
	assert_int_equal(gm.populated_bytes, GIB);
	assert_int_equal(level_of(&gm, 511 * PAGE_2M, &hpa), 2);
	assert_int_not_equal(hpa, old);
	assert_int_equal(level_of(&gm, 0, &hpa), 2);
	gmem_fini(&gm);
	nothing_is_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_is_discarded_reads_as_zeroes, setup),
		cmocka_unit_test_setup(what_is_given_away_is_the_pools, setup),
		cmocka_unit_test_setup(nobody_sees_others_data, setup),
		cmocka_unit_test_setup(coming_back_flushes_once, setup),
		cmocka_unit_test_setup(many_go_with_one_flush, setup),
		cmocka_unit_test_setup(above_the_hole, setup),
		cmocka_unit_test_setup(no_memory_to_give_or_come_back, setup),
		cmocka_unit_test_setup(what_cannot_be_given_away_is_flushed, setup),
		cmocka_unit_test_setup(what_is_kept_comes_back, setup),
		cmocka_unit_test_setup(a_broken_gigabyte_stays_broken, setup),
		cmocka_unit_test_setup(a_gigabyte_with_a_stranger_is_never_one_page, setup),
	};

	return map_window() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}

/* Claims at their limits: as many runs as there is room for, and memory that ends anywhere. */
/* links: kernel/io/storage.c kernel/io/storage_claims.c kernel/io/storage_check.c */
/* links: kernel/io/extents.c kernel/lib/size.c kernel/lib/sort.c tests/unit/fail_malloc.c */
#include "tests/unit/storage_house.h"

#include "kernel/io/extents.h"
#include "tests/unit/fail_malloc.h"

#define SIEVES 4 /* fill all the room that there is */

/* A volume of so many runs, with gaps, of a disk of its own. */
struct sieve {
	struct blkdev dev, disk;
	unsigned runs;
};

static int visit_sieve(struct blkdev *dev, uint64_t offset, uint64_t bytes,
		       int (*visit)(void *, struct blkdev *, uint64_t, uint64_t), void *arg)
{
	struct sieve *sieve = container_of(dev, struct sieve, dev);
	int stop = 0;

	(void)offset, (void)bytes;
	for (unsigned i = 0; i < sieve->runs && !stop; i++)
		stop = visit(arg, &sieve->disk, i * 1024ull, 512);
	return stop;
}

static void close_sieve(struct blkdev *dev)
{
	(void)dev;
	opened_count--;
}

static const struct blkdev_ops sieve_ops = {.pieces = visit_sieve, .close = close_sieve};

static int open_sieve(struct sieve *sieve, unsigned runs, char why[STORAGE_WHY_BYTES])
{
	*sieve = (struct sieve){.dev = {.ops = &sieve_ops, .bytes = runs * 512ull},
				.disk = {.ops = &disk_ops, .name = "d", .bytes = 64 * GIB},
				.runs = runs};
	return storage_claim(&sieve->dev, "made:sieve", "g", why);
}

static void there_is_room_for_so_many_runs(void **state)
{
	static struct sieve sieves[SIEVES], more;
	struct storage_use use = {.source = "a:lv-a", .owner = "next", .starts = true};
	struct storage_run run;
	char why[STORAGE_WHY_BYTES];

	(void)state;
	for (unsigned i = 0; i < SIEVES; i++)
		assert_int_equal(open_sieve(&sieves[i], EXTENTS_MAX - (i == 3), why), 0);
	assert_int_equal(open_sieve(&more, 2, why), -E2BIG);
	assert_string_equal(why, "lies in 2 pieces: with those of other disks in use that is "
				 "more than 262144; copy it to a new volume");
	assert_int_equal(opened_count, 0); /* it stays open, for who claimed it */
	/* Nor is it kept for a start. */
	assert_int_equal(storage_check(&use, 1), 0);
	assert_int_equal(use.error, -E2BIG);
	assert_non_null(strstr(use.why, "lies in 2 pieces"));
	assert_int_equal(opened_count, 0);
	assert_int_equal(open_sieve(&more, 1, why), 0);
	assert_true(storage_run_at(SIEVES * EXTENTS_MAX - 1, &run));
	assert_false(storage_run_at(SIEVES * EXTENTS_MAX, &run));
	opened_count = SIEVES + 1;
	storage_close(&more.dev, "g");
	for (unsigned i = 0; i < SIEVES; i++)
		storage_close(&sieves[i].dev, "g");
	assert_int_equal(opened_count, 0);
	assert_int_equal(open_sieve(&more, EXTENTS_MAX, why), 0); /* the room is back */
	opened_count = 1;
	storage_close(&more.dev, "g");
}

/* One that is opened gives back all it took; one that was claimed stays its owner's. */
static void memory_may_end_anywhere(void **state)
{
	struct blkdev *dev = NULL;
	char why[STORAGE_WHY_BYTES];
	unsigned failures[2] = {0};

	(void)state;
	for (unsigned claims = 0; claims < 2; claims++) {
		int error = -ENOMEM;

		for (unsigned n = 1; error; n++) {
			strcpy(why, "");
			fail_malloc_at(n);
			error = claims ? storage_claim(&nvme0, "a:nvme0", "g", why)
				       : storage_open("a:lv-a", STORAGE_WRITE, "g", &dev, why);
			fail_malloc_at(0);
			if (!error)
				break;
			failures[claims]++;
			assert_int_equal(error, -ENOMEM);
			assert_string_not_equal(why, "");
			assert_int_equal(opened_count, 0);
		}
		storage_close(claims ? &nvme0 : dev, "g");
		assert_int_equal(opened_count, 0);
	}
	assert_true(failures[0] >= 3); /* the claim, the device, its runs */
	assert_true(failures[1] >= 2);
}

/* What can't be told is taken. */
static void without_memory_somebody_has_it(void **state)
{
	char owner[STORAGE_OWNER_BYTES];

	(void)state;
	assert_false(storage_owner(&nvme0, 0, 512, owner));
	fail_malloc_at(1);
	assert_true(storage_owner(&nvme0, 0, 512, owner));
	fail_malloc_at(0);
	assert_string_equal(owner, "somebody");
}

static int holds(struct blkdev *dev, uint64_t offset, uint64_t bytes,
		 char what[STORAGE_WHY_BYTES])
{
	(void)dev, (void)offset, (void)bytes;
	strcpy(what, "is a physical volume");
	return 1;
}

/* What was kept for a start is asked of as what is opened anew, and let go if it can't be. */
static void what_was_kept_takes_a_word_too(void **state)
{
	struct storage_use use = {.source = "plain:partition2", .owner = "g", .starts = true};
	struct storage_run run;
	struct blkdev *dev;
	char why[STORAGE_WHY_BYTES];

	(void)state;
	assert_int_equal(storage_check(&use, 1), 0);
	assert_int_equal(use.error, 0);
	assert_true(storage_run_at(0, &run));
	storage_set_holds(holds);
	assert_int_equal(storage_open("plain:partition2", STORAGE_WRITE, "g", &dev, why),
			 -EEXIST);
	assert_null(dev);
	assert_false(storage_run_at(0, &run));
	assert_int_equal(opened_count, 0);
	storage_set_holds(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_is_room_for_so_many_runs),
		cmocka_unit_test(memory_may_end_anywhere),
		cmocka_unit_test(without_memory_somebody_has_it),
		cmocka_unit_test(what_was_kept_takes_a_word_too),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}

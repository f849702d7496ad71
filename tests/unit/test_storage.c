/*
 * Who has what: every kind of overlap is tried, by every way to name it; what a refusal says,
 * and who is found from a disk's side. What a document's check says and keeps is
 * test_storage_check's.
 */
/* links: kernel/io/storage.c kernel/io/storage_claims.c kernel/io/storage_check.c */
/* links: kernel/io/extents.c kernel/lib/size.c kernel/lib/sort.c */
#include "tests/unit/storage_house.h"

#include "kernel/io/extents.h"

static void sources_are_told_apart_by_their_kind(void **state)
{
	static const char *const none[] = {"", ":", "x", "b:x", "othe:x", "others:x", "a"};
	char why[STORAGE_WHY_BYTES];
	struct blkdev *dev;

	(void)state;
	assert_int_equal(storage_parse("a:x", why), 0);
	assert_int_equal(storage_parse("other:x", why), 0);
	assert_int_equal(storage_parse("a:", why), -EINVAL);
	assert_string_equal(why, "is empty");
	for (unsigned i = 0; i < ARRAY_SIZE(none); i++) {
		assert_int_equal(storage_parse(none[i], why), -EINVAL);
		assert_string_equal(
			why,
			"begins with no kind of disk; write one of a:, other:, plain:, made:");
		assert_int_equal(storage_open(none[i], STORAGE_READ_ONLY, "g", &dev, why),
				 -EINVAL);
	}
	assert_int_equal(storage_open("a:nothing", STORAGE_READ_ONLY, "g", &dev, why), -ENOENT);
	assert_string_equal(why, "names nothing");
	assert_null(dev);
}

/* Whether `second` can be opened while `first` is; whoever was opened is closed again. */
static int both(const char *first, bool first_reads, const char *second, bool second_reads,
		char why[STORAGE_WHY_BYTES])
{
	struct blkdev *one, *two;
	int error;

	assert_int_equal(storage_open(first, first_reads, "alpha", &one, why), 0);
	error = storage_open(second, second_reads, "beta", &two, why);
	assert_true(error == 0 || two == NULL);
	storage_close(two, "beta");
	storage_close(one, "alpha");
	assert_int_equal(opened_count, 0);
	return error;
}

static void any_number_may_read_or_one_may_write(void **state)
{
	char why[STORAGE_WHY_BYTES];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(pairs); i++) {
		const char *x = pairs[i].first, *y = pairs[i].second;
		int error = pairs[i].overlap ? -EBUSY : 0;

		assert_int_equal(both(x, true, y, true, why), 0);
		assert_int_equal(both(x, true, y, false, why), error);
		assert_int_equal(both(x, false, y, true, why), error);
		assert_int_equal(both(x, false, y, false, why), error);
		assert_int_equal(both(y, false, x, false, why), error);
	}
}

static unsigned changes;

static void changed(void)
{
	changes++;
}

static void who_waits_for_sources_is_told(void **state)
{
	(void)state;
	storage_changed(); /* nobody waits */
	storage_on_change(changed);
	storage_changed();
	assert_int_equal(changes, 1);
	storage_on_change(NULL);
}

static void a_refusal_says_who_has_it(void **state)
{
	char why[STORAGE_WHY_BYTES];

	(void)state;
	assert_int_equal(both("a:partition2", false, "a:nvme0", true, why), -EBUSY);
	assert_string_equal(why, "is taken: guest 'alpha' has 10 GiB of nvme0, as "
				 "'a:partition2'; give it to one guest, or to all of them "
				 "with 'read_only: true'");
	assert_int_equal(both("a:lv-a", true, "a:partition1", false, why), -EBUSY);
	assert_string_equal(why, "is taken: guest 'alpha' reads 4 GiB of nvme0, as "
				 "'a:lv-a'; give it to one guest, or to all of them with "
				 "'read_only: true'");
}

static void the_same_owner_has_no_more_rights(void **state)
{
	struct blkdev *one, *two;
	char why[STORAGE_WHY_BYTES];

	(void)state;
	assert_int_equal(storage_open("a:nvme0", STORAGE_WRITE, "g", &one, why), 0);
	assert_int_equal(storage_open("a:partition2", STORAGE_WRITE, "g", &two, why), -EBUSY);
	storage_close(one, "g");
	/* Twice the same to read, then closed one by one. */
	assert_int_equal(storage_open("a:nvme0", STORAGE_READ_ONLY, "g", &one, why), 0);
	assert_int_equal(storage_open("a:nvme0", STORAGE_READ_ONLY, "g", &two, why), 0);
	assert_ptr_equal(one, two);
	storage_close(one, "g");
	assert_int_equal(storage_open("a:nvme0", STORAGE_WRITE, "h", &one, why), -EBUSY);
	storage_close(two, "g");
	assert_int_equal(storage_open("a:nvme0", STORAGE_WRITE, "h", &one, why), 0);
	storage_close(one, "h");
	assert_int_equal(opened_count, 0);
}

/* Of two owners of one name the one that was removed, whose device had not answered, lets go:
 * the other still has it, and is not told of as removed. */
static void a_name_that_comes_again(void **state)
{
	struct blkdev *old, *again, *new;
	char why[STORAGE_WHY_BYTES];

	(void)state;
	assert_int_equal(storage_open("a:nvme0", STORAGE_READ_ONLY, "g", &old, why), 0);
	storage_owner_removed("g");
	assert_int_equal(storage_open("a:nvme0", STORAGE_WRITE, "h", &new, why), -EBUSY);
	assert_non_null(strstr(why, "guest 'g', which was removed, still reads"));
	assert_int_equal(storage_open("a:nvme0", STORAGE_READ_ONLY, "g", &again, why), 0);
	assert_ptr_equal(again, old);
	storage_close(old, "g");
	assert_int_equal(storage_open("a:nvme0", STORAGE_WRITE, "h", &new, why), -EBUSY);
	assert_non_null(strstr(why, "guest 'g' reads"));
	storage_close(again, "g");
	assert_int_equal(opened_count, 0);
}

static void closing_what_is_not_open_is_nothing(void **state)
{
	struct blkdev *dev;
	char why[STORAGE_WHY_BYTES];

	(void)state;
	storage_close(NULL, "g");
	assert_int_equal(storage_open("a:partition2", STORAGE_WRITE, "g", &dev, why), 0);
	storage_close(dev, "another");
	assert_int_equal(opened_count, 1);
	storage_close(dev, "g");
	assert_int_equal(opened_count, 0);
}

static void owners_are_found_from_any_side(void **state)
{
	struct blkdev *dev;
	char why[STORAGE_WHY_BYTES], owner[STORAGE_OWNER_BYTES];

	(void)state;
	assert_int_equal(storage_open("a:lv-a", STORAGE_READ_ONLY, "g", &dev, why), 0);
	assert_true(storage_owner(&nvme0, 0, nvme0.bytes, owner));
	assert_string_equal(owner, "g");
	assert_true(storage_owner(&pv.dev, 1 * MIB, 512, owner));
	assert_false(storage_owner(&pv.dev, 0, 1 * MIB, owner));
	assert_true(storage_owner(&nvme0, 2 * MIB, 1, owner));
	assert_false(storage_owner(&nvme0, 2 * MIB - 512, 512, owner));
	assert_true(storage_owner(&sata0, 1 * MIB + 4 * GIB - 1, 1, owner));
	assert_false(storage_owner(&sata0, 1 * MIB + 4 * GIB, GIB, owner));
	storage_close(dev, "g");
	assert_false(storage_owner(&nvme0, 0, nvme0.bytes, owner));
}

/* What the disks are said to hold. */
static int held;

static int holds(struct blkdev *dev, uint64_t offset, uint64_t bytes,
		 char what[STORAGE_WHY_BYTES])
{
	assert_true(offset + bytes <= dev->bytes);
	strcpy(what, "is a physical volume");
	return held;
}

/* A disk that is part of a group of volumes goes to a guest whole only by a word. */
static void what_is_more_than_one_guests_takes_a_word(void **state)
{
	char why[STORAGE_WHY_BYTES];
	struct blkdev *dev;

	(void)state;
	storage_set_holds(holds);
	held = 1;
	assert_int_equal(storage_open("plain:nvme0", STORAGE_WRITE, "new", &dev, why), -EEXIST);
	assert_string_equal(why,
			    "is a physical volume; if the guest is to have it whole, write "
			    "'physical_volume: true' beside it");
	assert_null(dev);
	assert_int_equal(storage_open("plain:nvme0", STORAGE_READ_ONLY, "new", &dev, why), 0);
	storage_close(dev, "new");
	assert_int_equal(storage_open("plain:nvme0", STORAGE_WRITE, "new", &dev, why), -EEXIST);
	assert_int_equal(storage_open("a:nvme0", STORAGE_WRITE, "new", &dev, why), 0);
	storage_close(dev, "new"); /* kinds that are not plain hold what they hold */
	assert_int_equal(storage_open("plain:nvme0", STORAGE_WHOLE, "new", &dev, why), 0);
	storage_close(dev, "new");
	/* From then on it is the guest's own work, but nobody else's. */
	assert_int_equal(storage_open("plain:nvme0", STORAGE_WRITE, "new", &dev, why), 0);
	storage_close(dev, "new");
	assert_int_equal(storage_open("plain:nvme0", STORAGE_WRITE, "old", &dev, why), -EEXIST);
	held = 0;
	assert_int_equal(storage_open("plain:nvme0", STORAGE_WRITE, "old", &dev, why), 0);
	storage_close(dev, "old");
	held = 1; /* made by the guest, while it had the disk */
	assert_int_equal(storage_open("plain:nvme0", STORAGE_WRITE, "old", &dev, why), 0);
	storage_close(dev, "old");
	held = -ENOMEM;
	assert_int_equal(storage_open("plain:sata0", STORAGE_WRITE, "x", &dev, why), -ENOMEM);
	held = -ETIMEDOUT; /* it may answer, and then be one */
	assert_int_equal(storage_open("plain:sata0", STORAGE_WRITE, "x", &dev, why),
			 -ETIMEDOUT);
	assert_string_equal(why, "is on a disk that does not answer");
	held = -EIO; /* what can't be read can't be known to hold anything */
	assert_int_equal(storage_open("plain:sata0", STORAGE_WRITE, "x", &dev, why), 0);
	storage_close(dev, "x");
	held = 1; /* and so it was not found to be the guest's own */
	assert_int_equal(storage_open("plain:sata0", STORAGE_WRITE, "x", &dev, why), -EEXIST);
	storage_set_holds(NULL);
	assert_int_equal(storage_open("plain:sata0", STORAGE_WRITE, "x", &dev, why), 0);
	storage_close(dev, "x");
}

/* Run by run, of all claims; one that is kept for a start says so. */
static void runs_are_told_with_their_owners(void **state)
{
	struct storage_use uses[] = {
		{.source = "a:partition2", .owner = "next", .starts = true}};
	struct storage_run run;
	struct blkdev *dev;
	char why[STORAGE_WHY_BYTES];

	(void)state;
	assert_false(storage_run_at(0, &run));
	assert_int_equal(storage_open("a:lv-a", STORAGE_READ_ONLY, "g", &dev, why), 0);
	assert_int_equal(storage_check(uses, 1), 0);
	assert_true(storage_run_at(0, &run));
	assert_true(run.read_only && !run.starts && run.bytes == 4 * GIB);
	assert_string_equal(run.owner, "g");
	assert_string_equal(run.source, "a:lv-a");
	assert_true(storage_run_at(1, &run));
	assert_string_equal(run.owner, "g");
	assert_true(storage_run_at(2, &run));
	assert_string_equal(run.owner, "next");
	assert_string_equal(run.disk, "nvme0");
	assert_int_equal(run.offset, MIB + 30 * GIB);
	assert_true(run.starts && !run.read_only);
	assert_false(storage_run_at(3, &run));
	storage_forget("next");
	assert_false(storage_run_at(2, &run));
	storage_close(dev, "g");
}

static unsigned listed;

static void note_listed(void *arg, const struct storage_volume *volume)
{
	assert_ptr_equal(arg, &listed);
	if (listed++ == 0) {
		assert_string_equal(volume->source, "a:partition2");
		assert_string_equal(volume->owner, "g");
		assert_string_equal(volume->holds, "is a physical volume");
	} else {
		assert_string_equal(volume->source, "a:lv-b");
		assert_string_equal(volume->owner, "h");
		assert_string_equal(volume->holds, "");
	}
}

static void a_list_names_the_owners(void **state)
{
	struct blkdev *dev;
	char why[STORAGE_WHY_BYTES];

	(void)state;
	assert_int_equal(storage_open("other:label2", STORAGE_READ_ONLY, "g", &dev, why), 0);
	storage_set_holds(holds);
	held = 1;
	storage_list(note_listed, &listed);
	assert_int_equal(listed, 2);
	assert_int_equal(opened_count, 1); /* nothing is opened for a list */
	storage_close(dev, "g");
	assert_int_equal(opened_count, 0);
}

static void runs_are_joined_and_bounded(void **state)
{
	struct extents extents = {0};
	struct volume self = {.dev = {.ops = &volume_ops, .bytes = GIB}};

	(void)state;
	assert_int_equal(extents_add(&extents, &nvme0, 4096, 4096), 0);
	assert_int_equal(extents_add(&extents, &nvme0, 0, 4096), 0);
	assert_int_equal(extents_add(&extents, &nvme0, 6000, 100), 0);
	assert_int_equal(extents_add(&extents, &nvme0, 16384, 4096), 0);
	assert_int_equal(extents_add(&extents, &nvme0, 8192, 0), 0);
	assert_int_equal(extents.count, 2);
	assert_int_equal(extents.at[0].offset, 0);
	assert_int_equal(extents.at[0].bytes, 8192);
	extents_free(&extents);

	self.pieces[0] = (struct piece){&self.dev, 0, GIB}; /* made of itself */
	assert_int_equal(extents_add(&extents, &self.dev, 0, GIB), -ELOOP);
	extents_free(&extents);

	extents.at = calloc(EXTENTS_MAX, sizeof(*extents.at));
	extents.capacity = EXTENTS_MAX;
	for (unsigned i = 0; i < EXTENTS_MAX; i++)
		extents.at[extents.count++] = (struct extent){&nvme0, i * 2ull * 512, 512};
	assert_int_equal(extents_add(&extents, &sata0, 0, 512), -E2BIG);
	extents_free(&extents);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sources_are_told_apart_by_their_kind),
		cmocka_unit_test(any_number_may_read_or_one_may_write),
		cmocka_unit_test(who_waits_for_sources_is_told),
		cmocka_unit_test(a_refusal_says_who_has_it),
		cmocka_unit_test(the_same_owner_has_no_more_rights),
		cmocka_unit_test(a_name_that_comes_again),
		cmocka_unit_test(closing_what_is_not_open_is_nothing),
		cmocka_unit_test(owners_are_found_from_any_side),
		cmocka_unit_test(what_is_more_than_one_guests_takes_a_word),
		cmocka_unit_test(runs_are_told_with_their_owners),
		cmocka_unit_test(a_list_names_the_owners),
		cmocka_unit_test(runs_are_joined_and_bounded),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}

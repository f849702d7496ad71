/*
 * Documents that are checked: they are judged as sources that are opened, all of their faults
 * are told, and what the check has opened is kept for the guests that start.
 */
/* links: kernel/io/storage.c kernel/io/storage_claims.c kernel/io/storage_check.c */
/* links: kernel/io/extents.c kernel/lib/size.c kernel/lib/sort.c tests/unit/fail_malloc.c */
#include "tests/unit/storage_house.h"

#include "tests/unit/fail_malloc.h"

static void a_document_is_checked_by_the_same_rules(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(pairs); i++) {
		for (unsigned reads = 0; reads < 4; reads++) {
			struct storage_use uses[] = {
				{.source = "a:cdrom", .owner = "x", .read_only = true},
				{.source = pairs[i].first,
				 .owner = "y",
				 .read_only = reads & 1},
				{.source = pairs[i].second,
				 .owner = "z",
				 .read_only = reads & 2},
			};
			bool clash = pairs[i].overlap && reads != 3;

			assert_int_equal(storage_check(uses, 3), 0);
			assert_int_equal(uses[0].clash, -1);
			assert_int_equal(uses[1].clash, clash ? 2 : -1);
			assert_int_equal(uses[1].error, clash ? -EBUSY : 0);
			assert_int_equal(uses[2].clash, clash ? 1 : -1);
			assert_int_equal(uses[2].error, clash ? -EBUSY : 0);
			assert_int_equal(opened_count, 0);
		}
	}
}

static void a_check_goes_on_after_a_fault(void **state)
{
	struct storage_use uses[] = {
		{.source = "a:nothing", .owner = "a"},
		{.source = "a:cdrom", .owner = "b"},
		{.source = "a:label2", .owner = "c"},
		{.source = "a:nvme0", .owner = "d"},
	};

	(void)state;
	assert_int_equal(storage_check(uses, 4), 0);
	assert_int_equal(uses[0].error, -ENOENT);
	assert_int_equal(uses[1].error, -EROFS);
	assert_string_equal(uses[1].why, "can only be read; write 'read_only: true' beside it");
	assert_int_equal(uses[2].error, -EBUSY);
	assert_int_equal(uses[2].clash, 3);
	assert_int_equal(uses[3].error, -EBUSY);
	assert_int_equal(uses[3].clash, 2);
	assert_string_equal(uses[3].why,
			    "shares 10 GiB of nvme0 with 'a:label2' of guest 'c'; give it to "
			    "one guest, or to all of them with 'read_only: true'");
	assert_int_equal(storage_check(NULL, 0), 0);
	assert_int_equal(opened_count, 0);
}

/* ---- from the check to the start ------------------------------------------------------ */

/* What the check opened is what the start gets, and nobody comes between. */
static void a_start_gets_what_the_check_opened(void **state)
{
	struct storage_use uses[] = {
		{.source = "a:partition2", .owner = "web", .starts = true},
		{.source = "a:lv-a", .owner = "web", .read_only = true, .starts = true},
		{.source = "a:sata0", .owner = "db"},
	};
	struct blkdev *dev, *lv, *other;
	char why[STORAGE_WHY_BYTES];
	unsigned opens;

	(void)state;
	uses[2].read_only = true; /* so does lv-a */
	assert_int_equal(storage_check(uses, 3), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(uses[i].error, 0);
	assert_int_equal(opened_count, 2);
	assert_int_equal(storage_open("a:label2", STORAGE_WRITE, "thief", &other, why), -EBUSY);
	assert_string_equal(why,
			    "is taken: guest 'web', which is about to start, has 10 GiB of "
			    "nvme0, as 'a:partition2'; give it to one guest, or to all of them "
			    "with 'read_only: true'");
	opens = all_opens;
	assert_int_equal(storage_open("a:partition2", STORAGE_WRITE, "web", &dev, why), 0);
	assert_int_equal(storage_open("a:lv-a", STORAGE_READ_ONLY, "web", &lv, why), 0);
	assert_int_equal(all_opens, opens); /* by nobody once more */
	storage_forget("web");		    /* all of it is used */
	assert_int_equal(opened_count, 2);
	storage_close(lv, "web");
	storage_close(dev, "web");
	assert_int_equal(opened_count, 0);
}

static void what_no_start_uses_is_closed(void **state)
{
	struct storage_use uses[] = {
		{.source = "a:partition2", .owner = "web", .starts = true},
		{.source = "a:sata0", .owner = "db", .starts = true},
	};
	struct blkdev *dev;
	char why[STORAGE_WHY_BYTES];

	(void)state;
	assert_int_equal(storage_try(uses, 2), 0); /* keeps nothing */
	assert_int_equal(opened_count, 0);
	assert_int_equal(storage_check(uses, 2), 0);
	assert_int_equal(storage_check(uses, 2), 0); /* it serves again */
	assert_int_equal(opened_count, 1);	     /* a disk is there in any case */
	/* Another way to name it, or to have it, is another source. */
	assert_int_equal(storage_open("a:label2", STORAGE_WRITE, "web", &dev, why), 0);
	storage_close(dev, "web");
	assert_int_equal(storage_open("a:partition2", STORAGE_READ_ONLY, "web", &dev, why), 0);
	storage_close(dev, "web");
	assert_int_equal(opened_count, 1);
	storage_forget("web");
	assert_int_equal(opened_count, 0);
	assert_int_equal(storage_open("a:sata0", STORAGE_WRITE, "web", &dev, why), -EBUSY);
	storage_forget("db");
	assert_int_equal(storage_open("a:sata0", STORAGE_WRITE, "web", &dev, why), 0);
	storage_close(dev, "web");
}

/* Neither starts by the document; by an operator's word whoever is first. */
static void a_clash_stops_both(void **state)
{
	struct storage_use uses[] = {
		{.source = "a:partition2", .owner = "one", .starts = true},
		{.source = "a:label2", .owner = "two", .starts = true},
	};
	struct blkdev *dev, *other;
	char why[STORAGE_WHY_BYTES];

	(void)state;
	assert_int_equal(storage_check(uses, 2), 0);
	assert_int_equal(storage_open("a:partition2", STORAGE_WRITE, "one", &dev, why), -EBUSY);
	assert_string_equal(why,
			    "shares 10 GiB of nvme0 with 'a:label2' of guest 'two'; give it to "
			    "one guest, or to all of them with 'read_only: true'");
	assert_int_equal(storage_open("a:label2", STORAGE_WRITE, "two", &other, why), -EBUSY);
	storage_forget("one");
	storage_forget("two");
	assert_int_equal(opened_count, 0);
	assert_int_equal(storage_open("a:label2", STORAGE_WRITE, "two", &dev, why), 0);
	assert_int_equal(storage_open("a:partition2", STORAGE_WRITE, "one", &other, why),
			 -EBUSY);
	storage_close(dev, "two");
	/* A verdict is the last check's. */
	assert_int_equal(storage_check(uses, 2), 0);
	assert_int_equal(storage_check(uses, 1), 0);
	assert_int_equal(storage_open("a:partition2", STORAGE_WRITE, "one", &dev, why), -EBUSY);
	assert_non_null(strstr(why, "guest 'two', which is about to start"));
	storage_forget("two");
	assert_int_equal(storage_open("a:partition2", STORAGE_WRITE, "one", &dev, why), 0);
	storage_close(dev, "one");
	assert_int_equal(opened_count, 0);
}

/* Of one whose start is still to come, too, where a later document begins none. */
static void a_clash_is_over_when_its_rival_is_gone(void **state)
{
	struct storage_use uses[] = {
		{.source = "a:partition2", .owner = "one", .starts = true},
		{.source = "a:label2", .owner = "two", .starts = true},
	};
	struct blkdev *dev;
	char why[STORAGE_WHY_BYTES];

	(void)state;
	assert_int_equal(storage_check(uses, 2), 0);
	storage_forget("two");
	uses[0].starts = false;
	assert_int_equal(storage_try(uses, 1), 0); /* says nothing that lasts */
	assert_int_equal(storage_open("a:partition2", STORAGE_WRITE, "one", &dev, why), -EBUSY);
	assert_int_equal(storage_check(uses, 1), 0);
	assert_int_equal(storage_open("a:partition2", STORAGE_WRITE, "one", &dev, why), 0);
	storage_close(dev, "one");
	assert_int_equal(opened_count, 0);
}

/* Whoever has it keeps it, wherever it stands, and is not opened once more to be looked at. */
static void who_has_it_keeps_it(void **state)
{
	struct storage_use uses[] = {
		{.source = "a:partition2", .owner = "new", .starts = true},
		{.source = "a:label2", .owner = "old"},
		{.source = "a:nvme0", .owner = "old too", .read_only = true},
	};
	struct blkdev *dev, *other;
	char why[STORAGE_WHY_BYTES];
	unsigned opens;

	(void)state;
	assert_int_equal(storage_open("a:label2", STORAGE_WRITE, "old", &dev, why), 0);
	opens = all_opens;
	assert_int_equal(storage_check(uses, 2), 0);
	assert_int_equal(all_opens, opens + 1);
	assert_int_equal(uses[0].error, -EBUSY);
	assert_int_equal(uses[0].clash, 1);
	assert_int_equal(uses[1].error, 0);
	assert_int_equal(storage_open("a:partition2", STORAGE_WRITE, "new", &other, why),
			 -EBUSY);
	storage_close(dev, "old");
	storage_forget("new");
	assert_int_equal(opened_count, 0);
}

/* One that restarts has it twice for a while: for its next start, and still. */
static void a_restart_is_kept_beside_what_runs(void **state)
{
	struct storage_use uses[] = {
		{.source = "a:partition2", .owner = "web", .starts = true}};
	struct blkdev *old, *new;
	char why[STORAGE_WHY_BYTES];

	(void)state;
	assert_int_equal(storage_open("a:partition2", STORAGE_WRITE, "web", &old, why), 0);
	assert_int_equal(storage_check(uses, 1), 0);
	assert_int_equal(uses[0].error, 0);
	assert_int_equal(opened_count, 2);
	assert_int_equal(storage_open("a:partition2", STORAGE_WRITE, "web", &new, why), -EBUSY);
	storage_close(old, "web");
	assert_int_equal(opened_count, 1);
	assert_int_equal(storage_open("a:label2", STORAGE_WRITE, "thief", &new, why), -EBUSY);
	assert_int_equal(storage_open("a:partition2", STORAGE_WRITE, "web", &new, why), 0);
	assert_ptr_not_equal(new, old);
	storage_close(new, "web");
	assert_int_equal(opened_count, 0);
}

/* One that was removed, whose disk has not answered, has nothing for who has its name now. */
static void a_check_for_a_name_that_comes_again(void **state)
{
	struct storage_use uses[] = {
		{.source = "a:partition2", .owner = "web", .starts = true}};
	struct blkdev *old, *new;
	char why[STORAGE_WHY_BYTES];

	(void)state;
	assert_int_equal(storage_open("a:partition2", STORAGE_WRITE, "web", &old, why), 0);
	storage_owner_removed("web");
	assert_int_equal(storage_check(uses, 1), 0);
	assert_int_equal(opened_count, 2);
	assert_int_equal(storage_open("a:partition2", STORAGE_WRITE, "web", &new, why), -EBUSY);
	assert_non_null(strstr(why, "guest 'web', which was removed, still has"));
	storage_close(old, "web");
	assert_int_equal(storage_open("a:partition2", STORAGE_WRITE, "web", &new, why), 0);
	storage_close(new, "web");
	assert_int_equal(opened_count, 0);
}

/* What is made when it is opened is nobody else's, and is not made to be looked at. */
static void what_is_made_is_not_checked(void **state)
{
	struct storage_use uses[] = {{.source = "made:nvme0", .owner = "a", .starts = true},
				     {.source = "made:nvme0", .owner = "b", .starts = true}};
	unsigned opens = all_opens;

	(void)state;
	assert_int_equal(storage_check(uses, 2), 0);
	assert_int_equal(uses[0].error | uses[1].error, 0);
	assert_int_equal(all_opens, opens);
}

static void memory_may_end_in_a_check(void **state)
{
	struct storage_use uses[] = {
		{.source = "a:partition2", .owner = "one", .starts = true},
		{.source = "a:lv-a", .owner = "two", .starts = true},
	};
	unsigned long call = 0;
	bool whole = false;

	(void)state;
	while (!whole) {
		int err;

		fail_malloc_at(++call);
		err = storage_check(uses, 2);
		whole = fail_malloc_calls() < call;
		fail_malloc_at(0);
		if (!err && !whole)
			assert_true(uses[0].error == -ENOMEM || uses[1].error == -ENOMEM);
		if (whole)
			assert_int_equal(err | uses[0].error | uses[1].error, 0);
		storage_forget("one");
		storage_forget("two");
		assert_int_equal(opened_count, 0);
	}
	assert_true(call > 4);
}

static void kinds_that_search_come_last_and_know_what_guests_write(void **state)
{
	struct storage_use uses[] = {
		{.source = "other:partition2", .owner = "g"},
		{.source = "a:partition1", .owner = "h"},
	};

	(void)state;
	checks_begun = checks_ended = 0;
	assert_int_equal(storage_check(uses, 2), 0);
	assert_int_equal(opened_before, 1);
	assert_int_equal(searched_in_check, 1);
	assert_int_equal(checks_ended, 1);
	assert_true(partition1_is_away);
	assert_true(storage_given_away(&pv.dev, 0, 512)); /* also after the check */
	assert_false(storage_given_away(&nvme0, 0, 512));
	assert_false(storage_given_away(&nvme0, 1 * MIB + 30 * GIB, 512));
	uses[1].read_only = true;
	assert_int_equal(storage_try(uses, 2),
			 0); /* by what it says itself, and until its end */
	assert_false(partition1_is_away);
	assert_true(for_strangers); /* and for nobody else */
	assert_true(storage_given_away(&pv.dev, 0, 512));
	assert_int_equal(storage_check(uses, 2), 0);
	assert_false(partition1_is_away);
	assert_false(storage_given_away(&pv.dev, 0, 512));
	uses[1].read_only = false;
	assert_int_equal(storage_try(uses, 2), 0);
	assert_true(partition1_is_away);
	assert_false(for_strangers);
	assert_false(storage_given_away(&pv.dev, 0, 512));
	uses[0].source = "other:nvme0";
	assert_int_equal(storage_check(uses, 2), 0);
	assert_int_equal(uses[0].clash, 1);
	assert_int_equal(storage_check(NULL, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_document_is_checked_by_the_same_rules),
		cmocka_unit_test(a_check_goes_on_after_a_fault),
		cmocka_unit_test(a_start_gets_what_the_check_opened),
		cmocka_unit_test(what_no_start_uses_is_closed),
		cmocka_unit_test(a_clash_stops_both),
		cmocka_unit_test(a_clash_is_over_when_its_rival_is_gone),
		cmocka_unit_test(who_has_it_keeps_it),
		cmocka_unit_test(a_restart_is_kept_beside_what_runs),
		cmocka_unit_test(a_check_for_a_name_that_comes_again),
		cmocka_unit_test(what_is_made_is_not_checked),
		cmocka_unit_test(memory_may_end_in_a_check),
		cmocka_unit_test(kinds_that_search_come_last_and_know_what_guests_write),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}

/*
 * Who has what: sources are opened by made-up kinds, over two disks and volumes made of them.
 * Every kind of overlap is tried, by every way to name it.
 */
/* links: kernel/io/storage.c kernel/io/storage_claims.c */
/* links: kernel/io/storage_check.c kernel/io/extents.c */
/* links: kernel/lib/size.c kernel/lib/sort.c tests/unit/fail_malloc.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/io/extents.h"
#include "kernel/io/storage.h"
#include "kernel/sched/sync.h"
#include "tests/unit/fail_malloc.h"

/* A piece of another device; a list ends with NULL. */
struct piece {
	struct blkdev *dev;
	uint64_t offset, bytes;
};

struct volume {
	struct blkdev dev;
	struct piece pieces[4];
};

static unsigned opened_count, all_opens;

static bool checking, stranger; /* another thread than the one that checks */

void mutex_lock(struct mutex *mutex)
{
	(void)mutex;
	assert_false(checking);
	checking = true;
}

void mutex_unlock(struct mutex *mutex)
{
	(void)mutex;
	checking = false;
}

bool mutex_held(struct mutex *mutex)
{
	(void)mutex;
	return checking && !stranger;
}

static int visit_pieces(struct blkdev *dev, uint64_t offset, uint64_t bytes,
			int (*visit)(void *, struct blkdev *, uint64_t, uint64_t), void *arg)
{
	const struct volume *volume = container_of(dev, struct volume, dev);
	uint64_t from = 0;
	int stop = 0;

	for (const struct piece *p = volume->pieces; p->dev && !stop; from += p->bytes, p++) {
		uint64_t first = MAX(offset, from), end = MIN(offset + bytes, from + p->bytes);

		if (first < end)
			stop = visit(arg, p->dev, p->offset + first - from, end - first);
	}
	return stop;
}

static void close_volume(struct blkdev *dev)
{
	opened_count--;
	free(container_of(dev, struct volume, dev));
}

static const struct blkdev_ops disk_ops = {0};
static const struct blkdev_ops volume_ops = {.pieces = visit_pieces, .close = close_volume};

static struct blkdev nvme0 = {.ops = &disk_ops, .name = "nvme0", .bytes = 64 * GIB};
static struct blkdev sata0 = {.ops = &disk_ops, .name = "sata0", .bytes = 64 * GIB};
static struct blkdev cdrom = {
	.ops = &disk_ops, .name = "cdrom", .bytes = 1 * GIB, .read_only = true};

/* Partitions 1 (a physical volume) and 2 of nvme0; the whole of sata0 is a physical volume. */
static struct volume pv = {
	.dev = {.ops = &volume_ops, .bytes = 30 * GIB},
	.pieces = {{&nvme0, 1 * MIB, 30 * GIB}},
};

static const struct {
	const char *text;
	struct blkdev *whole; /* opened as it is, or: */
	struct piece pieces[4];
} sources[] = {
	{"nvme0", &nvme0, {{0}}},
	{"sata0", &sata0, {{0}}},
	{"cdrom", &cdrom, {{0}}},
	{"partition1", NULL, {{&nvme0, 1 * MIB, 30 * GIB}}},
	{"partition2", NULL, {{&nvme0, 1 * MIB + 30 * GIB, 10 * GIB}}},
	{"label2", NULL, {{&nvme0, 1 * MIB + 30 * GIB, 10 * GIB}}},
	/* Two logical volumes side by side on the same two physical volumes. */
	{"lv-a", NULL, {{&pv.dev, 1 * MIB, 4 * GIB}, {&sata0, 1 * MIB, 4 * GIB}}},
	{"lv-b", NULL, {{&sata0, 1 * MIB + 4 * GIB, GIB}, {&pv.dev, 1 * MIB + 4 * GIB, GIB}}},
};

static int fake_open(const char *text, struct blkdev **dev, char why[STORAGE_WHY_BYTES])
{
	all_opens++;
	for (unsigned i = 0; i < ARRAY_SIZE(sources); i++) {
		struct volume *volume;

		if (strcmp(sources[i].text, text) != 0)
			continue;
		*dev = sources[i].whole;
		if (*dev)
			return 0;
		volume = calloc(1, sizeof(*volume));
		if (!volume) {
			strcpy(why, "finds no memory");
			return -ENOMEM;
		}
		volume->dev.ops = &volume_ops;
		memcpy(volume->pieces, sources[i].pieces, sizeof(volume->pieces));
		for (unsigned p = 0; volume->pieces[p].dev; p++)
			volume->dev.bytes += volume->pieces[p].bytes;
		opened_count++;
		*dev = &volume->dev;
		return 0;
	}
	strcpy(why, "names nothing");
	return -ENOENT;
}

static int fake_parse(const char *text, char why[STORAGE_WHY_BYTES])
{
	if (*text)
		return 0;
	strcpy(why, "is empty");
	return -EINVAL;
}

static void fake_list(storage_visit visit, void *arg)
{
	struct storage_volume volume = {.source = "a:partition2",
					.about = "the second",
					.disk = &nvme0,
					.offset = 1 * MIB + 30 * GIB,
					.bytes = 10 * GIB};

	visit(arg, &volume);
	volume = (struct storage_volume){.source = "a:lv-b", .owner = "h"};
	visit(arg, &volume);
}

static unsigned opened_before; /* when a kind that searches was opened last */
static bool partition1_is_away, for_strangers;
static unsigned checks_begun, checks_ended, searched_in_check;

static int search_open(const char *text, struct blkdev **dev, char why[STORAGE_WHY_BYTES])
{
	opened_before = opened_count;
	searched_in_check = checks_begun - checks_ended;
	partition1_is_away = storage_given_away(&nvme0, 2 * MIB, 512);
	stranger = true;
	for_strangers = storage_given_away(&nvme0, 2 * MIB, 512);
	stranger = false;
	return fake_open(text, dev, why);
}

static void begin_check(void)
{
	assert_int_equal(checks_begun, checks_ended);
	checks_begun++;
}

static void end_check(void)
{
	assert_int_equal(checks_begun, ++checks_ended);
}

static const struct storage_scheme a = {
	.scheme = "a", .open = fake_open, .parse = fake_parse, .list = fake_list};
static const struct storage_scheme searching = {.scheme = "other",
						.open = search_open,
						.parse = fake_parse,
						.searches = true,
						.begin_check = begin_check,
						.end_check = end_check};
static const struct storage_scheme made = {
	.scheme = "made", .open = fake_open, .parse = fake_parse, .makes = true};
static const struct storage_scheme plain = {
	.scheme = "plain", .open = fake_open, .parse = fake_parse, .plain = true};

static int set_up(void **state)
{
	(void)state;
	storage_register(&a);
	storage_register(&searching);
	storage_register(&plain);
	storage_register(&made);
	return 0;
}

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

static const struct {
	const char *first, *second;
	bool overlap;
} pairs[] = {
	{"a:nvme0", "a:nvme0", true},	    {"a:nvme0", "other:nvme0", true},
	{"a:nvme0", "a:sata0", false},	    {"a:partition2", "a:nvme0", true},
	{"a:partition2", "a:label2", true}, {"a:partition1", "a:partition2", false},
	{"a:lv-a", "a:partition1", true},   {"a:lv-a", "a:partition2", false},
	{"a:lv-a", "a:sata0", true},	    {"a:lv-a", "a:nvme0", true},
	{"a:lv-a", "a:lv-b", false},	    {"a:lv-b", "a:lv-b", true},
};

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

/* ---- from the check to the start -----------------------------------------------------------
 */

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
		cmocka_unit_test(who_waits_for_sources_is_told),
		cmocka_unit_test(kinds_that_search_come_last_and_know_what_guests_write),
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

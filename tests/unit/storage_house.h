/*
 * The house of storage sources for its tests: kinds that are made up, over two disks and
 * volumes made of them; and which of these overlap, by every way to name them.
 */
#ifndef TESTS_UNIT_STORAGE_HOUSE_H
#define TESTS_UNIT_STORAGE_HOUSE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/io/storage.h"
#include "kernel/sched/sync.h"

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

#endif

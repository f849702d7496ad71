/*
 * Volumes are made, resized, removed and listed while each allocation and each read of a disk
 * fails once. What failed says so and has changed nothing, what succeeded is there, and no
 * memory is lost.
 */
/* links: drivers/volume/lvm/text.c drivers/volume/lvm/print.c */
/* links: drivers/volume/lvm/disk.c drivers/volume/lvm/label.c */
/* links: drivers/volume/lvm/vg.c drivers/volume/lvm/segment.c */
/* links: drivers/volume/lvm/scan.c drivers/volume/lvm/choose.c */
/* links: drivers/volume/lvm/map.c drivers/volume/lvm/alloc.c */
/* links: drivers/volume/lvm/change.c drivers/volume/lvm/finish.c */
/* links: drivers/volume/lvm/name.c drivers/volume/lvm/commit.c */
/* links: drivers/volume/lvm/lvm.c kernel/lib/size.c kernel/lib/crc32.c */
/* links: tests/unit/lvm_image.c kernel/lib/sort.c tests/unit/fake_turns.c */
/* links: tests/unit/fail_malloc.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/lvm/lvm.h"
#include "drivers/volume/lvm/map.h"
#include "tests/unit/fail_malloc.h"
#include "tests/unit/lvm_image.h"

static struct lvm_image a, b;
static struct lvm_disk *disks[] = {&a.disk, &b.disk};
static char why[LVM_WHY_BYTES];

static int random_bytes(void *buf, size_t bytes)
{
	memset(buf, 7, bytes);
	return 0;
}

static const struct lvm_author author = {"h", 1, random_bytes};
static const struct lvm_job job = {.disks = disks, .disk_count = 2, .author = &author};

static void plug_in(void)
{
	lvm_image_init(&a, "a", lvm_image_pv0, 2, 512);
	lvm_image_init(&b, "b", lvm_image_pv1, 1, 4096);
	lvm_image_put(&a, 0, 512, lvm_image_text);
	lvm_image_put(&a, 1, 512, lvm_image_text);
	lvm_image_put(&b, 0, 512, lvm_image_text);
}

static void unplug(void)
{
	lvm_image_free(&a);
	lvm_image_free(&b);
}

static int create(void)
{
	const struct lvm_new new = {
		.bytes = 6 * MIB, .stripes = 2, .stripe_bytes = LVM_STRIPE_BYTES};
	uint64_t bytes;

	return lvm_create(&job, "vg0/new", &new, &bytes, why);
}

static int grow(void)
{
	uint64_t bytes = 20 * MIB;

	return lvm_resize(&job, "vg0/web", &bytes, false, why);
}

static int shrink(void)
{
	uint64_t bytes = MIB;

	return lvm_resize(&job, "vg0/web", &bytes, true, why);
}

static int take_away(void)
{
	return lvm_remove(&job, "vg0/str", why);
}

static int look(void)
{
	struct lvm_scan scan;
	struct lvm_map *map = NULL;
	struct lvm_vg *vg;
	struct lvm_lv *lv;
	int error = lvm_scan(disks, 2, &scan);

	if (error) {
		strcpy(why, "no memory");
		return error;
	}
	error = lvm_scan_volume(&scan, "vg0/web", &vg, &lv, why);
	if (!error)
		error = lvm_vg_check(vg, lv, why);
	if (!error)
		map = lvm_map_create(vg, lv);
	if (!error && !map) {
		strcpy(why, "no memory");
		error = -ENOMEM;
	}
	free(map);
	lvm_scan_free(&scan);
	return error;
}

/* The group's number, and how many volumes and extents in use it has. */
struct state {
	unsigned seqno, volumes, extents;
};

static struct state state_of_group(void)
{
	struct state state;
	struct lvm_scan scan;

	assert_int_equal(lvm_scan(disks, 2, &scan), 0);
	assert_non_null(scan.vgs);
	assert_null(scan.vgs->next);
	assert_string_equal(scan.vgs->why, "");
	state = (struct state){scan.vgs->seqno, scan.vgs->lv_count, 0};
	for (unsigned i = 0; i < scan.vgs->used_count; i++)
		state.extents += scan.vgs->used[i].count;
	lvm_scan_free(&scan);
	return state;
}

static const struct action {
	int (*run)(void);
	struct state after;
} actions[] = {
	{create, {5, 4, 16}},	{grow, {5, 3, 25}}, {shrink, {5, 3, 6}},
	{take_away, {5, 2, 6}}, {look, {4, 3, 10}},
};

static void check(const struct action *action, int error)
{
	static const struct state before = {4, 3, 10};
	struct state now = state_of_group();
	/* From the first header on a change counts, and the sentence says so. */
	bool counts = !error || strncmp(why, "is changed, but", 15) == 0;
	const struct state *expected = counts ? &action->after : &before;

	if (memcmp(&now, expected, sizeof(now)) != 0)
		fail_msg("error %d: number %u, %u volumes, %u extents", error, now.seqno,
			 now.volumes, now.extents);
	if (error)
		assert_true(why[0] && strlen(why) < LVM_WHY_BYTES);
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(actions); i++) {
		for (unsigned long at = 1;; at++) {
			unsigned long calls;
			int error;

			plug_in();
			why[0] = '\0';
			fail_malloc_at(at);
			error = actions[i].run();
			calls = fail_malloc_calls();
			fail_malloc_at(0);
			assert_int_equal(error, calls < at ? 0 : -ENOMEM);
			check(&actions[i], error);
			unplug();
			if (calls < at) {
				assert_true(at > 5);
				break;
			}
		}
	}
}

/* A disk that does not answer one read: its area, or its label, is as if it were not there. So
 * nothing is changed, unless all that counts was read. */
static void every_read_may_fail(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(actions); i++) {
		for (unsigned long at = 1;; at++) {
			unsigned long reads;
			int error;

			plug_in();
			why[0] = '\0';
			a.fail_read_at = at;
			error = actions[i].run();
			a.fail_read_at = 0;
			reads = a.reads;
			if (actions[i].run == look && at > 1) /* the others have it too */
				assert_int_equal(error, 0);
			else if (reads >= at)
				assert_true(error < 0);
			else
				assert_int_equal(error, 0);
			check(&actions[i], error);
			unplug();
			if (reads < at)
				break;
			assert_true(at < 100);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(every_read_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

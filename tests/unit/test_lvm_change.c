/*
 * Changes of a group, from the command to the bytes on disks: where extents come from, what is
 * refused, and that a disk that fails at any write leaves the old group or the new one.
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
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/lvm/lvm.h"
#include "kernel/io/volume.h"
#include "tests/unit/lvm_image.h"

static int count_up(void *buf, size_t bytes)
{
	static uint8_t next;

	for (uint8_t *at = buf; bytes--; at++)
		*at = next++;
	return 0;
}

static struct lvm_image a, b;
static struct lvm_disk *disks[2];
static const struct lvm_author author = {
	.host = "node1", .time_s = 1800000000, .random = count_up};
static struct lvm_job job;
static char why[LVM_WHY_BYTES];
static uint64_t bytes;

static void put_everywhere(const char *text)
{
	lvm_image_put(&a, 0, 512, text);
	lvm_image_put(&a, 1, 512, text);
	lvm_image_put(&b, 0, 512, text);
}

static int plug_in(void **state)
{
	(void)state;
	lvm_image_init(&a, "a", lvm_image_pv0, 2, 512);
	lvm_image_init(&b, "b", lvm_image_pv1, 1, 4096);
	put_everywhere(lvm_image_text);
	disks[0] = &a.disk;
	disks[1] = &b.disk;
	job = (struct lvm_job){.disks = disks, .disk_count = 2, .author = &author};
	return 0;
}

static int unplug(void **state)
{
	(void)state;
	lvm_image_free(&a);
	lvm_image_free(&b);
	return 0;
}

/* A volume's segments on the disks now: "5: pv0 0+2, pv1 4+3". "" where there is none. */
static const char *shape(const char *name)
{
	static char said[512];
	struct lvm_scan scan;
	struct lvm_lv *lv;
	size_t used = 0;

	said[0] = '\0';
	assert_int_equal(lvm_scan(disks, 2, &scan), 0);
	assert_string_equal(scan.vgs->why, "");
	assert_string_equal(scan.vgs->keep_why, "");
	lv = lvm_vg_find(scan.vgs, name);
	if (lv)
		used += (size_t)sprintf(said, "%u:", lv->extents);
	for (unsigned i = 0; lv && i < lv->segment_count; i++) {
		const struct lvm_segment *segment = &lv->segments[i];

		for (uint32_t s = 0; s < segment->stripes; s++)
			used += (size_t)sprintf(said + used, "%s pv%u %u+%u",
						s   ? " |"
						: i ? ","
						    : "",
						segment->areas[s].pv, segment->areas[s].first,
						segment->areas[s].count);
	}
	lvm_scan_free(&scan);
	return said;
}

static uint32_t seqno(void)
{
	struct lvm_scan scan;
	uint32_t number;

	assert_int_equal(lvm_scan(disks, 2, &scan), 0);
	number = scan.vgs->seqno;
	lvm_scan_free(&scan);
	return number;
}

static int create(const char *path, uint64_t size, uint32_t stripes)
{
	const struct lvm_new new = {
		.bytes = size, .stripes = stripes, .stripe_bytes = LVM_STRIPE_BYTES};

	return lvm_create(&job, path, &new, &bytes, why);
}

static int resize(const char *path, uint64_t size, bool may_shrink)
{
	bytes = size;
	return lvm_resize(&job, path, &bytes, may_shrink, why);
}

static void says(const char *expected)
{
	if (!strstr(why, expected))
		fail_msg("\"%s\" and not \"%s\"", why, expected);
}

/* pv0 has 0-4 in use, pv1 0-1 and 4-6; each has 18. */
static void new_volumes_take_the_smallest_hole(void **state)
{
	(void)state;
	assert_int_equal(create("vg0/one", 11 * MIB - 1, 1), 0);
	assert_int_equal(bytes, 11 * MIB);
	assert_string_equal(shape("one"), "11: pv0 5+11"); /* the first disk's */
	assert_int_equal(create("vg0/two", 2 * MIB, 1), 0);
	assert_string_equal(shape("two"), "2: pv0 16+2");
	assert_int_equal(create("vg0/three", 1 * MIB, 1), 0);
	assert_string_equal(shape("three"), "1: pv1 2+1");
	assert_int_equal(create("vg0/four", 12 * MIB, 1), 0); /* no hole takes it whole */
	assert_string_equal(shape("four"), "12: pv1 7+11, pv1 3+1");
	assert_int_equal(seqno(), 8);
}

static void stripes_go_to_different_disks(void **state)
{
	(void)state;
	assert_int_equal(create("vg0/s", 3 * MIB, 2), 0);
	assert_int_equal(bytes, 4 * MIB); /* as much in each stripe */
	assert_string_equal(shape("s"), "4: pv0 5+2 | pv1 2+2");
	assert_int_equal(create("vg0/t", 24 * MIB, 2), -ENOSPC);
	says("finds no room in vg0 for 24 MiB on 2 physical volumes at once; 22 MiB are free");
	assert_int_equal(create("vg0/t", 22 * MIB, 2), 0);
	assert_string_equal(shape("t"), "22: pv0 7+11 | pv1 7+11");
	assert_int_equal(create("vg0/u", 1 * MIB, 1), -ENOSPC);
	says("finds no room in vg0 for 1 MiB; 0 bytes are free");
}

static void growing_goes_on_behind_if_it_can(void **state)
{
	(void)state;
	assert_int_equal(resize("vg0/web", 7 * MIB, false), 0);
	assert_string_equal(shape("web"), "7: pv0 0+2, pv1 4+5");
	assert_int_equal(resize("vg0/str", 8 * MIB, false),
			 0); /* no room behind pv0's stripe */
	assert_string_equal(shape("str"), "8: pv0 2+2 | pv1 0+2, pv0 5+2 | pv1 2+2");
	assert_int_equal(resize("vg0/str", 9 * MIB, false), 0);
	assert_string_equal(shape("str"), "10: pv0 2+2 | pv1 0+2, pv0 5+2 | pv1 2+2, pv0 7+1 | "
					  "pv1 9+1");
	assert_int_equal(resize("vg0/x", 30 * MIB, false), -ENOSPC);
	assert_int_equal(resize("vg0/x", UINT64_MAX, false), -ENOSPC);
}

static void shrinking_needs_a_word(void **state)
{
	(void)state;
	assert_int_equal(resize("vg0/web", 3 * MIB, false), -EINVAL);
	says("has 5 MiB, and all behind the first 3 MiB would be lost");
	assert_int_equal(resize("vg0/web", 3 * MIB - 5, true), 0);
	assert_int_equal(bytes, 3 * MIB); /* never less than was asked for */
	assert_string_equal(shape("web"), "3: pv0 0+2, pv1 4+1");
	assert_int_equal(resize("vg0/web", 3 * MIB, true), -EALREADY);
	assert_int_equal(resize("vg0/web", 2 * MIB, true), 0);
	assert_string_equal(shape("web"), "2: pv0 0+2");
	assert_int_equal(resize("vg0/web", 1, true), 0);
	assert_string_equal(shape("web"), "1: pv0 0+1");
	assert_int_equal(resize("vg0/web", 0, true), -EINVAL);
	assert_int_equal(resize("vg0/str", 3 * MIB, true),
			 -EALREADY); /* whole rows of stripes */
	assert_int_equal(resize("vg0/str", 2 * MIB, true), 0);
	assert_string_equal(shape("str"), "2: pv0 2+1 | pv1 0+1");
}

static void removing_frees_and_the_last_one_too(void **state)
{
	static const char *const paths[] = {"vg0/x", "vg0/web", "vg0/str"};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(paths); i++) {
		assert_int_equal(lvm_remove(&job, paths[i], why), 0);
		assert_string_equal(shape(paths[i] + 4), "");
	}
	assert_int_equal(lvm_remove(&job, "vg0/x", why), -ENOENT);
	assert_int_equal(create("vg0/all", 36 * MIB, 2), 0);
	assert_string_equal(shape("all"), "36: pv0 0+18 | pv1 0+18");
}

static void policies_and_limits_are_kept(void **state)
{
	static const struct {
		const char *from, *to, *why;
	} cases[] = {
		{"max_lv = 0", "max_lv = 3", "than the 3 volumes that vg0 may have"},
		{"max_lv = 0", "max_lv = 0\nallocation_policy = \"contiguous\"",
		 "by the policy \"contiguous\""},
		{"\"READ\", \"WRITE\"]", "\"READ\"]", "can't be changed: vg0 is read-only"},
		{"seqno = 4\n", "seqno = 4294967295\n", "was changed too often"},
		{"status = [\"ALLOCATABLE\"]", "status = []", "13 MiB are free"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		char *text = malloc(8192);
		const char *at = strstr(lvm_image_text, cases[i].from);

		sprintf(text, "%.*s%s%s", (int)(at - lvm_image_text), lvm_image_text,
			cases[i].to, at + strlen(cases[i].from));
		put_everywhere(text);
		assert_int_not_equal(create("vg0/new", 20 * MIB, 1), 0);
		says(cases[i].why);
		free(text);
	}
}

static void names_are_those_of_lvm2(void **state)
{
	static const char *const bad[] = {"",	      "-a",	 "a b",	     ".",
					  "..",	      "a/b",	 "snapshot", "pvmove0",
					  "\xc3\xa4", "x_tdata", "a_mlog_b", "a\"b"};
	char path[160], name[140];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(path, sizeof(path), "vg0/%s", bad[i]);
		assert_int_equal(create(path, MIB, 1), -EINVAL);
	}
	memset(name, '-', sizeof(name));
	name[0] = 'a';
	name[62] = '\0';
	snprintf(path, sizeof(path), "vg0/%s", name);
	assert_int_equal(create(path, MIB, 1), 0);
	name[62] = '-';
	name[63] = '\0';
	snprintf(path, sizeof(path), "vg0/%s", name);
	assert_int_equal(create(path, MIB, 1), -EINVAL);
	says("too long");
	assert_int_equal(create("vg0/web", MIB, 1), -EEXIST);
	assert_int_equal(create("vg0/s", MIB, 3), -EINVAL);
	assert_int_equal(create("vg0/s", MIB, 0), -EINVAL);
	assert_int_equal(create("vg0/s", 0, 1), -EINVAL);
	assert_int_equal(create("web", MIB, 1), -EINVAL);
}

static int forbid(void *arg, const struct lvm_vg *vg, const struct lvm_lv *lv,
		  char reason[LVM_WHY_BYTES])
{
	unsigned *asked = arg;

	++*asked;
	assert_string_equal(vg->name, "vg0");
	assert_true(!lv || strcmp(lv->name, "web") == 0);
	strcpy(reason, "is in use");
	return -EBUSY;
}

static void what_is_not_allowed_is_not_written(void **state)
{
	unsigned asked = 0;

	(void)state;
	job.allow = forbid;
	job.arg = &asked;
	assert_int_equal(create("vg0/new", MIB, 1), -EBUSY);
	assert_int_equal(resize("vg0/web", 9 * MIB, false), -EBUSY);
	assert_int_equal(lvm_remove(&job, "vg0/web", why), -EBUSY);
	says("is in use");
	assert_int_equal(asked, 3);
	assert_int_equal(a.calls + b.calls, 0);
}

/* Who waits: says stop at step `stop_at`, counted from 1, the commit being one of them. */
static struct {
	unsigned stop_at, asked, commits;
	uint64_t done, total;
	char last[64];
} waiting;

static int on_step(void *arg, uint64_t done, uint64_t total, const char *what)
{
	(void)arg;
	assert_true(done <= total);
	assert_int_equal(waiting.commits, 0);
	waiting.done = done;
	waiting.total = total;
	snprintf(waiting.last, sizeof(waiting.last), "%s", what);
	return ++waiting.asked == waiting.stop_at ? -ECANCELED : 0;
}

static int on_commit(void *arg)
{
	int stop = on_step(arg, 0, 0, "commit");

	waiting.commits++;
	return stop;
}

/* At every step, and each kind of change: then it is as it was, and else as it was asked for.
 */
static void a_change_is_stopped_between_its_steps(void **state)
{
	static const struct volume_watch watch = {.step = on_step, .commit = on_commit};
	static const unsigned steps[] = {4, 2,
					 2}; /* the reading, two MiB of zeroes, the commit */

	(void)state;
	for (unsigned kind = 0; kind < ARRAY_SIZE(steps); kind++) {
		for (unsigned stop = 1; stop <= steps[kind] + 1; stop++) {
			int err;

			unplug(NULL);
			plug_in(NULL);
			job.watch = &watch;
			memset(&waiting, 0, sizeof(waiting));
			waiting.stop_at = stop;
			err = kind == 0	  ? create("vg0/new", 13 * MIB, 1)
			      : kind == 1 ? resize("vg0/web", 9 * MIB, false)
					  : lvm_remove(&job, "vg0/web", why);
			if (stop > steps[kind]) {
				assert_int_equal(err, 0);
				assert_int_equal(waiting.asked, steps[kind]);
				assert_int_equal(waiting.commits, 1);
				break;
			}
			assert_int_equal(err, -ECANCELED);
			says("is as it was");
			assert_int_equal(waiting.asked, stop);
			job.watch = NULL;
			assert_string_equal(shape("new"), "");
			assert_int_equal(resize("vg0/web", 5 * MIB, true), -EALREADY);
		}
	}
}

/* Progress is of what is zeroed: never more than there is. */
static void zeroing_is_counted(void **state)
{
	static const struct volume_watch watch = {.step = on_step, .commit = on_commit};
	static const struct {
		uint64_t bytes, total, last;
	} cases[] = {{MIB, MIB, 0}, {2 * MIB, 2 * MIB, MIB}, {13 * MIB, 2 * MIB, MIB}};

	(void)state;
	job.watch = &watch;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		memset(&waiting, 0, sizeof(waiting));
		waiting.stop_at = 1 + 1 + (unsigned)(cases[i].last / MIB);
		assert_int_equal(create("vg0/new", cases[i].bytes, 1), -ECANCELED);
		assert_string_equal(waiting.last, "zeroing its ends");
		assert_int_equal(waiting.done, cases[i].last);
		assert_int_equal(waiting.total, cases[i].total);
	}
}

static void new_volume_has_zeroes_at_its_ends(void **state)
{
	(void)state;
	memset(a.bytes + 6 * MIB, 0xaa, 13 * MIB); /* pv0's free extents */
	assert_int_equal(create("vg0/new", 13 * MIB, 1), 0);
	assert_string_equal(shape("new"), "13: pv0 5+13");
	for (uint64_t i = 0; i < 13 * MIB; i++)
		assert_int_equal(a.bytes[6 * MIB + i], i < MIB || i >= 12 * MIB ? 0 : 0xaa);
}

/* Areas are written where no text is that counts, round after round. */
/* Each end once, and nothing in between or beside it: by what is written in all, beside the
 * metadata, which is as long for all sizes. */
static void as_much_is_zeroed_as_the_ends_are_long(void **state)
{
	static const struct {
		uint64_t size, zeroed;
	} cases[] = {
		{512 * KIB, 512 * KIB}, {1 * MIB, 1 * MIB},	{3 * MIB / 2, 3 * MIB / 2},
		{2 * MIB, 2 * MIB},	{5 * MIB / 2, 2 * MIB}, {3 * MIB, 2 * MIB},
	};
	uint64_t metadata = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lvm_new new = {.name = "new", .stripes = 1, .bytes = cases[i].size};
		uint64_t written;

		unplug(state);
		plug_in(state);
		put_everywhere(lvm_image_edited("extent_size = 2048", "extent_size = 1024"));
		a.written = b.written = 0;
		assert_int_equal(lvm_create(&job, "vg0/new", &new, &bytes, why), 0);
		written = a.written + b.written;
		if (!i)
			metadata = written - cases[i].zeroed;
		assert_int_equal(written, metadata + cases[i].zeroed);
	}
}

static void text_goes_round(void **state)
{
	char path[16];

	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		snprintf(path, sizeof(path), "vg0/v%u", i % 7);
		if (i % 14 < 7)
			assert_int_equal(create(path, MIB, 1), 0);
		else
			assert_int_equal(lvm_remove(&job, path, why), 0);
		assert_int_equal(seqno(), 5 + i);
		assert_true(a.flushed && b.flushed);
	}
}

static void text_that_does_not_fit_changes_nothing(void **state)
{
	const size_t most = (LVM_IMAGE_AREA_BYTES - 512) / 2 - 512;
	const char *at = strstr(lvm_image_text, "max_lv");
	char *text = malloc(most + 1), *to = text + (at - lvm_image_text);
	size_t filler = most - strlen(lvm_image_text) - 40;

	(void)state;
	memcpy(text, lvm_image_text, (size_t)(to - text));
	to += sprintf(to, "tags = [\"");
	memset(to, 'x', filler);
	sprintf(to + filler, "\"]\n%s", at);
	put_everywhere(text);
	assert_int_equal(create("vg0/new", MIB, 1), -ENOSPC);
	says("bytes of metadata, more than a has room for");
	assert_string_equal(shape("new"), "");
	assert_int_equal(resize("vg0/x", 2 * MIB, false), 0); /* that takes no more text */
	free(text);
}

/* What the volume is, if the change failed and if it did not. */
static void fail_everywhere(int (*change)(void), const char *name, const char *old,
			    const char *new)
{
	for (int on_b = 0; on_b < 2; on_b++) {
		for (unsigned long at = 1; at < 40; at++) {
			struct lvm_image *image = on_b ? &b : &a;
			bool never_failed;
			int error;

			unplug(NULL);
			plug_in(NULL);
			image->fail_at = at;
			why[0] = '\0';
			error = change();
			never_failed = image->calls < at;
			assert_int_equal(!error, never_failed);
			if (!error || strstr(why, "is changed, but"))
				assert_string_equal(shape(name), new);
			else
				assert_string_equal(shape(name), old);
			if (never_failed)
				break;
			image->fail_at = 0; /* and it works again once the disk does */
			if (!strstr(why, "is changed, but"))
				assert_int_equal(change(), 0);
			assert_string_equal(shape(name), new);
		}
	}
}

static int create_new(void)
{
	return create("vg0/new", 3 * MIB, 1);
}

static int grow_web(void)
{
	return resize("vg0/web", 6 * MIB, false);
}

static int remove_web(void)
{
	return lvm_remove(&job, "vg0/web", why);
}

static void disks_may_fail_at_any_write(void **state)
{
	static const char web[] = "5: pv0 0+2, pv1 4+3";

	(void)state;
	fail_everywhere(create_new, "new", "", "3: pv0 5+3");
	fail_everywhere(grow_web, "web", web, "6: pv0 0+2, pv1 4+4");
	fail_everywhere(remove_web, "web", web, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, plug_in, unplug)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(new_volumes_take_the_smallest_hole),
		TEST(stripes_go_to_different_disks),
		TEST(growing_goes_on_behind_if_it_can),
		TEST(shrinking_needs_a_word),
		TEST(removing_frees_and_the_last_one_too),
		TEST(policies_and_limits_are_kept),
		TEST(names_are_those_of_lvm2),
		TEST(what_is_not_allowed_is_not_written),
		TEST(a_change_is_stopped_between_its_steps),
		TEST(zeroing_is_counted),
		TEST(new_volume_has_zeroes_at_its_ends),
		TEST(as_much_is_zeroed_as_the_ends_are_long),
		TEST(text_goes_round),
		TEST(text_that_does_not_fit_changes_nothing),
		TEST(disks_may_fail_at_any_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

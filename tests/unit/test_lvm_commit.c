/*
 * How a change of a group is written: it can be stopped between its steps, new volumes have
 * zeroes at their ends, the text goes round its area, and a disk that fails at any write leaves
 * the old group or the new one.
 */
/* links: drivers/volume/lvm/text.c drivers/volume/lvm/print.c drivers/volume/lvm/disk.c */
/* links: drivers/volume/lvm/label.c drivers/volume/lvm/vg.c drivers/volume/lvm/segment.c */
/* links: drivers/volume/lvm/scan.c drivers/volume/lvm/choose.c drivers/volume/lvm/map.c */
/* links: drivers/volume/lvm/alloc.c drivers/volume/lvm/change.c drivers/volume/lvm/finish.c */
/* links: drivers/volume/lvm/name.c drivers/volume/lvm/commit.c drivers/volume/lvm/lvm.c */
/* links: kernel/lib/size.c kernel/lib/crc32.c tests/unit/lvm_image.c kernel/lib/sort.c */
/* links: tests/unit/fake_turns.c */
#include "tests/unit/lvm_group.h"

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

/* Areas are written where no text is that counts, round after round. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
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

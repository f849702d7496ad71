/*
 * Changes of a group, from the command to what is on the disks: where extents come from, and
 * what is refused. How a change is written is test_lvm_commit's.
 */
/* links: drivers/volume/lvm/text.c drivers/volume/lvm/print.c drivers/volume/lvm/disk.c */
/* links: drivers/volume/lvm/label.c drivers/volume/lvm/vg.c drivers/volume/lvm/segment.c */
/* links: drivers/volume/lvm/scan.c drivers/volume/lvm/choose.c drivers/volume/lvm/map.c */
/* links: drivers/volume/lvm/alloc.c drivers/volume/lvm/change.c drivers/volume/lvm/finish.c */
/* links: drivers/volume/lvm/name.c drivers/volume/lvm/commit.c drivers/volume/lvm/lvm.c */
/* links: kernel/lib/size.c kernel/lib/crc32.c tests/unit/lvm_image.c kernel/lib/sort.c */
/* links: tests/unit/fake_turns.c */
#include "tests/unit/lvm_group.h"

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

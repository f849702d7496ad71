/*
 * Which disks are looked through for volumes, and how often: not what guests have or are to
 * have, once in a check or for a list; and what is told of all that was found.
 */
/* links: drivers/volume/lvm/text.c drivers/volume/lvm/print.c drivers/volume/lvm/disk.c */
/* links: drivers/volume/lvm/label.c drivers/volume/lvm/vg.c drivers/volume/lvm/segment.c */
/* links: drivers/volume/lvm/scan.c drivers/volume/lvm/choose.c drivers/volume/lvm/map.c */
/* links: drivers/volume/lvm/alloc.c drivers/volume/lvm/change.c drivers/volume/lvm/finish.c */
/* links: drivers/volume/lvm/name.c drivers/volume/lvm/commit.c drivers/volume/lvm/lvm.c */
/* links: drivers/volume/lvm/members.c drivers/volume/lvm/picture.c */
/* links: drivers/volume/lvm/source.c drivers/volume/lvm/volume.c */
/* links: drivers/volume/lvm/manage.c drivers/volume/lvm/holds.c drivers/volume/split.c */
/* links: drivers/volume/split_cut.c drivers/volume/split_worker.c */
/* links: drivers/volume/partition.c drivers/volume/gpt.c drivers/volume/mbr.c */
/* links: drivers/volume/piece.c drivers/volume/why.c kernel/io/extents.c */
/* links: kernel/io/storage.c kernel/io/storage_claims.c kernel/io/storage_check.c */
/* links: drivers/volume/names.c kernel/lib/size.c kernel/lib/crc32.c kernel/lib/sort.c */
/* links: tests/unit/fake_blkdev.c tests/unit/lvm_image.c */
#include "tests/unit/lvm_house.h"

static void what_a_guest_has_is_not_searched(void **state)
{
	struct blkdev *disk = open_as("disk:b", false, "other"), *dev;
	uint64_t bytes = MIB;

	(void)state;
	assert_int_equal(storage_open("lvm:vg0/web", STORAGE_READ_ONLY, "g", &dev, why),
			 -EINVAL);
	says("lacks the physical volume pv1");
	says("not looked at, as guests have them: b");
	assert_int_equal(lvm_provider.create("vg0/new", &bytes, 1, NULL, why), -EINVAL);
	says("not looked at, as guests have them: b");
	storage_close(disk, "other");
	dev = open_as("lvm:vg0/web", true, "g");
	assert_int_equal(storage_open("disk:b", STORAGE_READ_ONLY, "other", &disk, why), 0);
	storage_close(disk, "other");
	storage_close(dev, "g");
}

static void what_a_document_gives_away_is_not_searched(void **state)
{
	struct storage_use uses[] = {{.source = "lvm:vg0/web", .owner = "g"},
				     {.source = "disk:a", .owner = "h"}};
	struct blkdev *dev;

	(void)state;
	assert_int_equal(storage_check(uses, 2), 0);
	assert_int_equal(uses[1].error, 0);
	assert_int_equal(uses[0].error, -EINVAL);
	assert_int_equal(storage_open("lvm:vg0/web", STORAGE_READ_ONLY, "g", &dev, why),
			 -EINVAL);
}

/* A check looks through the disks once, for one volume or for all of them; the next check looks
 * anew, and so does whoever opens one. */
static void a_check_is_one_scan(void **state)
{
	struct storage_use uses[] = {{.source = "lvm:vg0/web", .owner = "a", .read_only = true},
				     {.source = "lvm:vg0/str", .owner = "a", .read_only = true},
				     {.source = "lvm:vg0/web", .owner = "b", .read_only = true},
				     {.source = "lvm:vg0/nothing", .owner = "b"}};
	unsigned before = a.submits, one, scans;
	struct blkdev *dev;

	(void)state;
	assert_int_equal(storage_check(uses, 1), 0);
	one = a.submits - before;
	assert_true(one > 0);
	before = a.submits;
	assert_int_equal(storage_check(uses, 4), 0);
	assert_int_equal(a.submits - before, one);
	assert_int_equal(uses[3].error, -ENOENT);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(uses[i].error, 0);
	assert_int_equal(allocated, 0);
	for (scans = 1; scans <= 2; scans++) {
		before = a.submits;
		dev = open_as("lvm:vg0/web", true, "g");
		assert_int_equal(a.submits - before, one);
		storage_close(dev, "g");
	}
	memset(b.data, 0, LVM_IMAGE_BYTES); /* unplugged */
	assert_int_equal(storage_check(uses, 1), 0);
	assert_int_equal(uses[0].error, -EINVAL);
}

/* A change while a document is checked: nobody opens a volume where it was before. */
static void a_check_sees_changes(void **state)
{
	uint64_t bytes = 4 * MIB;
	struct blkdev *dev;

	(void)state;
	lvm_scheme.begin_check();
	storage_close(open_as("lvm:vg0/web", true, "g"), "g");
	assert_int_equal(lvm_provider.remove("vg0/web", NULL, why), 0);
	assert_int_equal(storage_open("lvm:vg0/web", STORAGE_READ_ONLY, "g", &dev, why),
			 -ENOENT);
	assert_int_equal(lvm_provider.create("vg0/new", &bytes, 1, NULL, why), 0);
	storage_close(open_as("lvm:vg0/new", true, "g"), "g");
	lvm_scheme.end_check();
	assert_int_equal(allocated, 0);
}

/* What a check has found is its own, whether it looked before or comes to look behind. */
static void others_look_for_themselves(void **state)
{
	unsigned before = a.submits, one;

	(void)state;
	storage_close(open_as("lvm:vg0/web", true, "g"), "g");
	one = a.submits - before;
	lvm_scheme.begin_check();
	for (unsigned i = 0; i < 4; i++) {
		stranger = i % 2 == 0;
		before = a.submits;
		storage_close(open_as("lvm:vg0/web", true, "g"), "g");
		assert_int_equal(a.submits - before, i < 3 ? one : 0);
	}
	lvm_scheme.end_check();
	assert_int_equal(allocated, 0);
}

static void note_volume(void *arg, const struct storage_volume *volume)
{
	char *said = arg;

	strcat(said, volume->source);
	strcat(said, " ");
	strcat(said, volume->owner);
	strcat(said, "; ");
}

static void note_group(void *arg, const struct volume_group *group)
{
	*(struct volume_group *)arg = *group;
}

static void all_is_listed(void **state)
{
	struct blkdev *web = open_as("lvm:vg0/web", false, "g");
	struct volume_group group = {0};
	char said[512] = "";

	(void)state;
	storage_list(note_volume, said);
	assert_string_equal(said, "lvm:vg0/web g; lvm:vg0/str ; lvm:vg0/x ; ");
	lvm_provider.groups(note_group, &group);
	assert_string_equal(group.name, "vg0");
	assert_int_equal(group.bytes, 36 * MIB);
	assert_int_equal(group.free_bytes, 26 * MIB);
	assert_int_equal(group.disks, 2);
	assert_int_equal(group.volumes, 3);
	assert_string_equal(group.why, "");
	storage_close(web, "g");
}

/* However many volumes there are, the disks are looked through once. */
static void a_list_is_one_scan(void **state)
{
	struct volume_group group;
	char said[512] = "";
	unsigned before = a.submits, scan;

	(void)state;
	lvm_provider.groups(note_group, &group);
	scan = a.submits - before;
	before = a.submits;
	storage_list(note_volume, said);
	assert_int_equal(group.volumes, 3);
	assert_int_equal(a.submits - before, scan);
}

static void note_stray(void *arg, const struct volume_stray *stray)
{
	char *said = arg;

	sprintf(said + strlen(said), "%s (%s) %s; ", stray->disk, stray->group, stray->why);
}

static void damage_headers(void)
{
	a.data[LVM_IMAGE_AREA] ^= 1;
	a.data[LVM_IMAGE_BYTES - LVM_IMAGE_AREA_BYTES] ^= 1;
	b.data[LVM_IMAGE_AREA] ^= 1;
}

static void physical_volumes_that_are_in_no_group_are_told(void **state)
{
	struct volume_group group = {0};
	char said[512] = "";

	(void)state;
	lvm_provider.strays(note_stray, said);
	assert_string_equal(said, "");
	damage_headers();
	lvm_provider.strays(note_stray, said);
	assert_string_equal(
		said,
		"a () has a metadata area whose header is damaged: its checksum is wrong; "
		"b () has a metadata area whose header is damaged: its checksum is wrong; ");
	lvm_provider.groups(note_group, &group);
	assert_string_equal(group.name, "");
	assert_int_equal(
		storage_open("lvm:vg0/web", STORAGE_READ_ONLY, "g", &(struct blkdev *){0}, why),
		-ENOENT);
	says("this machine has none; a has a metadata area whose header is damaged");
}

static void a_disk_says_what_it_holds(void **state)
{
	(void)state;
	assert_int_equal(lvm_holds(&a.dev, 0, a.dev.bytes, why), 1);
	assert_string_equal(why, "is a physical volume of LVM2's, of the group vg0");
	assert_int_equal(lvm_holds(&b.dev, 0, b.dev.bytes, why), 1);
	assert_int_equal(lvm_holds(&b.dev, 4096, b.dev.bytes - 4096, why), 0);
	damage_headers();
	assert_int_equal(lvm_holds(&a.dev, 0, a.dev.bytes, why), 1);
	assert_string_equal(why,
			    "is a physical volume of LVM2's, and has a metadata area whose "
			    "header is damaged: its checksum is wrong");
	a.fail = -EIO;
	assert_int_equal(lvm_holds(&a.dev, 0, a.dev.bytes, why), -EIO);
	a.fail = 0;
	memset(a.data, 0, 4096);
	assert_int_equal(lvm_holds(&a.dev, 0, a.dev.bytes, why), 0);
	assert_int_equal(lvm_holds(&a.dev, 0, 512, why), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_a_guest_has_is_not_searched),
		TEST(what_a_document_gives_away_is_not_searched),
		TEST(a_check_is_one_scan),
		TEST(others_look_for_themselves),
		TEST(a_check_sees_changes),
		TEST(all_is_listed),
		TEST(a_list_is_one_scan),
		TEST(physical_volumes_that_are_in_no_group_are_told),
		TEST(a_disk_says_what_it_holds),
	};

	return cmocka_run_group_tests(tests, register_kinds, unplug);
}

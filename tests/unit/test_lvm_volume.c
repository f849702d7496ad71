/*
 * Logical volumes as block devices, and the actions on them, over disks in memory: what is
 * written to a volume lies where its map says; what is open is not changed; what a guest has is
 * not searched; and a change keeps guests away from the metadata meanwhile.
 */
/* links: drivers/volume/lvm/text.c drivers/volume/lvm/print.c */
/* links: drivers/volume/lvm/disk.c drivers/volume/lvm/label.c */
/* links: drivers/volume/lvm/vg.c drivers/volume/lvm/segment.c */
/* links: drivers/volume/lvm/scan.c drivers/volume/lvm/choose.c */
/* links: drivers/volume/lvm/map.c drivers/volume/lvm/alloc.c */
/* links: drivers/volume/lvm/change.c drivers/volume/lvm/finish.c */
/* links: drivers/volume/lvm/name.c drivers/volume/lvm/commit.c */
/* links: drivers/volume/lvm/lvm.c drivers/volume/lvm/members.c */
/* links: drivers/volume/lvm/picture.c drivers/volume/lvm/source.c */
/* links: drivers/volume/lvm/volume.c drivers/volume/lvm/manage.c drivers/volume/lvm/holds.c */
/* links: drivers/volume/split.c drivers/volume/split_cut.c */
/* links: drivers/volume/split_worker.c drivers/volume/partition.c */
/* links: drivers/volume/gpt.c drivers/volume/mbr.c drivers/volume/piece.c */
/* links: drivers/volume/why.c kernel/io/extents.c */
/* links: kernel/io/storage.c */
/* links: kernel/io/storage_claims.c kernel/io/storage_check.c */
/* links: drivers/volume/names.c kernel/lib/size.c kernel/lib/crc32.c */
/* links: kernel/lib/sort.c tests/unit/fake_blkdev.c tests/unit/lvm_image.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/lvm/manage.h"
#include "drivers/volume/sources.h"
#include "kernel/cpu/clock.h"
#include "kernel/cpu/random.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/sync.h"
#include "kernel/sched/thread.h"
#include "tests/unit/fake_blkdev.h"
#include "tests/unit/lvm_image.h"

static struct fake_disk a, b;
static unsigned allocated;
static const struct mutex *holds[2]; /* a document's check, and in it the volumes */
static unsigned held;
static char why[STORAGE_WHY_BYTES];

/* ---- what the code stands on ------------------------------------------------------------- */

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	allocated++;
	return calloc(1, bytes);
}

void heap_free(void *p)
{
	allocated -= p != NULL;
	free(p);
}

struct thread *thread_create(const struct thread_params *params)
{
	(void)params;
	return (struct thread *)&a;
}

void thread_block(void)
{
}

void thread_wake(struct thread *t)
{
	(void)t;
}

void thread_yield(void)
{
}

void mutex_lock(struct mutex *m)
{
	assert_true(held < ARRAY_SIZE(holds) && (!held || holds[0] != m));
	holds[held++] = m;
}

void mutex_unlock(struct mutex *m)
{
	assert_ptr_equal(holds[--held], m);
}

static bool stranger; /* another thread than the one that checks */

bool mutex_held(struct mutex *m)
{
	(void)m;
	return !stranger;
}

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	(void)level;
	(void)area;
	(void)fmt;
}

uint64_t clock_wall_ns(void)
{
	return 1800000000 * NSEC_PER_SEC;
}

int random_bytes(void *buf, size_t bytes)
{
	static uint8_t next;

	for (uint8_t *at = buf; bytes--; at++)
		*at = next++;
	return 0;
}

/* A whole disk by its name. */
static int open_disk(const char *text, struct blkdev **dev, char reason[STORAGE_WHY_BYTES])
{
	(void)reason;
	*dev = strcmp(text, "a") == 0 ? &a.dev : &b.dev;
	return 0;
}

static int parse_disk(const char *text, char reason[STORAGE_WHY_BYTES])
{
	(void)text;
	(void)reason;
	return 0;
}

static const struct storage_scheme fake_disk_scheme = {
	.scheme = "disk", .open = open_disk, .parse = parse_disk};

static void fill(struct fake_disk *disk, const char *name, const char *id, unsigned areas,
		 uint32_t block_bytes)
{
	struct lvm_image image;
	lvm_image_init(&image, name, id, areas, block_bytes);
	lvm_image_put(&image, 0, 512, lvm_image_text);
	if (areas > 1)
		lvm_image_put(&image, 1, 512, lvm_image_text);
	if (!disk->data) {
		fake_disk_init(disk, name, LVM_IMAGE_BYTES, block_bytes);
		blkdev_register(&disk->dev);
	}
	memcpy(disk->data, image.bytes, LVM_IMAGE_BYTES);
	lvm_image_free(&image);
}

static int plug_in(void **state)
{
	(void)state;
	fill(&a, "a", lvm_image_pv0, 2, 512);
	fill(&b, "b", lvm_image_pv1, 1, 4096);
	return 0;
}

static int check_all_is_closed(void **state)
{
	(void)state;
	assert_int_equal(storage_check(NULL, 0), 0); /* nothing is given away any more */
	return allocated != 0 || held;
}

static int register_kinds(void **state)
{
	(void)state;
	storage_register(&fake_disk_scheme);
	storage_register(&lvm_scheme);
	lvm_manage_start("node1");
	return 0;
}

static int unplug(void **state)
{
	(void)state;
	free(a.data);
	free(b.data);
	return 0;
}

static struct blkdev *open_as(const char *source, bool read_only, const char *owner)
{
	struct blkdev *dev;

	if (storage_open(source, read_only, owner, &dev, why))
		fail_msg("%s %s", source, why);
	return dev;
}

static void says(const char *expected)
{
	if (!strstr(why, expected))
		fail_msg("\"%s\" and not \"%s\"", why, expected);
}

/* ---- tests --------------------------------------------------------------------------------
 */

static void write_all(struct blkdev *dev, uint8_t *data)
{
	for (uint64_t at = 0; at < dev->bytes; at += 512 * KIB) {
		struct io_segment segment = {.virt = data + at, .bytes = 512 * KIB};

		assert_int_equal(fake_request(dev, BLK_WRITE, at, 512 * KIB, &segment, 1), 0);
	}
}

/* The text: web is pv0 0-1 and pv1 4-6, str pv0 2-3 and pv1 0-1 in stripes of 64 KiB; extents
 * of 1 MiB begin at 1 MiB. */
static void bytes_are_where_the_map_says(void **state)
{
	struct blkdev *web = open_as("lvm:vg0/web", false, "g"), *str;
	uint8_t *data = malloc(5 * MIB);

	(void)state;
	assert_int_equal(web->bytes, 5 * MIB);
	assert_int_equal(web->block_bytes, 4096); /* the larger of both disks */
	assert_string_equal(web->name, "vg0/web");
	for (size_t i = 0; i < 5 * MIB; i++)
		data[i] = (uint8_t)(i * 7 + i / 4096);
	write_all(web, data);
	assert_memory_equal(a.data + 1 * MIB, data, 2 * MIB);
	assert_memory_equal(b.data + 5 * MIB, data + 2 * MIB, 3 * MIB);

	str = open_as("lvm:vg0/str", false, "g");
	write_all(str, data);
	for (unsigned i = 0; i < 4 * MIB / (64 * KIB); i++)
		assert_memory_equal((i % 2 ? b.data + 1 * MIB : a.data + 3 * MIB) +
					    i / 2 * 64 * KIB,
				    data + i * 64 * KIB, 64 * KIB);
	storage_close(web, "g");
	storage_close(str, "g");
	free(data);
}

static void what_is_open_is_not_changed(void **state)
{
	struct blkdev *web = open_as("lvm:vg0/web", true, "reader");
	uint64_t bytes = 9 * MIB;

	(void)state;
	assert_int_equal(lvm_provider.remove("vg0/web", NULL, why), -EBUSY);
	says("is in use by 'reader'");
	assert_int_equal(lvm_provider.resize("vg0/web", &bytes, false, NULL, why), -EBUSY);
	bytes = 4 * MIB;
	assert_int_equal(lvm_provider.resize("vg0/str", &bytes, false, NULL, why), -EALREADY);
	bytes = 6 * MIB;
	assert_int_equal(lvm_provider.resize("vg0/str", &bytes, false, NULL, why), 0);
	storage_close(web, "reader");
	assert_int_equal(lvm_provider.remove("vg0/web", NULL, why), 0);
	assert_int_equal(lvm_provider.remove("vg0/web", NULL, why), -ENOENT);
}

static void volumes_are_made_and_opened(void **state)
{
	uint64_t bytes = 3 * MIB - 1, offset;
	struct blkdev *dev;

	(void)state;
	assert_int_equal(lvm_provider.create("vg0/new", &bytes, 2, NULL, why), 0);
	assert_int_equal(bytes, 4 * MIB);
	dev = open_as("lvm:vg0/new", false, "g");
	assert_int_equal(dev->bytes, 4 * MIB);
	storage_close(dev, "g");
	memcpy(&offset, a.data + LVM_IMAGE_AREA + 40,
	       sizeof(offset)); /* of the text that counts */
	assert_non_null(
		strstr((char *)a.data + LVM_IMAGE_AREA + offset, "creation_host = \"node1\""));
}

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

/* The disk is claimed by a change while it is written. */
static void a_volume_and_its_disk_exclude_each_other(void **state)
{
	struct blkdev *web = open_as("lvm:vg0/web", false, "g"), *dev;

	(void)state;
	assert_int_equal(storage_open("disk:a", STORAGE_WRITE, "other", &dev, why), -EBUSY);
	says("guest 'g' has 2 MiB of a, as 'lvm:vg0/web'");
	assert_int_equal(storage_open("lvm:vg0/web", STORAGE_WRITE, "other", &dev, why),
			 -EBUSY);
	dev = open_as("lvm:vg0/str", false, "other"); /* another volume of the same disks */
	storage_close(dev, "other");
	storage_close(web, "g");
}

static void read_only_volumes_can_only_be_read(void **state)
{
	struct lvm_image image = {.bytes = a.data, .areas = 2};
	const char *from = "\"READ\", \"WRITE\", \"VISIBLE\"";
	char *text = strdup(lvm_image_text), *at = strstr(text, from);
	struct blkdev *dev;

	(void)state;
	memcpy(at, "\"READ\",          \"VISIBLE\"", strlen(from));
	lvm_image_put(&image, 0, 512, text);
	lvm_image_put(&image, 1, 512, text);
	image = (struct lvm_image){.bytes = b.data, .areas = 1};
	lvm_image_put(&image, 0, 512, text);
	assert_int_equal(storage_open("lvm:vg0/web", STORAGE_WRITE, "g", &dev, why), -EROFS);
	dev = open_as("lvm:vg0/web", true, "g");
	assert_true(dev->read_only);
	storage_close(dev, "g");
	free(text);
}

static void extents_must_be_whole_blocks(void **state)
{
	struct lvm_image image = {.bytes = a.data, .areas = 2};
	char *text = strdup(lvm_image_text);
	struct blkdev *dev;

	(void)state;
	memcpy(strstr(strstr(text, "pv1 {"), "pe_start = 2048"), "pe_start = 2049", 15);
	memcpy(strstr(strstr(text, "pv1 {"), "pe_count = 18"), "pe_count = 17", 13);
	lvm_image_put(&image, 0, 512, text);
	lvm_image_put(&image, 1, 512, text);
	image = (struct lvm_image){.bytes = b.data, .areas = 1};
	lvm_image_put(&image, 0, 512, text);
	assert_int_equal(storage_open("lvm:vg0/web", STORAGE_WRITE, "g", &dev, why), -EINVAL);
	says("whose blocks are larger than its extents");
	dev = open_as("lvm:vg0/x", false, "g"); /* on the other disk alone */
	storage_close(dev, "g");
	free(text);
}

static void sources_have_a_form(void **state)
{
	static const char *const bad[] = {"lvm:", "lvm:web", "lvm:/web", "lvm:vg0/",
					  "lvm:vg0/a/b"};

	(void)state;
	assert_int_equal(storage_parse("lvm:vg0/web", why), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(storage_parse(bad[i], why), -EINVAL);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, plug_in, check_all_is_closed)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bytes_are_where_the_map_says),
		TEST(what_is_open_is_not_changed),
		TEST(volumes_are_made_and_opened),
		TEST(what_a_guest_has_is_not_searched),
		TEST(what_a_document_gives_away_is_not_searched),
		TEST(a_check_is_one_scan),
		TEST(others_look_for_themselves),
		TEST(a_check_sees_changes),
		TEST(a_volume_and_its_disk_exclude_each_other),
		TEST(read_only_volumes_can_only_be_read),
		TEST(extents_must_be_whole_blocks),
		TEST(sources_have_a_form),
		TEST(all_is_listed),
		TEST(a_list_is_one_scan),
		TEST(physical_volumes_that_are_in_no_group_are_told),
		TEST(a_disk_says_what_it_holds),
	};

	return cmocka_run_group_tests(tests, register_kinds, unplug);
}

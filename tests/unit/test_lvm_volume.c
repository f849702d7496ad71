/*
 * Logical volumes as block devices, and the actions on them, over disks in memory: what is
 * written to a volume lies where its map says, what is open is not changed, and what can't be
 * had as it was asked for is refused.
 */
/* links: drivers/volume/lvm/text.c drivers/volume/lvm/print.c drivers/volume/lvm/disk.c */
/* links: drivers/volume/lvm/label.c drivers/volume/lvm/vg.c drivers/volume/lvm/segment.c */
/* links: drivers/volume/lvm/scan.c drivers/volume/lvm/choose.c drivers/volume/lvm/map.c */
/* links: drivers/volume/lvm/alloc.c drivers/volume/lvm/change.c drivers/volume/lvm/finish.c */
/* links: drivers/volume/lvm/name.c drivers/volume/lvm/commit.c drivers/volume/lvm/lvm.c */
/* links: drivers/volume/lvm/members.c drivers/volume/lvm/picture.c */
/* links: drivers/volume/lvm/source.c drivers/volume/lvm/volume.c */
/* links: drivers/volume/lvm/manage.c drivers/volume/split.c drivers/volume/split_cut.c */
/* links: drivers/volume/split_worker.c drivers/volume/partition.c drivers/volume/gpt.c */
/* links: drivers/volume/mbr.c drivers/volume/piece.c drivers/volume/why.c */
/* links: kernel/io/extents.c kernel/io/storage.c kernel/io/storage_claims.c */
/* links: kernel/io/storage_check.c drivers/volume/names.c kernel/lib/size.c */
/* links: kernel/lib/crc32.c kernel/lib/sort.c tests/unit/fake_blkdev.c */
/* links: tests/unit/lvm_image.c */
#include "tests/unit/lvm_house.h"

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

/* But two volumes of the same disks do not. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bytes_are_where_the_map_says),
		TEST(what_is_open_is_not_changed),
		TEST(volumes_are_made_and_opened),
		TEST(a_volume_and_its_disk_exclude_each_other),
		TEST(read_only_volumes_can_only_be_read),
		TEST(extents_must_be_whole_blocks),
		TEST(sources_have_a_form),
	};

	return cmocka_run_group_tests(tests, register_kinds, unplug);
}

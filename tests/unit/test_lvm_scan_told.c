/*
 * What is said of physical volumes whose group can't be read, or is none: which group, as far
 * as that is known, and what is wrong.
 */
/* links: drivers/volume/lvm/text.c drivers/volume/lvm/print.c */
/* links: drivers/volume/lvm/disk.c drivers/volume/lvm/label.c */
/* links: drivers/volume/lvm/vg.c drivers/volume/lvm/segment.c */
/* links: drivers/volume/lvm/scan.c drivers/volume/lvm/choose.c kernel/lib/crc32.c */
/* links: tests/unit/lvm_image.c kernel/lib/sort.c tests/unit/fake_turns.c */
#include "tests/unit/lvm_two_disks.h"

/* ---- physical volumes of no group that is known ------------------------------------------ */

/* What is said of disk a, alone; its group is as `group` says it. */
static void says_of_a(const char *group, const char *expected)
{
	struct lvm_vg *vg;

	assert_null(scan(1));
	assert_int_equal(m.scan.label_count, 1);
	assert_null(m.scan.labels[0].vg);
	says(m.scan.labels[0].why, expected);
	assert_string_equal(m.scan.labels[0].group, group);
	says(m.scan.problem, expected);
	assert_int_equal(lvm_scan_group(&m.scan, "vg0", &vg, m.why), -ENOENT);
	says(m.why, *group ? "is in a volume group that can't be read: a "
			   : "names no volume group; this machine has none; a ");
	says(m.why, expected);
}

static void damaged_headers_are_told(void **state)
{
	(void)state;
	m.a.bytes[LVM_IMAGE_AREA + 500] ^= 1;
	m.a.bytes[LVM_IMAGE_BYTES - LVM_IMAGE_AREA_BYTES + 500] ^= 1;
	says_of_a("", "has a metadata area whose header is damaged: its checksum is wrong");
	lvm_image_mend(&m.a);
	for (unsigned i = 0; i < 2; i++)
		m.a.bytes[i ? LVM_IMAGE_BYTES - LVM_IMAGE_AREA_BYTES + 24
			    : LVM_IMAGE_AREA + 24] ^= 1;
	lvm_image_mend(&m.a);
	says_of_a("", "has a metadata area whose header does not belong there");
}

static void areas_that_are_off_the_disk_are_told(void **state)
{
	const uint64_t off = LVM_IMAGE_BYTES;

	(void)state;
	lvm_image_free(&m.a);
	lvm_image_init(&m.a, "a", lvm_image_pv0, 1, 512);
	memcpy(m.a.bytes + 512 + 104, &off, sizeof(off));
	lvm_image_mend(&m.a);
	says_of_a("", "has a metadata area that does not lie on it");
}

static void damaged_texts_are_told(void **state)
{
	(void)state;
	m.a.bytes[LVM_IMAGE_AREA + 600] ^= 1;
	m.a.bytes[LVM_IMAGE_BYTES - LVM_IMAGE_AREA_BYTES + 600] ^= 1;
	says_of_a("", "has a metadata area whose text is damaged: its checksum is wrong");
}

static void disks_in_no_group_are_told(void **state)
{
	(void)state;
	lvm_image_free(&m.a);
	lvm_image_init(&m.a, "a", lvm_image_pv0, 2, 512);
	says_of_a("", "is a physical volume in no group");
	lvm_image_free(&m.a);
	lvm_image_init(&m.a, "a", lvm_image_pv0, 0, 512);
	says_of_a("", "is a physical volume without metadata of its own");
}

static void ignored_areas_are_told_where_they_are_all_there_is(void **state)
{
	(void)state;
	m.a.bytes[LVM_IMAGE_AREA + 40 + 20] |= LVM_RAW_IGNORED;
	m.a.bytes[LVM_IMAGE_BYTES - LVM_IMAGE_AREA_BYTES + 40 + 20] |= LVM_RAW_IGNORED;
	lvm_image_mend(&m.a);
	says_of_a("", "is a physical volume whose metadata is marked as ignored");
	assert_string_equal(scan(2)->why, ""); /* the other disk has the group's metadata */
	assert_string_equal(m.scan.labels[0].why, "");
}

static void texts_that_mean_nothing_are_told(void **state)
{
	const char *text = lvm_image_edited("\"VISIBLE\"", "\"NEWFLAG\"");

	(void)state;
	lvm_image_put(&m.a, 0, 512, text);
	lvm_image_put(&m.a, 1, 512, text);
	says_of_a("vg0", "has web with the status NEWFLAG, which Bulkhead does not know");
}

/* With one area of 16 MiB, whose text is said to have so many bytes. */
static void put_length(uint64_t bytes)
{
	const uint64_t area = 16 * MIB, offset = 512;
	char *text = calloc(1, bytes);
	uint32_t crc;

	memset(text, ' ', bytes);
	memcpy(text, lvm_image_text, strlen(lvm_image_text));
	crc = lvm_crc(text, bytes);
	lvm_image_free(&m.a);
	lvm_image_init(&m.a, "a", lvm_image_pv0, 1, 512);
	memcpy(m.a.bytes + 512 + 112, &area, sizeof(area));
	memcpy(m.a.bytes + LVM_IMAGE_AREA + 32, &area, sizeof(area));
	memcpy(m.a.bytes + LVM_IMAGE_AREA + 40, &offset, sizeof(offset));
	memcpy(m.a.bytes + LVM_IMAGE_AREA + 48, &bytes, sizeof(bytes));
	memcpy(m.a.bytes + LVM_IMAGE_AREA + 56, &crc, sizeof(crc));
	memcpy(m.a.bytes + LVM_IMAGE_AREA + 512, text, bytes);
	lvm_image_mend(&m.a);
	free(text);
}

static void texts_that_are_too_long_are_told(void **state)
{
	(void)state;
	put_length(LVM_TEXT_BYTES_MAX);
	assert_non_null(scan(1));
	assert_int_equal(m.scan.labels[0].areas[0].state, LVM_AREA_GOOD);
	put_length(LVM_TEXT_BYTES_MAX + 1);
	says_of_a("vg0", "has 2097153 bytes of metadata text; Bulkhead takes 2097152 at most");
}

/* What can't be read may be newer than what can: then nobody knows where volumes are. */
static void a_group_that_is_read_in_part_is_not_served(void **state)
{
	(void)state;
	lvm_image_put(&m.a, 0, 512, lvm_image_edited("\"VISIBLE\"", "\"NEWFLAG\""));
	says(scan(2)->why, "can't be read: a has web with the status NEWFLAG");
}

static void disks_that_were_taken_out_say_so(void **state)
{
	char *text = strdup(lvm_image_edited("seqno = 4", "seqno = 5"));

	(void)state;
	memcpy(strstr(text, "mdHXr4-"), "cccccc-", 7);
	lvm_image_put(&m.a, 0, 512, text);
	lvm_image_put(&m.a, 1, 512, text);
	scan(2);
	assert_string_equal(m.scan.labels[1].why,
			    "was taken out of its group, by newer metadata elsewhere");
	free(text);
}

/* The reason is told beside other groups too. */
static void problems_are_told_beside_good_groups(void **state)
{
	struct lvm_image other;
	struct lvm_vg *vg;

	(void)state;
	lvm_image_init(&other, "c", "cccccc-3bp5-JaEN-UWnL-e7KN-AqUx-2T2yQm", 1, 512);
	other.bytes[LVM_IMAGE_AREA] ^= 1;
	m.disks[2] = &other.disk;
	assert_string_equal(scan(3)->why, "");
	assert_int_equal(lvm_scan_group(&m.scan, "vg1", &vg, m.why), -ENOENT);
	assert_string_equal(m.why,
			    "names no volume group; this machine has vg0; c has a "
			    "metadata area whose header is damaged: its checksum is wrong");
	lvm_image_free(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(damaged_headers_are_told),
		TEST(areas_that_are_off_the_disk_are_told),
		TEST(damaged_texts_are_told),
		TEST(disks_in_no_group_are_told),
		TEST(ignored_areas_are_told_where_they_are_all_there_is),
		TEST(texts_that_mean_nothing_are_told),
		TEST(texts_that_are_too_long_are_told),
		TEST(a_group_that_is_read_in_part_is_not_served),
		TEST(disks_that_were_taken_out_say_so),
		TEST(problems_are_told_beside_good_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * What is found on disks: labels in each of their places, areas that wrap around, the newest of
 * several states; and what is ambiguous, missing, damaged or new is not served, or not changed.
 */
/* links: drivers/volume/lvm/text.c drivers/volume/lvm/print.c */
/* links: drivers/volume/lvm/disk.c drivers/volume/lvm/label.c */
/* links: drivers/volume/lvm/vg.c drivers/volume/lvm/segment.c */
/* links: drivers/volume/lvm/scan.c drivers/volume/lvm/choose.c kernel/lib/crc32.c */
/* links: tests/unit/lvm_image.c kernel/lib/sort.c tests/unit/fake_turns.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/lvm/scan.h"
#include "tests/unit/lvm_image.h"

struct machine {
	struct lvm_image a, b;
	struct lvm_disk *disks[3];
	struct lvm_scan scan;
	char why[LVM_WHY_BYTES];
};

static struct machine m;

/* Both disks of vg0; the first has two areas. */
static int plug_in(void **state)
{
	(void)state;
	lvm_image_init(&m.a, "a", lvm_image_pv0, 2, 512);
	lvm_image_init(&m.b, "b", lvm_image_pv1, 1, 4096);
	lvm_image_put(&m.a, 0, 512, lvm_image_text);
	lvm_image_put(&m.a, 1, 512, lvm_image_text);
	lvm_image_put(&m.b, 0, 512, lvm_image_text);
	m.disks[0] = &m.a.disk;
	m.disks[1] = &m.b.disk;
	return 0;
}

static int unplug(void **state)
{
	(void)state;
	lvm_scan_free(&m.scan);
	lvm_image_free(&m.a);
	lvm_image_free(&m.b);
	return 0;
}

static struct lvm_vg *scan(unsigned disks)
{
	lvm_scan_free(&m.scan);
	assert_int_equal(lvm_scan(m.disks, disks, &m.scan), 0);
	return m.scan.vgs;
}

static void says(const char *said, const char *expected)
{
	if (!strstr(said, expected))
		fail_msg("\"%s\" and not \"%s\"", said, expected);
}

static void finds_a_whole_group(void **state)
{
	struct lvm_vg *vg = scan(2), *found;
	struct lvm_lv *lv;

	(void)state;
	assert_non_null(vg);
	assert_null(vg->next);
	assert_string_equal(vg->why, "");
	assert_string_equal(vg->keep_why, "");
	assert_ptr_equal(vg->pvs[0].label->disk, &m.a.disk);
	assert_ptr_equal(vg->pvs[1].label->disk, &m.b.disk);
	assert_int_equal(lvm_scan_volume(&m.scan, "vg0/web", &found, &lv, m.why), 0);
	assert_string_equal(lv->name, "web");
	assert_int_equal(lvm_scan_volume(&m.scan, "vg0/wab", &found, &lv, m.why), -ENOENT);
	says(m.why, "names no volume of the volume group vg0");
	assert_int_equal(lvm_scan_volume(&m.scan, "vg1/web", &found, &lv, m.why), -ENOENT);
	says(m.why, "this machine has vg0");
	assert_int_equal(lvm_scan_volume(&m.scan, "vg0", &found, &lv, m.why), -EINVAL);
	assert_int_equal(lvm_scan_volume(&m.scan, "/web", &found, &lv, m.why), -EINVAL);
}

static void label_may_be_in_each_of_four_sectors(void **state)
{
	struct lvm_label label;

	(void)state;
	for (unsigned sector = 0; sector < 5; sector++) {
		uint8_t *old = m.a.bytes + 512, *new = m.a.bytes + 512 * sector;
		uint8_t saved[512];
		uint32_t crc;

		memcpy(saved, old, 512);
		memset(old, 0, 512);
		memcpy(new, saved, 512);
		new[8] = (uint8_t)sector;
		crc = lvm_crc(new + 20, 492);
		memcpy(new + 16, &crc, sizeof(crc));
		assert_int_equal(lvm_label_read(&m.a.disk, &label), sector < 4 ? 0 : -ENOENT);
		memset(new, 0, 512);
		memcpy(old, saved, 512);
	}
}

/* Any bit of the label or of the area's header that is wrong is noticed. */
static void damaged_bytes_are_noticed(void **state)
{
	struct lvm_label label;

	(void)state;
	for (unsigned i = 0; i < 512; i++) {
		m.a.bytes[512 + i] ^= 4;
		assert_int_equal(lvm_label_read(&m.a.disk, &label), -ENOENT);
		m.a.bytes[512 + i] ^= 4;
		m.a.bytes[LVM_IMAGE_AREA + i] ^= 4;
		assert_int_equal(lvm_label_read(&m.a.disk, &label), 0);
		assert_int_equal(label.areas[0].state, LVM_AREA_DAMAGED);
		m.a.bytes[LVM_IMAGE_AREA + i] ^= 4;
	}
	assert_int_equal(lvm_label_read(&m.a.disk, &label), 0);
	assert_int_equal(label.areas[0].state, LVM_AREA_GOOD);
}

/* Wrong in ways that a checksum does not tell. */
static void areas_that_can_not_be_are_damaged(void **state)
{
	static const struct {
		unsigned at;
		uint64_t value;
	} cases[] = {
		{24, 8192},			/* the header is another's */
		{32, LVM_IMAGE_AREA_BYTES * 2}, /* and as large as no label says */
		{40, 0},			/* text in the header */
		{40, 511},
		{40, LVM_IMAGE_AREA_BYTES}, /* or behind the area */
		{48, 0},
		{48, LVM_IMAGE_AREA_BYTES - 511}, /* longer than the ring */
		{48, UINT64_MAX},
	};
	struct lvm_label label;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t saved[512];

		memcpy(saved, m.a.bytes + LVM_IMAGE_AREA, sizeof(saved));
		memcpy(m.a.bytes + LVM_IMAGE_AREA + cases[i].at, &cases[i].value, 8);
		lvm_image_mend(&m.a);
		assert_int_equal(lvm_label_read(&m.a.disk, &label), 0);
		assert_int_equal(label.areas[0].state, LVM_AREA_DAMAGED);
		memcpy(m.a.bytes + LVM_IMAGE_AREA, saved, sizeof(saved));
	}
}

static void areas_outside_of_the_disk_are_not_read(void **state)
{
	static const struct lvm_location cases[] = {
		{LVM_IMAGE_BYTES, 32 * KIB},
		{LVM_IMAGE_BYTES - 512, 32 * KIB},
		{UINT64_MAX - 511, 1024},
		{4096, UINT64_MAX - 511},
		{4096, 1024},
		{4097, 32 * KIB},
	};
	struct lvm_label label;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		memcpy(m.a.bytes + 512 + 104, &cases[i], sizeof(cases[i]));
		lvm_image_mend(&m.a);
		assert_int_equal(lvm_label_read(&m.a.disk, &label), 0);
		assert_int_equal(label.areas[0].state, LVM_AREA_DAMAGED);
		assert_int_equal(label.areas[1].state, LVM_AREA_GOOD);
	}
}

static void text_wraps_around(void **state)
{
	(void)state;
	for (uint64_t at = LVM_IMAGE_AREA_BYTES - 512; at > LVM_IMAGE_AREA_BYTES - 3000;
	     at -= 512) {
		lvm_image_put(&m.b, 0, at, lvm_image_text);
		assert_string_equal(scan(2)->keep_why, "");
		assert_int_equal(m.scan.labels[1].areas[0].state, LVM_AREA_GOOD);
	}
}

static void newest_counts(void **state)
{
	const char *newer = lvm_image_edited("seqno = 4", "seqno = 5");
	struct lvm_vg *vg;

	(void)state;
	lvm_image_put(&m.a, 1, 8192, newer);
	vg = scan(2);
	assert_int_equal(vg->seqno, 5);
	assert_null(vg->next);
	assert_string_equal(vg->why, "");
	assert_string_equal(vg->keep_why, "");
	assert_int_equal(m.scan.labels[0].areas[0].vg->seqno, 4);
	says(vg->note, "has an older copy of its metadata on a: the next change here renews "
		       "it, or vgck --updatemetadata vg0 on Linux");
}

static void two_states_of_one_number_are_refused(void **state)
{
	(void)state;
	lvm_image_put(&m.b, 0, 512, lvm_image_edited("\"pv0\", 4", "\"pv0\", 9"));
	says(scan(2)->why, "has two states with the number 4, which differ");
}

static void damaged_area_keeps_from_changing(void **state)
{
	(void)state;
	m.a.bytes[LVM_IMAGE_AREA + 600] ^= 1; /* in its text */
	says(scan(2)->keep_why,
	     "has a damaged metadata area on a: vgck --updatemetadata vg0 on Linux");
	assert_string_equal(m.scan.vgs->why, "");
	assert_non_null(lvm_vg_find(m.scan.vgs, "web"));
}

static void ignored_area_is_left_alone(void **state)
{
	(void)state;
	m.a.bytes[LVM_IMAGE_AREA + 600] ^= 1;
	m.a.bytes[LVM_IMAGE_AREA + 40 + 20] |= LVM_RAW_IGNORED;
	lvm_image_mend(&m.a);
	assert_string_equal(scan(2)->keep_why, "");
	assert_int_equal(m.scan.labels[0].areas[0].state, LVM_AREA_IGNORED);
}

static void newer_header_keeps_from_changing(void **state)
{
	(void)state;
	m.a.bytes[512 + 120 + 16 * 2] = 3;
	lvm_image_mend(&m.a);
	says(scan(2)->keep_why, "is of a newer LVM2: a has PV header version 3");
}

static void missing_disks_are_named(void **state)
{
	(void)state;
	says(scan(1)->why,
	     "lacks the physical volume pv1 (mdHXr4-3bp5-JaEN-UWnL-e7KN-AqUx-2T2yQm)");
}

static void a_disk_that_was_missing_stays_so(void **state)
{
	const char *text =
		lvm_image_edited("flags = []\ndev_size", "flags = [\"MISSING\"]\ndev_size");

	(void)state;
	lvm_image_put(&m.a, 0, 512, text);
	lvm_image_put(&m.a, 1, 512, text);
	lvm_image_put(&m.b, 0, 512, text);
	says(scan(2)->why, "has a marked as missing: vgextend --restoremissing");
}

static void copies_of_a_disk_are_refused(void **state)
{
	struct lvm_image copy;

	(void)state;
	lvm_image_init(&copy, "copy", lvm_image_pv0, 0, 512);
	m.disks[2] = &copy.disk;
	says(scan(3)->why, "has the physical volume pv0 twice: on a and copy");
	lvm_image_free(&copy);
}

static void groups_of_one_name_are_refused(void **state)
{
	struct lvm_image other;
	const char *text;

	(void)state;
	lvm_image_init(&other, "c", "cccccc-3bp5-JaEN-UWnL-e7KN-AqUx-2T2yQm", 1, 512);
	text = lvm_image_edited("7TQSjF-", "8TQSjF-");
	memcpy(strstr((char *)text, "mdHXr4-"), "cccccc-", 7);
	lvm_image_put(&other, 0, 512, text);
	m.disks[2] = &other.disk;
	scan(3);
	says(m.scan.vgs->why, "is the name of two volume groups");
	says(m.scan.vgs->next->why, "is the name of two volume groups");
	lvm_image_free(&other);
}

static void a_disk_in_two_groups_is_refused(void **state)
{
	char *text = strdup(lvm_image_edited("7TQSjF-", "8TQSjF-"));

	(void)state;
	memcpy(text, "vg9", 3);
	lvm_image_put(&m.b, 0, 512, text);
	scan(2);
	says(m.scan.vgs->why, "shares ");
	says(m.scan.vgs->next->why, "shares ");
	free(text);
}

/* Whoever can write one disk can't speak for a group that it is not part of. */
static void text_must_name_its_own_disk(void **state)
{
	struct lvm_image other;

	(void)state;
	lvm_image_init(&other, "c", "cccccc-3bp5-JaEN-UWnL-e7KN-AqUx-2T2yQm", 1, 512);
	lvm_image_put(&other, 0, 512, lvm_image_edited("seqno = 4", "seqno = 9"));
	m.disks[2] = &other.disk;
	assert_int_equal(scan(3)->seqno, 4);
	assert_null(m.scan.vgs->next);
	says(m.scan.problem, "c has the metadata of vg0, which it is not part of");
	lvm_image_free(&other);
}

static void a_disk_does_not_join_by_its_own_word(void **state)
{
	struct lvm_image other;
	const char *text = lvm_image_edited(
		"pv1 {", "pv2 {\nid = \"cccccc-3bp5-JaEN-UWnL-e7KN-AqUx-2T2yQm\"\n"
			 "status = []\npe_start = 2048\npe_count = 9\n}\npv1 {");

	(void)state;
	memcpy(strstr((char *)text, "seqno = 4"), "seqno = 9", 9);
	lvm_image_init(&other, "c", "cccccc-3bp5-JaEN-UWnL-e7KN-AqUx-2T2yQm", 1, 512);
	lvm_image_put(&other, 0, 512, text);
	m.disks[2] = &other.disk;
	says(scan(3)->why, "has its newest state (9) only on disks that are not part of it");
	lvm_image_put(&m.b, 0, 512, text); /* one of the group's own says so as well */
	assert_string_equal(scan(3)->why, "");
	lvm_image_free(&other);
}

static void extents_are_on_the_disk_and_not_on_metadata(void **state)
{
	static const struct {
		const char *from, *to, *why;
	} cases[] = {
		{"pe_count = 18", "pe_count = 20", "pv0, larger than its disk a"},
		{"pe_count = 18", "pe_count = 4294967294", "pv0, larger than its disk a"},
		{"pe_count = 18", "pe_count = 19",
		 "has a metadata area of pv0 among its extents"},
		{"pe_start = 2048", "pe_start = 70",
		 "has a metadata area of pv0 among its extents"},
		{"pe_start = 2048", "pe_start = 3", "has extents of pv0 where its label is"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *text = lvm_image_edited(cases[i].from, cases[i].to);

		lvm_image_put(&m.a, 0, 512, text);
		lvm_image_put(&m.a, 1, 512, text);
		lvm_image_put(&m.b, 0, 512, text);
		says(scan(2)->why, cases[i].why);
	}
}

static void disks_without_labels_are_no_problem(void **state)
{
	(void)state;
	memset(m.a.bytes, 0xff, LVM_IMAGE_BYTES);
	memset(m.b.bytes, 0, LVM_IMAGE_BYTES);
	assert_null(scan(2));
	assert_int_equal(m.scan.label_count, 0);
	m.a.disk.bytes = 1024;
	assert_null(scan(1));
}

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, plug_in, unplug)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(finds_a_whole_group),
		TEST(label_may_be_in_each_of_four_sectors),
		TEST(damaged_bytes_are_noticed),
		TEST(areas_that_can_not_be_are_damaged),
		TEST(areas_outside_of_the_disk_are_not_read),
		TEST(text_wraps_around),
		TEST(newest_counts),
		TEST(two_states_of_one_number_are_refused),
		TEST(damaged_area_keeps_from_changing),
		TEST(ignored_area_is_left_alone),
		TEST(newer_header_keeps_from_changing),
		TEST(missing_disks_are_named),
		TEST(a_disk_that_was_missing_stays_so),
		TEST(copies_of_a_disk_are_refused),
		TEST(groups_of_one_name_are_refused),
		TEST(a_disk_in_two_groups_is_refused),
		TEST(text_must_name_its_own_disk),
		TEST(a_disk_does_not_join_by_its_own_word),
		TEST(extents_are_on_the_disk_and_not_on_metadata),
		TEST(disks_without_labels_are_no_problem),
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

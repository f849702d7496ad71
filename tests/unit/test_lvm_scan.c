/*
 * What is found on disks: labels in each of their places, areas that wrap around, the newest of
 * several states; and what is ambiguous, missing, damaged or new is not served, or not changed.
 */
/* links: drivers/volume/lvm/text.c drivers/volume/lvm/print.c */
/* links: drivers/volume/lvm/disk.c drivers/volume/lvm/label.c */
/* links: drivers/volume/lvm/vg.c drivers/volume/lvm/segment.c */
/* links: drivers/volume/lvm/scan.c drivers/volume/lvm/choose.c kernel/lib/crc32.c */
/* links: tests/unit/lvm_image.c kernel/lib/sort.c tests/unit/fake_turns.c */
#include "tests/unit/lvm_two_disks.h"

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

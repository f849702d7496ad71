/*
 * What metadata means: extents, segments, who uses what; and each reason for which a text, a
 * group or a volume is refused. Each case changes LVM2's own text in one place.
 */
/* links: drivers/volume/lvm/text.c drivers/volume/lvm/print.c drivers/volume/lvm/disk.c */
/* links: drivers/volume/lvm/label.c drivers/volume/lvm/vg.c drivers/volume/lvm/segment.c */
/* links: drivers/volume/lvm/map.c kernel/lib/crc32.c tests/unit/lvm_image.c */
/* links: kernel/lib/sort.c tests/unit/fake_turns.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/lvm/map.h"
#include "tests/unit/lvm_image.h"

static char why[LVM_WHY_BYTES];

static struct lvm_vg *parse(const char *text)
{
	struct lvm_vg *vg = NULL;

	why[0] = '\0';
	if (lvm_vg_parse(text, strlen(text) + 1, &vg, why))
		fail_msg("%s", why);
	return vg;
}

static void all_is_read(void **state)
{
	struct lvm_vg *vg = parse(lvm_image_text);
	const struct lvm_lv *web = lvm_vg_find(vg, "web"), *str = lvm_vg_find(vg, "str");

	(void)state;
	assert_string_equal(vg->name, "vg0");
	assert_string_equal(vg->id, "7TQSjF4wnP33tlNUVElO2IbCs1jSahdH");
	assert_int_equal(vg->seqno, 4);
	assert_int_equal(vg->extent_bytes, MIB);
	assert_int_equal(vg->pv_count, 2);
	assert_int_equal(vg->pvs[1].start, MIB);
	assert_int_equal(vg->pvs[1].extents, 18);
	assert_int_equal(vg->lv_count, 3);
	assert_int_equal(web->extents, 5);
	assert_int_equal(web->segment_count, 2);
	assert_true(web->visible && web->writable && !web->locked);
	assert_int_equal(str->segments[0].stripes, 2);
	assert_int_equal(str->segments[0].stripe_bytes, 64 * KIB);
	assert_int_equal(str->segments[0].areas[1].count, 2);
	assert_int_equal(vg->used_count, 5);
	assert_int_equal(vg->used[0].first, 0);
	assert_int_equal(vg->used[4].pv, 1);
	assert_int_equal(vg->used[4].first, 4);
	assert_string_equal(vg->why, "");
	assert_string_equal(vg->keep_why, "");
	for (unsigned i = 0; i < vg->lv_count; i++)
		assert_int_equal(lvm_vg_check(vg, &vg->lvs[i], why), 0);
	assert_null(lvm_vg_find(vg, "pv0"));
	lvm_vg_free(vg);
}

static void segments_may_be_in_any_order(void **state)
{
	struct lvm_vg *vg;
	char *text = strdup(lvm_image_edited("start_extent = 0\nextent_count = 2",
					     "start_extent = 3\nextent_count = 2"));
	char *second = strstr(text, "start_extent = 2");

	(void)state;
	memcpy(second, "start_extent = 0", 16);
	vg = parse(text);
	assert_int_equal(lvm_vg_find(vg, "web")->segments[0].areas[0].pv, 1);
	lvm_vg_free(vg);
	free(text);
}

struct refusal {
	const char *from, *to, *why;
};

static void texts_that_are_wrong(void **state)
{
	static const struct refusal cases[] = {
		{"contents = \"Text", "contents = \"Next", "the text has no right contents"},
		{"version = 1", "version = 2", "the text has no right version"},
		{"# Generated", "vg1 {\n}\n#", "the text has no right number of groups"},
		{"7TQSjF-", "7TQSj-F", "vg0 has no right id"},
		{"format = \"lvm2\"", "format = \"lvm3\"", "vg0 has no right format"},
		{"seqno = 4", "seqno = 4294967296", "vg0 has no right seqno"},
		{"extent_size = 2048", "extent_size = 0", "vg0 has no right extent_size"},
		{"\"RESIZEABLE\"", "\"NEWFLAG\"",
		 "the status NEWFLAG, which Bulkhead does not"},
		{"\"ALLOCATABLE\"", "\"NEWFLAG\"",
		 "the status NEWFLAG, which Bulkhead does not"},
		{"\"VISIBLE\"", "\"NEWFLAG\"", "the status NEWFLAG, which Bulkhead does not"},
		{"status = [\"READ\"", "states = [\"READ\"", "web has no status"},
		{"physical_volumes", "physical_valumes", "number of physical volumes"},
		{"Vdzi1Q-", "mdHXr?-", "pv0 has no right id"},
		{"Vdzi1Q-3AH4-saRe-I0W2-48Zr-Le3A-t2kyuF",
		 "mdHXr4-3bp5-JaEN-UWnL-e7KN-AqUx-2T2yQm", "pv1 has no right id: another has"},
		{"pv1 {", "pv0 {", "pv0 has no right name: another has"},
		{"pe_start = 2048", "pe_start = 99999999999999999999",
		 "pv0 has no right pe_start"},
		{"pe_count = 18", "pe_count = 4294967295", "pv0 has no right pe_count"},
		{"x {", "web {", "web has no right name: another has"},
		{"48dlrA-", "48dlrA", "web has no right id"},
		{"segment_count = 2", "segment_count = 3", "web has no right segment_count"},
		{"segment_count = 1", "segment_count = 0", "str has no right segment_count"},
		{"start_extent = 2", "start_extent = 3", "web has no right start_extent"},
		{"extent_count = 2", "extent_count = 0", "web has no right extent_count"},
		{"extent_count = 2", "extent_count = 3", "web has no right start_extent"},
		{"type = \"striped\"", "type = 1", "web has no right type"},
		{"stripe_count = 1", "stripe_count = 0", "web has no right stripe_count"},
		{"stripe_count = 2", "stripe_count = 3", "str has no right stripe_count"},
		{"stripe_count = 2", "stripe_count = 4", "str has no right stripes"},
		{"stripe_size = 128", "stripe_size = 0", "str has no right stripe_size"},
		{"stripe_size = 128", "stripe_size = 129", "str has no right stripe_size"},
		{"\"pv0\", 0\n", "\"pv0\"\n", "web has no right stripes"},
		{"\"pv0\", 0\n", "0, \"pv0\"\n", "web has no right stripes"},
		{"\"pv0\", 0\n", "\"pv9\", 0\n", "web has no right stripes"},
		{"\"pv0\", 0\n", "\"pv0\", 17\n", "they end behind their physical volume"},
		{"\"pv0\", 0\n", "\"pv0\", 4294967295\n",
		 "they end behind their physical volume"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *text = lvm_image_edited(cases[i].from, cases[i].to);
		struct lvm_vg *vg;

		assert_int_equal(lvm_vg_parse(text, strlen(text), &vg, why), -EINVAL);
		if (!strstr(why, cases[i].why))
			fail_msg("%s: %s", cases[i].to, why);
	}
}

static void more_bytes_than_can_be_counted_are_refused(void **state)
{
	static const char old[] = "extent_size = 2048\nmax_lv = 0";
	static const char new[] = "extent_size=33554432\nmax_lv=0";
	char *text = strdup(lvm_image_edited("pe_count = 18", "pe_count = 1073741824"));
	struct lvm_vg *vg;

	(void)state;
	_Static_assert(sizeof(old) == sizeof(new), "written over");
	memcpy(strstr(text, old), new, strlen(new));
	assert_int_equal(lvm_vg_parse(text, strlen(text), &vg, why), -EINVAL);
	assert_non_null(strstr(why, "pv0 has no right pe_count"));
	free(text);
}

static void groups_that_are_left_alone(void **state)
{
	static const struct refusal cases[] = {
		{"\"RESIZEABLE\"", "\"EXPORTED\"", "was exported"},
		{"\"ALLOCATABLE\"", "\"EXPORTED\"", "was exported"},
		{"\"RESIZEABLE\"", "\"CLUSTERED\"", "is shared by several machines"},
		{"max_lv = 0", "max_lv = 0\nlock_type = \"sanlock\"", "is shared by several"},
		{"max_lv = 0", "max_lv = 0\nsystem_id = \"node7\"",
		 "belongs to the system \"node7\""},
		{"\"pv0\", 4\n", "\"pv0\", 3\n", "has extent 3 of pv0 in use twice"},
		{"\"pv0\", 4\n", "\"pv0\", 0\n", "has extent 0 of pv0 in use twice"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lvm_vg *vg = parse(lvm_image_edited(cases[i].from, cases[i].to));

		if (!strstr(vg->why, cases[i].why))
			fail_msg("%s: %s", cases[i].to, vg->why);
		assert_int_equal(lvm_vg_check(vg, &vg->lvs[0], why), -EINVAL);
		assert_non_null(strstr(why, "is in vg0, which "));
		lvm_vg_free(vg);
	}
}

static void groups_that_are_served_and_not_changed(void **state)
{
	static const struct refusal cases[] = {
		{"\"READ\", \"WRITE\"", "\"READ\"", "is read-only"},
		{"\"RESIZEABLE\"", "\"PVMOVE\"", "is in the middle of a pvmove"},
		{"\"VISIBLE\"", "\"VISIBLE\", \"LOCKED\"", "is in the middle of a pvmove"},
		{"type = \"striped\"\nstripe_count = 1\n\nstripes = [\n\"pv0\", 4",
		 "type = \"mirror\"\nmirrors = [\n\"pv0\", 4", "the type mirror on physical"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lvm_vg *vg = parse(lvm_image_edited(cases[i].from, cases[i].to));

		assert_string_equal(vg->why, "");
		if (!strstr(vg->keep_why, cases[i].why))
			fail_msg("%s: %s", cases[i].to, vg->keep_why);
		assert_int_equal(lvm_vg_check(vg, lvm_vg_find(vg, "str"), why), 0);
		lvm_vg_free(vg);
	}
}

/* All are about "x", the last volume. */
static void volumes_that_are_not_served(void **state)
{
	static const char striped[] = "type = \"striped\"\nstripe_count = 1\n\nstripes = [\n"
				      "\"pv0\", 4\n]";
	static const struct refusal cases[] = {
		{striped, "type = \"thin\"\nthin_pool = \"p\"", "is a thin volume"},
		{striped, "type = \"striped+NEW\"", "is a striped+NEW volume"},
		{striped, "type = \"striped\"\nstripe_count = 1\nstripes = [\"web\", 0]",
		 "is made of other volumes"},
		{"x {\nid = \"uJd13s-Yvk0-xSEl-lH79-q2Pc-hOsG-zZlwxf\"\nstatus = [\"READ\", "
		 "\"WRITE\", \"VISIBLE\"]",
		 "x {\nid = \"uJd13s-Yvk0-xSEl-lH79-q2Pc-hOsG-zZlwxf\"\nstatus = [\"READ\"]",
		 "is hidden"},
		{"\"pv0\", 2,\n\"pv1\", 0", "\"x\", 0,\n\"pv1\", 0",
		 "is a part of vg0/str, a volume of the type striped"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lvm_vg *vg = parse(lvm_image_edited(cases[i].from, cases[i].to));

		assert_int_equal(lvm_vg_check(vg, lvm_vg_find(vg, "x"), why), -EINVAL);
		if (!strstr(why, cases[i].why))
			fail_msg("%s: %s", cases[i].to, why);
		assert_string_equal(vg->why, "");
		lvm_vg_free(vg);
	}
}

static void a_snapshot_binds_both_its_volumes(void **state)
{
	struct lvm_vg *vg = parse(
		lvm_image_edited("\nx {", "\nsnapshot0 {\n"
					  "id = \"aaaaaa-aaaa-aaaa-aaaa-aaaa-aaaa-aaaaaa\"\n"
					  "status = [\"READ\"]\nsegment_count = 1\n"
					  "segment1 {\nstart_extent = 0\nextent_count = 5\n"
					  "type = \"snapshot\"\nchunk_size = 8\n"
					  "origin = \"web\"\ncow_store = \"x\"\n}\n}\nx {"));

	(void)state;
	assert_int_equal(lvm_vg_check(vg, lvm_vg_find(vg, "web"), why), -EINVAL);
	assert_non_null(strstr(why, "has snapshots"));
	assert_int_equal(lvm_vg_check(vg, lvm_vg_find(vg, "x"), why), -EINVAL);
	assert_non_null(strstr(why, "is a snapshot"));
	assert_int_equal(lvm_vg_check(vg, lvm_vg_find(vg, "str"), why), 0);
	assert_int_equal(vg->used_count, 5);
	lvm_vg_free(vg);
}

static void maps_tell_where_bytes_are(void **state)
{
	struct lvm_vg *vg = parse(lvm_image_text);
	struct lvm_map *web = lvm_map_create(vg, lvm_vg_find(vg, "web"));
	struct lvm_map *str = lvm_map_create(vg, lvm_vg_find(vg, "str"));
	struct lvm_place place;

	(void)state;
	lvm_vg_free(vg); /* a map is by itself */
	place = lvm_map_at(web, MIB + 512);
	assert_true(place.pv == 0 && place.offset == 2 * MIB + 512 && place.bytes == MIB - 512);
	place = lvm_map_at(web, 2 * MIB);
	assert_true(place.pv == 1 && place.offset == 5 * MIB && place.bytes == 3 * MIB);
	place = lvm_map_at(web, 5 * MIB - 1);
	assert_true(place.pv == 1 && place.offset == 8 * MIB - 1 && place.bytes == 1);
	place = lvm_map_at(str, 64 * KIB + 100);
	assert_true(place.pv == 1 && place.offset == MIB + 100 &&
		    place.bytes == 64 * KIB - 100);
	place = lvm_map_at(str, 2 * 64 * KIB);
	assert_true(place.pv == 0 && place.offset == 3 * MIB + 64 * KIB);
	place = lvm_map_at(str, 4 * MIB - 1);
	assert_true(place.pv == 1 && place.offset == 3 * MIB - 1 && place.bytes == 1);
	free(web);
	free(str);
}

static int note_place(void *arg, const struct lvm_place *place)
{
	struct lvm_place **next = arg;

	*(*next)++ = *place;
	return 0;
}

static void maps_name_all_places(void **state)
{
	struct lvm_vg *vg = parse(lvm_image_text);
	struct lvm_map *web = lvm_map_create(vg, lvm_vg_find(vg, "web"));
	struct lvm_map *str = lvm_map_create(vg, lvm_vg_find(vg, "str"));
	struct lvm_place places[8], *next = places;

	(void)state;
	lvm_map_places(web, MIB, 2 * MIB, note_place, &next);
	assert_int_equal(next - places, 2);
	assert_true(places[0].pv == 0 && places[0].offset == 2 * MIB && places[0].bytes == MIB);
	assert_true(places[1].pv == 1 && places[1].offset == 5 * MIB && places[1].bytes == MIB);
	next = places;
	lvm_map_places(str, 130 * KIB, 1 * KIB, note_place, &next); /* the second row */
	assert_int_equal(next - places, 2);
	assert_true(places[0].offset == 3 * MIB + 64 * KIB && places[0].bytes == 64 * KIB);
	next = places;
	lvm_map_places(str, 0, 4 * MIB, note_place, &next);
	assert_int_equal(next - places, 2);
	assert_true(places[1].pv == 1 && places[1].offset == MIB && places[1].bytes == 2 * MIB);
	free(web);
	free(str);
	lvm_vg_free(vg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_read),
		cmocka_unit_test(segments_may_be_in_any_order),
		cmocka_unit_test(texts_that_are_wrong),
		cmocka_unit_test(more_bytes_than_can_be_counted_are_refused),
		cmocka_unit_test(groups_that_are_left_alone),
		cmocka_unit_test(groups_that_are_served_and_not_changed),
		cmocka_unit_test(volumes_that_are_not_served),
		cmocka_unit_test(a_snapshot_binds_both_its_volumes),
		cmocka_unit_test(maps_tell_where_bytes_are),
		cmocka_unit_test(maps_name_all_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

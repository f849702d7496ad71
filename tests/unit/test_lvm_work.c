/*
 * How much work metadata can be that keeps all bounds: comparisons are counted, the real ones,
 * and how many there are at most before others have their turn. For texts that were made to be
 * as much work as the bounds allow.
 */
/* links: drivers/volume/lvm/text.c drivers/volume/lvm/print.c */
/* links: drivers/volume/lvm/disk.c drivers/volume/lvm/label.c */
/* links: drivers/volume/lvm/vg.c drivers/volume/lvm/segment.c */
/* links: drivers/volume/lvm/change.c drivers/volume/lvm/alloc.c */
/* links: drivers/volume/lvm/name.c drivers/volume/lvm/scan.c */
/* links: drivers/volume/lvm/choose.c kernel/lib/crc32.c kernel/lib/sort.c */
/* links: kernel/lib/size.c tests/unit/lvm_image.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/lvm/change.h"
#include "drivers/volume/lvm/scan.h"
#include "tests/unit/lvm_image.h"

#define NUL_BYTES 1

static unsigned long comparisons, since_turn, longest, turns;

void thread_yield(void)
{
	longest = MAX(longest, since_turn);
	since_turn = 0;
	turns++;
}

/* Takes the place of the C library's for the whole program, so that no comparison of names is
 * missed. */
int strcmp(const char *a, const char *b)
{
	comparisons++;
	since_turn++;
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (unsigned char)*a - (unsigned char)*b;
}

/* ---- texts --------------------------------------------------------------------------------
 */

static char text[LVM_TEXT_BYTES_MAX + 4096], why[LVM_WHY_BYTES];
static size_t used, words;

static void put(unsigned nodes, const char *fmt, ...) printf_like(2, 3);
static void put(unsigned nodes, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	used += (size_t)vsnprintf(text + used, sizeof(text) - used, fmt, args);
	va_end(args);
	words += nodes;
}

/* A group of `pvs` physical volumes, up to where its logical volumes are. */
static void begin_group(unsigned pvs)
{
	used = words = 0;
	put(17, "contents=\"Text Format Volume Group\"\nversion=1\n"
		"g{id=\"7TQSjF-4wnP-33tl-NUVE-lO2I-bCs1-jSahdH\"seqno=1 "
		"status=[\"READ\",\"WRITE\"]extent_size=8 physical_volumes{\n");
	for (unsigned i = 0; i < pvs; i++)
		put(8,
		    "p%u{id=\"%06u-0000-0000-0000-0000-0000-000000\"status=[]"
		    "pe_start=2048 pe_count=100000}\n",
		    i, i);
	put(1, "}logical_volumes{\n");
}

static void begin_volume(unsigned number, unsigned segments)
{
	put(7,
	    "l%u{id=\"%06u-0000-0000-0000-0000-0000-000000\"status=[\"VISIBLE\"]"
	    "segment_count=%u\n",
	    number, number, segments);
}

static void put_small_volumes(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		begin_volume(i, 1);
		put(7, "s{start_extent=0 extent_count=1 type=\"x\"}}\n");
	}
}

static void end_group(void)
{
	put(0, "}}\n");
	assert_true(words <= LVM_TEXT_NODES_MAX);
	assert_true(used + NUL_BYTES <= LVM_TEXT_BYTES_MAX);
}

static struct lvm_vg *parse(void)
{
	struct lvm_vg *vg;

	comparisons = since_turn = longest = turns = 0;
	if (lvm_vg_parse(text, used + NUL_BYTES, &vg, why))
		fail_msg("%s", why);
	longest = MAX(longest, since_turn);
	return vg;
}

/* Each word is compared a few times and looked up in log2 of what there is; nothing is compared
 * with everything. And others have their turn all the time. */
static void check_work(void)
{
	if (comparisons > 32ul * LVM_TEXT_NODES_MAX)
		fail_msg("%lu comparisons", comparisons);
	if (longest > 4ul * TURNS_STEPS)
		fail_msg("%lu comparisons in one turn, %lu turns", longest, turns);
	assert_true(turns >= words / TURNS_STEPS);
}

/* ---- what is as much work as can be -------------------------------------------------------
 */

/* As many strings as fit, in a kind of segment that is not known: each might be a physical or
 * a logical volume's name. */
static void strings_of_an_unknown_segment(void **state)
{
	(void)state;
	begin_group(LVM_PVS_MAX);
	put_small_volumes(LVM_LVS_MAX - 1);
	begin_volume(LVM_LVS_MAX, 1);
	put(8, "s{start_extent=0 extent_count=1 type=\"x\" f=[\"z\"");
	while (words + 16 < LVM_TEXT_NODES_MAX)
		put(2, ",\"z\",1");
	put(0, "]}}\n");
	end_group();
	lvm_vg_free(parse());
	check_work();
}

/* As many stripes as fit, on all physical volumes. */
static void stripes_on_all_disks(void **state)
{
	const unsigned nodes = 12 + 2 * LVM_STRIPES_MAX;
	unsigned segments, extent = 0;

	(void)state;
	begin_group(LVM_PVS_MAX);
	segments = (unsigned)(LVM_TEXT_NODES_MAX - 64 - words) / nodes;
	segments = MIN(segments, 1150u); /* by bytes */
	begin_volume(0, segments);
	for (unsigned s = 0; s < segments; s++, extent++) {
		put(12,
		    "s{start_extent=%u extent_count=%u type=\"striped\""
		    "stripe_count=%u stripe_size=8 stripes=[",
		    extent * LVM_STRIPES_MAX, LVM_STRIPES_MAX, LVM_STRIPES_MAX);
		for (unsigned i = 0; i < LVM_STRIPES_MAX; i++)
			put(2, "%s\"p%u\",%u", i ? "," : "", (s * 131 + i * 8) % LVM_PVS_MAX,
			    segments - extent);
		put(0, "]}\n");
	}
	put(0, "}\n");
	end_group();
	lvm_vg_free(parse());
	check_work();
}

/* The fields of one section, each looked for in all the others. */
static void fields_of_one_volume(void **state)
{
	(void)state;
	begin_group(1);
	begin_volume(0, 1);
	while (words + 64 < LVM_TEXT_NODES_MAX)
		put(2, "f=1 ");
	put(7, "s{start_extent=0 extent_count=1 type=\"x\"}}\n");
	end_group();
	lvm_vg_free(parse());
	if (comparisons > 32ul * LVM_TEXT_NODES_MAX)
		fail_msg("%lu comparisons", comparisons);
}

/* Shrinking to nearly nothing takes all segments but one away, in one pass. */
static void shrinking_many_segments(void **state)
{
	unsigned segments = 14000;
	struct lvm_vg *vg;

	(void)state;
	begin_group(1);
	begin_volume(0, segments);
	for (unsigned s = 0; s < segments; s++)
		put(13,
		    "s%u{start_extent=%u extent_count=1 type=\"striped\"stripe_count=1 "
		    "stripes=[\"p0\",%u]}\n",
		    s, s, 2 * s);
	put(0, "}\n");
	end_group();
	vg = parse();
	check_work();
	comparisons = 0;
	assert_int_equal(lvm_change_resize(vg, &vg->lvs[0], 4096, why), 0);
	if (comparisons > 32ul * segments)
		fail_msg("%lu comparisons for %u segments", comparisons, segments);
	assert_int_equal(lvm_text_sections(vg->lvs[0].node), 1);
	lvm_vg_free(vg);
}

/* ---- many disks ---------------------------------------------------------------------------
 */

#define DISKS 256

static struct lvm_image images[DISKS];
static struct lvm_disk *disks[DISKS];

/* Each area of each disk has a text of its own, of one group with `pvs` physical volumes: all
 * have one number, so that none is older than another. */
static void make_disks(unsigned pvs)
{
	static char id[LVM_ID_TEXT_BYTES];

	for (unsigned i = 0; i < DISKS; i++) {
		snprintf(id, sizeof(id), "%06u-0000-0000-0000-0000-0000-000000", i);
		lvm_image_init(&images[i], "d", id, 2, 512);
		disks[i] = &images[i].disk;
		for (unsigned area = 0; area < 2; area++) {
			begin_group(pvs - 1);
			used -= strlen("}logical_volumes{\n");
			put(8, "own{id=\"%s\"status=[]pe_start=2048 pe_count=%u}}}\n",
			    i < pvs - 1 ? "zzzzzz-0000-0000-0000-0000-0000-000000" : id,
			    2 * i + area + 1);
			lvm_image_put(&images[i], area, 512, text);
		}
	}
}

static void free_disks(void)
{
	for (unsigned i = 0; i < DISKS; i++)
		lvm_image_free(&images[i]);
}

static void many_states_on_many_disks(void **state)
{
	struct lvm_scan scan;
	unsigned count = 0;

	(void)state;
	make_disks(100);
	comparisons = since_turn = longest = turns = 0;
	assert_int_equal(lvm_scan(disks, DISKS, &scan), 0);
	for (struct lvm_vg *vg = scan.vgs; vg; vg = vg->next, count++)
		assert_non_null(strstr(vg->why, "has two states with the number 1"));
	assert_int_equal(count, 2 * DISKS);
	/* Each word, and each physical volume once more, which is looked up among the disks. */
	if (comparisons > 32ul * scan.nodes || longest > 4ul * TURNS_STEPS)
		fail_msg("%lu comparisons, %lu in one turn", comparisons, longest);
	lvm_scan_free(&scan);
	free_disks();
}

/* All texts together are bounded; what is beyond is said to be left out. */
static void more_words_than_a_scan_takes(void **state)
{
	unsigned left_out = 0;
	struct lvm_scan scan;

	(void)state;
	make_disks(130);
	assert_int_equal(lvm_scan(disks, DISKS, &scan), 0);
	assert_true(scan.nodes <= LVM_SCAN_NODES_MAX);
	for (unsigned i = 0; i < DISKS; i++)
		left_out += strstr(scan.labels[i].why, "metadata that is left out") != NULL;
	assert_true(left_out > 0);
	assert_true(scan.nodes > LVM_SCAN_NODES_MAX - 2000);
	lvm_scan_free(&scan);
	free_disks();
}

/* ---- last good, first bad -----------------------------------------------------------------
 */

static void one_more_is_refused_with_its_number(void **state)
{
	struct lvm_vg *vg;

	(void)state;
	begin_group(LVM_PVS_MAX);
	put_small_volumes(LVM_LVS_MAX);
	end_group();
	vg = parse();
	assert_int_equal(vg->pv_count, LVM_PVS_MAX);
	assert_int_equal(vg->lv_count, LVM_LVS_MAX);
	lvm_vg_free(vg);

	begin_group(1);
	put_small_volumes(LVM_LVS_MAX + 1);
	end_group();
	assert_int_equal(lvm_vg_parse(text, used + NUL_BYTES, &vg, why), -EINVAL);
	assert_string_equal(why, "has 4097 logical volumes; Bulkhead takes 4096 at most");

	begin_group(LVM_PVS_MAX + 1);
	end_group();
	assert_int_equal(lvm_vg_parse(text, used + NUL_BYTES, &vg, why), -EINVAL);
	assert_string_equal(why, "has 1025 physical volumes; Bulkhead takes 1024 at most");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_of_an_unknown_segment),
		cmocka_unit_test(stripes_on_all_disks),
		cmocka_unit_test(fields_of_one_volume),
		cmocka_unit_test(shrinking_many_segments),
		cmocka_unit_test(many_states_on_many_disks),
		cmocka_unit_test(more_words_than_a_scan_takes),
		cmocka_unit_test(one_more_is_refused_with_its_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The group vg0 on two disks, to be changed; and what is on the disks then.
 */
#ifndef TESTS_UNIT_LVM_GROUP_H
#define TESTS_UNIT_LVM_GROUP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/lvm/lvm.h"
#include "kernel/io/volume.h"
#include "tests/unit/lvm_image.h"

static int count_up(void *buf, size_t bytes)
{
	static uint8_t next;

	for (uint8_t *at = buf; bytes--; at++)
		*at = next++;
	return 0;
}

static struct lvm_image a, b;
static struct lvm_disk *disks[2];
static const struct lvm_author author = {
	.host = "node1", .time_s = 1800000000, .random = count_up};
static struct lvm_job job;
static char why[LVM_WHY_BYTES];
static uint64_t bytes;

static inline void put_everywhere(const char *text)
{
	lvm_image_put(&a, 0, 512, text);
	lvm_image_put(&a, 1, 512, text);
	lvm_image_put(&b, 0, 512, text);
}

static int plug_in(void **state)
{
	(void)state;
	lvm_image_init(&a, "a", lvm_image_pv0, 2, 512);
	lvm_image_init(&b, "b", lvm_image_pv1, 1, 4096);
	put_everywhere(lvm_image_text);
	disks[0] = &a.disk;
	disks[1] = &b.disk;
	job = (struct lvm_job){.disks = disks, .disk_count = 2, .author = &author};
	return 0;
}

static int unplug(void **state)
{
	(void)state;
	lvm_image_free(&a);
	lvm_image_free(&b);
	return 0;
}

/* A volume's segments on the disks now: "5: pv0 0+2, pv1 4+3". "" where there is none. */
static inline const char *shape(const char *name)
{
	static char said[512];
	struct lvm_scan scan;
	struct lvm_lv *lv;
	size_t used = 0;

	said[0] = '\0';
	assert_int_equal(lvm_scan(disks, 2, &scan), 0);
	assert_string_equal(scan.vgs->why, "");
	assert_string_equal(scan.vgs->keep_why, "");
	lv = lvm_vg_find(scan.vgs, name);
	if (lv)
		used += (size_t)sprintf(said, "%u:", lv->extents);
	for (unsigned i = 0; lv && i < lv->segment_count; i++) {
		const struct lvm_segment *segment = &lv->segments[i];

		for (uint32_t s = 0; s < segment->stripes; s++)
			used += (size_t)sprintf(said + used, "%s pv%u %u+%u",
						s   ? " |"
						: i ? ","
						    : "",
						segment->areas[s].pv, segment->areas[s].first,
						segment->areas[s].count);
	}
	lvm_scan_free(&scan);
	return said;
}

static inline uint32_t seqno(void)
{
	struct lvm_scan scan;
	uint32_t number;

	assert_int_equal(lvm_scan(disks, 2, &scan), 0);
	number = scan.vgs->seqno;
	lvm_scan_free(&scan);
	return number;
}

static inline int create(const char *path, uint64_t size, uint32_t stripes)
{
	const struct lvm_new new = {
		.bytes = size, .stripes = stripes, .stripe_bytes = LVM_STRIPE_BYTES};

	return lvm_create(&job, path, &new, &bytes, why);
}

static inline int resize(const char *path, uint64_t size, bool may_shrink)
{
	bytes = size;
	return lvm_resize(&job, path, &bytes, may_shrink, why);
}

static inline void says(const char *expected)
{
	if (!strstr(why, expected))
		fail_msg("\"%s\" and not \"%s\"", why, expected);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, plug_in, unplug)

#endif

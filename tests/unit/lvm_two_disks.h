/*
 * The two disks of the group vg0, looked through by lvm_scan(). For test_lvm_scan.c and
 * test_lvm_scan_told.c.
 */
#ifndef TESTS_UNIT_LVM_TWO_DISKS_H
#define TESTS_UNIT_LVM_TWO_DISKS_H

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
static inline int plug_in(void **state)
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

static inline int unplug(void **state)
{
	(void)state;
	lvm_scan_free(&m.scan);
	lvm_image_free(&m.a);
	lvm_image_free(&m.b);
	return 0;
}

static inline struct lvm_vg *scan(unsigned disks)
{
	lvm_scan_free(&m.scan);
	assert_int_equal(lvm_scan(m.disks, disks, &m.scan), 0);
	return m.scan.vgs;
}

static inline void says(const char *said, const char *expected)
{
	if (!strstr(said, expected))
		fail_msg("\"%s\" and not \"%s\"", said, expected);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, plug_in, unplug)

#endif

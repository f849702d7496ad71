/*
 * The house of logical volumes for their tests: the group vg0 on two disks in memory, and who
 * opens volumes and disks.
 */
#ifndef TESTS_UNIT_LVM_HOUSE_H
#define TESTS_UNIT_LVM_HOUSE_H

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, plug_in, check_all_is_closed)

#endif

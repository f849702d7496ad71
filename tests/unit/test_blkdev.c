/* What every block device is spared: requests that do not fit, counting, waiting, copying. */
/* links: kernel/io/blkdev.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/cpu/cpu.h"
#include "kernel/io/blkdev.h"
#include "kernel/log/log.h"
#include "kernel/mem/hostmap.h"
#include "kernel/sched/sync.h"
#include "kernel/sched/thread.h"

#define BLOCK 512u

struct cpu_features cpu_features;

static struct aspace guest_space, *current_space;
static char logged[512];

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	va_list args;

	(void)level, (void)area;
	va_start(args, fmt);
	vsnprintf(logged, sizeof(logged), fmt, args);
	va_end(args);
}

struct aspace *thread_set_aspace(struct aspace *as)
{
	struct aspace *old = current_space;

	current_space = as;
	return old;
}

void semaphore_init(struct semaphore *s, unsigned count)
{
	s->count = count;
}

void semaphore_up(struct semaphore *s)
{
	s->count++;
}

/* The device below finishes at its commit, so that nobody ever waits in vain here. */
void semaphore_down(struct semaphore *s)
{
	assert_int_equal(s->count--, 1);
}

/* ---- a device that finishes when told, and keeps what it was asked ---- */

static struct blk_request *pending;
static struct blk_request seen[8];
static struct io_segment seen_segment[8];
static unsigned submits, commits;
static int fail_at = -1, result;

static void submit(struct blkdev *dev, struct blk_request *r)
{
	assert_ptr_equal(r->dev, dev);
	assert_null(pending);
	pending = r;
	seen[submits] = *r;
	if (r->segment_count)
		seen_segment[submits] = r->segments[0];
	submits++;
}

static void commit(struct blkdev *dev)
{
	struct blk_request *r = pending;

	(void)dev;
	commits++;
	pending = NULL;
	if (r)
		blk_done(r, (int)submits - 1 == fail_at ? -EIO : 0);
}

static const struct blkdev_ops ops = {.submit = submit, .commit = commit};
static struct blkdev dev;

static void done(struct blk_request *request, int error)
{
	(void)request;
	result = error;
}

static int start(void **state)
{
	(void)state;
	dev = (struct blkdev){.ops = &ops,
			      .bytes = 100 * BLOCK,
			      .block_bytes = BLOCK,
			      .max_bytes = 4 * BLOCK,
			      .max_discard_bytes = 50 * BLOCK,
			      .write_cache = true};
	pending = NULL;
	submits = commits = 0;
	fail_at = -1;
	result = 1;
	current_space = NULL;
	return 0;
}

static int try(enum blk_op op, uint64_t offset, uint64_t bytes)
{
	struct blk_request r = {.op = op, .offset = offset, .bytes = bytes, .done = done};

	result = 1;
	blk_submit(&dev, &r);
	blk_commit(&dev);
	return result;
}

static void test_only_what_fits_reaches_the_device(void **state)
{
	const struct {
		enum blk_op op;
		uint64_t offset, bytes;
		int error;
	} cases[] = {
		{BLK_READ, 0, BLOCK, 0},
		{BLK_READ, 99 * BLOCK, BLOCK, 0},
		{BLK_READ, 96 * BLOCK, 4 * BLOCK, 0},
		{BLK_READ, 97 * BLOCK, 4 * BLOCK, -EINVAL},
		{BLK_READ, 100 * BLOCK, BLOCK, -EINVAL},
		{BLK_READ, UINT64_MAX - BLOCK + 1, BLOCK, -EINVAL},
		{BLK_READ, 0, 0, -EINVAL},
		{BLK_READ, 0, 5 * BLOCK, -EINVAL},
		{BLK_READ, 1, BLOCK, -EINVAL},
		{BLK_WRITE, 0, BLOCK + 1, -EINVAL},
		{BLK_WRITE, 0, 4 * BLOCK, 0},
		{BLK_FLUSH, 0, 0, 0},
		{BLK_FLUSH, BLOCK, 0, -EINVAL},
		{BLK_FLUSH, 0, BLOCK, -EINVAL},
		{BLK_DISCARD, 0, 50 * BLOCK, 0},
		{BLK_DISCARD, 0, 51 * BLOCK, -EINVAL},
		{BLK_WRITE_ZEROES, 0, BLOCK, -EOPNOTSUPP},
		{BLK_OPS, 0, BLOCK, -EINVAL},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned before = submits = 0;

		assert_int_equal(try(cases[i].op, cases[i].offset, cases[i].bytes),
				 cases[i].error);
		assert_int_equal(submits - before, cases[i].error ? 0 : 1);
	}
}

static void test_a_medium_that_is_read_only_or_gone_says_so(void **state)
{
	(void)state;
	dev.read_only = true;
	assert_int_equal(try(BLK_READ, 0, BLOCK), 0);
	assert_int_equal(try(BLK_WRITE, 0, BLOCK), -EROFS);
	assert_int_equal(try(BLK_DISCARD, 0, BLOCK), -EROFS);
	dev.gone = true;
	assert_int_equal(try(BLK_READ, 0, BLOCK), -ENODEV);
	assert_int_equal(try(BLK_FLUSH, 0, 0), -ENODEV);
	assert_int_equal(submits, 1);
}

static void test_without_a_cache_there_is_nothing_to_flush(void **state)
{
	(void)state;
	dev.write_cache = false;
	assert_int_equal(try(BLK_FLUSH, 0, 0), 0);
	assert_int_equal(submits, 0);
	assert_int_equal(dev.counters.requests[BLK_FLUSH], 1);
}

static void test_what_was_done_is_counted(void **state)
{
	(void)state;
	try(BLK_READ, 0, 2 * BLOCK);
	try(BLK_WRITE, 0, 3 * BLOCK);
	fail_at = 2;
	try(BLK_WRITE, 0, BLOCK);
	assert_int_equal(result, -EIO);
	assert_int_equal(dev.counters.requests[BLK_READ], 1);
	assert_int_equal(dev.counters.requests[BLK_WRITE], 2);
	assert_int_equal(dev.counters.bytes_read, 2 * BLOCK);
	assert_int_equal(dev.counters.bytes_written, 3 * BLOCK);
	assert_int_equal(dev.counters.errors, 1);
}

static void test_a_long_read_is_several_requests(void **state)
{
	void *buf = (void *)(DIRECTMAP_BASE + 0x5000);
	int on_the_stack;

	(void)state;
	assert_int_equal(blk_read(&dev, 10 * BLOCK, buf, 9 * BLOCK), 0);
	assert_int_equal(submits, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(seen[i].op, BLK_READ);
		assert_int_equal(seen[i].offset, (10 + 4 * i) * BLOCK);
		assert_int_equal(seen[i].bytes, i < 2 ? 4 * BLOCK : BLOCK);
		assert_int_equal(seen_segment[i].phys, 0x5000 + 4 * i * BLOCK);
		assert_int_equal(seen_segment[i].bytes, seen[i].bytes);
	}
	fail_at = 4;
	assert_int_equal(blk_write(&dev, 0, buf, 12 * BLOCK), -EIO);
	assert_int_equal(submits, 5); /* the third is not tried */
	assert_int_equal(blk_flush(&dev), 0);
	assert_int_equal(blk_read(&dev, 0, &on_the_stack, BLOCK), -EINVAL);
}

static void test_copies_go_through_the_segments(void **state)
{
	char a[5] = "abcd", b[4] = "efg", c[3] = "hi", out[9] = "";
	const struct io_segment segments[] = {{0, a, 4}, {0, b, 3}, {0, c, 2}};
	struct blk_request r = {
		.dev = &dev, .segments = segments, .segment_count = 3, .aspace = &guest_space};

	(void)state;
	blk_copy_from(&r, 0, out, 9);
	assert_memory_equal(out, "abcdefghi", 9);
	blk_copy_from(&r, 5, out, 3);
	assert_memory_equal(out, "fgh", 3);
	blk_copy_from(&r, 7, out, 1);
	assert_memory_equal(out, "h", 1);
	blk_copy_to(&r, 3, "DEF", 3);
	assert_string_equal(a, "abcD");
	assert_string_equal(b, "EFg");
	blk_copy_to(&r, 9, "!", 0);
	assert_string_equal(c, "hi");
	assert_int_equal(dev.counters.bytes_copied, 16);
	assert_null(current_space);
}

static void test_disks_keep_their_order(void **state)
{
	static struct blkdev first = {.name = "nvme0", .bytes = 64 * MIB, .block_bytes = 512},
			     second = {.name = "sata0", .bytes = 2048 * GIB};

	(void)state;
	blkdev_register(&first);
	assert_non_null(strstr(logged, "nvme0: 64 MiB"));
	blkdev_register(&second);
	assert_non_null(strstr(logged, "sata0: 2048 GiB"));
	assert_ptr_equal(blkdev_at(0), &first);
	assert_ptr_equal(blkdev_at(1), &second);
	assert_null(blkdev_at(2));
}

static const struct blkdev *told_of;
static unsigned told;

static void tell(const struct blkdev *gone)
{
	told_of = gone;
	told++;
}

/* Once, and not of what nobody could know. */
static void test_who_listens_is_told_of_a_disk_that_is_gone(void **state)
{
	static struct blkdev unknown = {.name = "nvme8"}, disk = {.name = "nvme9"},
			     later = {.name = "nvme10"};

	(void)state;
	blkdev_register(&disk);
	blkdev_register(&later);
	blkdev_set_gone(&later); /* nobody listens yet */
	assert_true(later.gone);
	blkdev_on_gone(tell);
	blkdev_set_gone(&unknown);
	assert_true(unknown.gone);
	assert_int_equal(told, 0);
	blkdev_set_gone(&disk);
	assert_true(disk.gone);
	assert_ptr_equal(told_of, &disk);
	blkdev_set_gone(&disk);
	assert_int_equal(told, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_only_what_fits_reaches_the_device, start),
		cmocka_unit_test_setup(test_a_medium_that_is_read_only_or_gone_says_so, start),
		cmocka_unit_test_setup(test_without_a_cache_there_is_nothing_to_flush, start),
		cmocka_unit_test_setup(test_what_was_done_is_counted, start),
		cmocka_unit_test_setup(test_a_long_read_is_several_requests, start),
		cmocka_unit_test_setup(test_copies_go_through_the_segments, start),
		cmocka_unit_test(test_disks_keep_their_order),
		cmocka_unit_test(test_who_listens_is_told_of_a_disk_that_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

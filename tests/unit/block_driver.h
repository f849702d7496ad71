/*
 * What the tests of a controller's driver do with a disk that it found. With fake_block, and
 * without a model of the controller: that is the test's.
 */
#ifndef TESTS_UNIT_BLOCK_DRIVER_H
#define TESTS_UNIT_BLOCK_DRIVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fake_block.h"
#include "tests/unit/fake_threads.h"

static const uint32_t one_block[] = {512, 0, 0, 0};

static inline struct blkdev *last_disk(void)
{
	struct blkdev *dev = NULL;

	for (unsigned i = 0; blkdev_at(i); i++)
		dev = blkdev_at(i);
	return dev;
}

/* The driver takes the controller; its (last) disk. */
static inline struct blkdev *take_controller(const struct pci_driver *driver)
{
	assert_true(driver->match(&fake_pci));
	assert_int_equal(driver->probe(&fake_pci), 0);
	return last_disk();
}

static inline void submit(struct blkdev *dev, struct fake_request *r)
{
	blk_submit(dev, &r->io);
	blk_commit(dev);
}

/* From start to end; its result. */
static inline int request(struct blkdev *dev, enum blk_op op, uint64_t at, uint64_t bytes)
{
	const uint32_t sizes[] = {(uint32_t)bytes, 0, 0, 0};
	struct fake_request *r =
		fake_request_make(op, at, 0, op == BLK_READ || op == BLK_WRITE ? sizes : NULL);
	int result;

	r->io.bytes = bytes;
	submit(dev, r);
	fake_pass(NSEC_PER_MSEC);
	result = r->result;
	fake_request_free(r);
	return result;
}

/*
 * Probes again and again, and each time the next of the things that it asks of the kernel
 * fails, until nothing does. Without a disk nothing is left behind: no way to memory, and no
 * memory, unless the disk's thread was there already, which stays. With one, it works.
 */
static inline void probe_with_every_failure(const struct pci_driver *driver,
					    int (*start)(void **state))
{
	unsigned failures = 0, whole = 0;

	for (unsigned at = 1;; at++) {
		struct blkdev *before = last_disk(), *dev;
		unsigned threads = fake_threads_alive();
		int err;

		start(NULL);
		fake_fail_at = at;
		err = driver->probe(&fake_pci);
		dev = last_disk();
		if (fake_calls < at) {
			assert_int_equal(err, 0);
			whole = at;
		}
		fake_fail_at = 0;
		if (err) {
			failures++;
			assert_true(err < 0);
			assert_ptr_equal(dev, before);
			assert_false(fake_master);
			if (fake_threads_alive() == threads && fake_allocated)
				fail_msg("call %u: %u pieces of memory are lost", at,
					 fake_allocated);
		}
		if (dev != before) { /* it makes do with less */
			assert_int_equal(request(dev, BLK_WRITE, 0, 4096), 0);
			assert_int_equal(request(dev, BLK_READ, 0, 4096), 0);
		}
		if (whole)
			break;
	}
	assert_true(failures >= 5);
}

/* The first of a request's segments begins `offset` bytes into a page; sizes end with 0. */
struct request_shape {
	unsigned offset;
	uint32_t sizes[4];
};

/* Writes with each shape, and reads in one segment what was written. */
static inline void write_and_read(struct blkdev *dev, const struct request_shape *shapes,
				  unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct fake_request *w = fake_request_make(BLK_WRITE, 64 * KIB * i,
							   shapes[i].offset, shapes[i].sizes);
		uint64_t bytes = w->io.bytes;
		struct fake_request *r = fake_request_make(
			BLK_READ, 64 * KIB * i, 512 * (i % 5), (uint32_t[4]){(uint32_t)bytes});

		submit(dev, w);
		fake_pass(NSEC_PER_MSEC);
		assert_int_equal(w->result, 0);
		submit(dev, r);
		fake_pass(NSEC_PER_MSEC);
		assert_int_equal(r->result, 0);
		for (uint64_t at = 0; at < bytes; at++)
			assert_int_equal(*fake_request_byte(r, at), *fake_request_byte(w, at));
		fake_request_free(w);
		fake_request_free(r);
	}
}

#endif

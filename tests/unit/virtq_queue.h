/*
 * A virtqueue under test in RAM of its own, with its driver, for the tests of queue.c, split.c
 * and packed.c. Where its rings are, and of which format, each test says itself.
 */
#ifndef TESTS_UNIT_VIRTQ_QUEUE_H
#define TESTS_UNIT_VIRTQ_QUEUE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "kernel/cpu/cpu.h"
#include "tests/unit/virtq_driver.h"

struct cpu_features cpu_features;

static struct fake_gmem fake;
static struct virtq q;
static struct virtq_driver driver;
static struct virtq_chain chain;

static inline int stop_queue(void **state)
{
	(void)state;
	virtq_stop(&q);
	if (fake.pinned)
		return -1;
	fake_gmem_fini(&fake);
	return 0;
}

/* The next chain breaks the queue, for good and with this reason. */
static inline void broken(const char *why)
{
	uint32_t bytes;

	assert_int_equal(virtq_pop(&q, &chain), -EINVAL);
	assert_true(q.broken);
	assert_string_equal(q.why, why);
	assert_int_equal(virtq_pop(&q, &chain), -EINVAL);
	virtq_push(&q, 0, 1, 0); /* to no avail */
	assert_int_equal(driver_take(&driver, &bytes), -1);
}

#endif

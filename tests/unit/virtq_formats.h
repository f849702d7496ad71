/*
 * Cases that run for both formats of a virtqueue, with and without event indices: EACH() and
 * its like. The rings lie where they are hard to reach: over the border of a chunk of memory,
 * and above the hole below 4 GiB.
 */
#ifndef TESTS_UNIT_VIRTQ_FORMATS_H
#define TESTS_UNIT_VIRTQ_FORMATS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "tests/unit/virtq_queue.h"

#define RAM	(4 * GIB) /* 3 GiB below the hole, 1 GiB above */
#define SIZE	16
#define TABLES	0x600000ull
#define BUFFERS 0x800000ull
#define OVER_2M (2 * PAGE_2M - 64) /* aligned, and over the border of a chunk */
#define HIGH	(GMEM_HIGH_BASE + 0x1000)
#define RAM_END (GMEM_HIGH_BASE + GIB)

struct format {
	bool packed, event_idx;
};

static const struct format *format;

static inline void prepare(uint16_t size)
{
	q = (struct virtq){.gm = &fake.gm,
			   .size = size,
			   .desc_gpa = OVER_2M,
			   .driver_gpa = HIGH,
			   .device_gpa = 0x10000,
			   .packed = format->packed,
			   .event_idx = format->event_idx,
			   .indirect = true};
	driver_init(&driver, &fake, &q, TABLES);
}

static inline int setup(void **state)
{
	format = *state;
	fake_gmem_init(&fake, RAM);
	prepare(SIZE);
	return virtq_start(&q);
}

static inline void check_chain(const struct driver_buffer *buffers, unsigned count)
{
	uint32_t readable = 0, writable = 0;

	assert_int_equal(chain.count, count);
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(chain.segments[i].gpa, buffers[i].gpa);
		assert_int_equal(chain.segments[i].bytes, buffers[i].bytes);
		assert_int_equal(i >= chain.readable, buffers[i].writable);
		*(buffers[i].writable ? &writable : &readable) += buffers[i].bytes;
	}
	assert_int_equal(chain.readable_bytes, readable);
	assert_int_equal(chain.writable_bytes, writable);
}

static const struct driver_buffer one = {BUFFERS, 512, true};
static const struct driver_buffer three[] = {
	{BUFFERS, 16, false}, {BUFFERS + 4096, 4096, true}, {BUFFERS + 16, 1, true}};

static inline void use_one(void)
{
	uint32_t bytes;

	assert_int_equal(virtq_pop(&q, &chain), 1);
	virtq_push(&q, chain.id, chain.descriptors, 1);
	assert_int_equal(driver_take(&driver, &bytes), chain.id);
}

static struct format formats[] = {{false, false}, {false, true}, {true, false}, {true, true}};

/* clang-format off */
#define SPLIT(test)	  {#test ", split", test, setup, stop_queue, &formats[0]}
#define SPLIT_EVENT(test)  {#test ", split, event index", test, setup, stop_queue, &formats[1]}
#define PACKED(test)	  {#test ", packed", test, setup, stop_queue, &formats[2]}
#define PACKED_EVENT(test) {#test ", packed, event index", test, setup, stop_queue, &formats[3]}
#define EACH(test)	  SPLIT(test), SPLIT_EVENT(test), PACKED(test), PACKED_EVENT(test)
/* clang-format on */

#endif

/*
 * A virtio block device that is played, for the tests of the driver: test_virtio_blk_driver.c
 * and test_virtio_blk_driver_broken.c.
 */
#ifndef TESTS_UNIT_VBLK_DEVICE_H
#define TESTS_UNIT_VBLK_DEVICE_H

#include "tests/unit/block_driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/block/queue.h"
#include "drivers/block/virtio_blk.h"
#include "drivers/virtio/vdev.h"
#include "kernel/mem/frames.h"
#include "tests/unit/fake_vdev.h"

#define DISK_BYTES (8 * MIB)

/* 5.2.3, 5.2.6 of virtio 1.2. */
enum { F_SIZE_MAX = 1, F_SEG_MAX, F_RO = 5, F_BLK_SIZE, F_FLUSH = 9, F_TOPOLOGY, F_MQ = 12 };
enum { F_DISCARD = 13, F_WRITE_ZEROES };
enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, ZEROES = 13, TYPES };
enum { OK = 0, IOERR = 1, UNSUPP = 2 };

/* Fields of the configuration: 5.2.4. */
enum { SECTORS = 0, SIZE_MAX_AT = 8, SEG_MAX_AT = 12, BLOCK_BYTES_AT = 20, EXPONENT = 24 };
enum { QUEUES_AT = 34, DISCARD_MAX = 36, DISCARD_ALIGN = 44, ZEROES_MAX = 48 };

#define ALL_FEATURES                                                                       \
	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VIRTIO_F_EVENT_IDX) | \
	 BIT(F_SEG_MAX) | BIT(F_BLK_SIZE) | BIT(F_FLUSH) | BIT(F_TOPOLOGY) | BIT(F_MQ) |   \
	 BIT(F_DISCARD) | BIT(F_WRITE_ZEROES))

struct header {
	uint32_t type, reserved;
	uint64_t sector;
};
struct range {
	uint64_t sector;
	uint32_t sectors, flags;
};

static struct {
	uint8_t disk[DISK_BYTES];
	unsigned seen[FAKE_VQUEUES]; /* doorbells */
	bool owed[FAKE_VQUEUES];     /* an interrupt */
	unsigned count[TYPES], parts_most;
	bool mute, held; /* takes nothing; takes, and finishes nothing */
	unsigned bad;	 /* chains that end with `status` from now on */
	uint8_t status;
	bool lies;   /* once finishes what it was not given */
	bool silent; /* no interrupts */
	unsigned resets_seen;
	uint64_t tick_ns; /* between two looks of who waits by looking */
} model;

/* ---- the device -------------------------------------------------------------------------- */

static inline uint8_t do_range(enum blk_op op, const struct range *range)
{
	assert_true((range->sector + range->sectors) * 512 <= DISK_BYTES);
	memset(model.disk + range->sector * 512, op == BLK_DISCARD ? 0xdd : 0,
	       range->sectors * 512ull);
	return OK;
}

static inline uint8_t do_chain(const struct fake_chain *c, const struct header *header)
{
	uint64_t at = header->sector * 512;

	switch (header->type) {
	case IN:
	case OUT:
		for (unsigned i = 1; i + 1 < c->count; i++) {
			assert_true(at + c->parts[i].bytes <= DISK_BYTES);
			if (header->type == IN)
				memcpy(c->parts[i].data, model.disk + at, c->parts[i].bytes);
			else
				memcpy(model.disk + at, c->parts[i].data, c->parts[i].bytes);
			at += c->parts[i].bytes;
		}
		assert_int_equal(at % 512, 0);
		return OK;
	case GET_ID: memcpy(c->parts[1].data, "serial-of-20-letters", 20); return OK;
	case FLUSH: return OK;
	case DISCARD: return do_range(BLK_DISCARD, c->parts[1].data);
	case ZEROES: return do_range(BLK_WRITE_ZEROES, c->parts[1].data);
	default: return UNSUPP;
	}
}

static inline void do_one(unsigned queue, const struct fake_chain *c)
{
	const struct header *header = c->parts[0].data;
	uint8_t *status = c->parts[c->count - 1].data;
	bool in = header->type == IN || header->type == GET_ID;

	assert_int_equal(c->parts[0].bytes, 16);
	assert_int_equal(c->parts[c->count - 1].bytes, 1);
	assert_int_equal(c->out, in ? 1 : c->count - 1); /* 5.2.6 */
	assert_true(header->type < TYPES);
	model.count[header->type]++;
	model.parts_most = MAX(model.parts_most, c->count);
	if (model.bad) {
		model.bad--;
		*status = model.status;
	} else {
		*status = do_chain(c, header);
	}
	fake_vdev_finish_quietly(queue, model.lies ? 200 : c->id, 1);
	model.lies = false;
	model.owed[queue] = true;
}

/* What it was told of; whether that was anything. */
static inline bool serve(void)
{
	struct fake_chain c;
	bool any = false;

	if (fake_vdev.resets != model.resets_seen) {
		memset(model.owed, 0, sizeof(model.owed));
		model.resets_seen = fake_vdev.resets;
	}
	for (unsigned i = 0; i < FAKE_VQUEUES && !model.mute; i++) {
		struct fake_vqueue *q = &fake_vdev.queues[i];

		if (!q->enabled || q->doorbells == model.seen[i])
			continue;
		model.seen[i] = q->doorbells;
		while (fake_vdev_take(i, &c)) {
			any = true;
			if (!model.held)
				do_one(i, &c);
		}
		fake_vdev_publish(i);
	}
	return any;
}

static inline bool work(void)
{
	bool any = serve();

	for (unsigned i = 0; i < FAKE_VQUEUES; i++) {
		if (!model.owed[i])
			continue;
		model.owed[i] = false;
		any = true;
		if (!model.silent)
			fake_vdev_vector(fake_vdev.vectors ? fake_vdev.queues[i].vector : 0);
	}
	return any;
}

static inline void polled(void)
{
	fake_now_ns += model.tick_ns;
	serve();
}

/* ---- what fake_vdev needs ---------------------------------------------------------------- */

void fake_vdev_around_start(volatile uint8_t *registers)
{
	fake_registers = registers;
}

void *fake_vdev_reach(uint64_t phys, uint64_t bytes)
{
	(void)bytes; /* the sanitizer knows */
	return directmap(phys);
}

bool fake_vdev_is_master(void)
{
	return fake_master;
}

bool fake_vdev_vector(unsigned vector)
{
	fake_vdev.isr |= 1;
	return fake_interrupt(vector);
}

/* ---- a start ----------------------------------------------------------------------------- */

static inline void put(unsigned offset, uint64_t value, unsigned bytes)
{
	memcpy(fake_vdev.config + offset, &value, bytes);
}

static inline void offer(uint64_t features)
{
	memset(&model, 0, sizeof(model));
	model.tick_ns = 100 * 1000;
	fake_block_start();
	fake_vdev_start(0x1042, features);
	put(SECTORS, DISK_BYTES / 512, 8);
	put(SEG_MAX_AT, 20, 4);
	put(BLOCK_BYTES_AT, 512, 4);
	put(EXPONENT, 3, 1);
	put(QUEUES_AT, FAKE_VQUEUES, 2);
	put(DISCARD_MAX, 1024, 4);
	put(DISCARD_ALIGN, 8, 4);
	put(ZEROES_MAX, 2048, 4);
	fake_hardware = work;
	fake_polled = polled;
}

static inline int start(void **state)
{
	(void)state;
	offer(ALL_FEATURES);
	return 0;
}

static inline struct blkdev *take(uint64_t features)
{
	offer(features);
	return take_controller(&virtio_blk_driver);
}

#endif

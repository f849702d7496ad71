/* The virtio block driver on a device that is played: what it finds, data, limits, flushes,
 * errors, lies, silence, and too little of everything. */
/* links: drivers/block/virtio_blk.c drivers/block/virtio_blk_request.c drivers/block/gather.c
 */
/* links: drivers/block/queue.c drivers/block/host.c drivers/block/bounce.c */
/* links: drivers/virtio/vdev.c drivers/virtio/vring.c kernel/io/blkdev.c */
/* links: tests/unit/fake_vdev.c tests/unit/fake_mmio.c tests/unit/fake_block.c */
/* links: tests/unit/fake_threads.c */
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

static uint8_t do_range(enum blk_op op, const struct range *range)
{
	assert_true((range->sector + range->sectors) * 512 <= DISK_BYTES);
	memset(model.disk + range->sector * 512, op == BLK_DISCARD ? 0xdd : 0,
	       range->sectors * 512ull);
	return OK;
}

static uint8_t do_chain(const struct fake_chain *c, const struct header *header)
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

static void do_one(unsigned queue, const struct fake_chain *c)
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
static bool serve(void)
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

static bool work(void)
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

static void polled(void)
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

static void put(unsigned offset, uint64_t value, unsigned bytes)
{
	memcpy(fake_vdev.config + offset, &value, bytes);
}

static void offer(uint64_t features)
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

static int start(void **state)
{
	(void)state;
	offer(ALL_FEATURES);
	return 0;
}

static struct blkdev *take(uint64_t features)
{
	offer(features);
	return take_controller(&virtio_blk_driver);
}

/* ---- tests ------------------------------------------------------------------------------- */

/* The first of all, as what all disks share is made with the first. */
static void test_every_call_may_fail(void **state)
{
	start(state);
	probe_with_every_failure(&virtio_blk_driver, start);
}

static void test_what_it_says_of_itself(void **state)
{
	struct blkdev *dev = take(ALL_FEATURES);

	(void)state;
	assert_string_equal(dev->serial, "serial-of-20-letters");
	assert_string_equal(dev->location, "pci:00:03.0");
	assert_int_equal(dev->bytes, DISK_BYTES);
	assert_int_equal(dev->block_bytes, 512);
	assert_int_equal(dev->physical_block_bytes, 4096);
	assert_int_equal(dev->max_bytes, MIB);
	assert_int_equal(dev->max_discard_bytes, 512 * KIB);
	assert_int_equal(dev->discard_align_bytes, 4096);
	assert_int_equal(dev->max_zeroes_bytes, MIB);
	assert_true(dev->write_cache && !dev->read_only);
	dev = take(BIT(VIRTIO_F_VERSION_1) | BIT(F_RO));
	assert_true(!dev->write_cache && dev->read_only);
	assert_int_equal(dev->max_discard_bytes | dev->max_zeroes_bytes, 0);
	assert_int_equal(dev->physical_block_bytes, 512);
}

/* With all features, and where a ring holds every part itself. */
static void test_data_goes_where_the_segments_say(void **state)
{
	static const struct request_shape shapes[] = {
		{0, {512}}, {512, {3584}}, {1, {511, 1}}, {0, {65536}}, {0, {512, 512, 32768}},
	};
	static const uint64_t features[] = {ALL_FEATURES, BIT(VIRTIO_F_VERSION_1),
					    BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_EVENT_IDX),
					    BIT(VIRTIO_F_VERSION_1) |
						    BIT(VIRTIO_F_INDIRECT_DESC)};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
		struct blkdev *dev = take(features[i]);

		write_and_read(dev, shapes, ARRAY_SIZE(shapes));
		for (unsigned round = 0; round < 140; round++) /* the ring has 128 */
			assert_int_equal(request(dev, BLK_READ, 512 * round, 1024), 0);
		assert_int_equal(fake_warnings + fake_errors, 0);
	}
}

/* What a chain can't hold goes in several, one after the other. */
static void test_limits_are_kept(void **state)
{
	static const uint32_t three[] = {512, 512, 512, 0};
	struct fake_request *w;
	struct blkdev *dev;

	(void)state;
	offer(ALL_FEATURES | BIT(F_SIZE_MAX));
	put(SEG_MAX_AT, 2, 4);
	put(SIZE_MAX_AT, 1024, 4);
	dev = take_controller(&virtio_blk_driver);
	assert_int_equal(request(dev, BLK_WRITE, 0, 8192), 0);
	assert_int_equal(model.count[OUT], 4);
	assert_int_equal(model.parts_most, 4);
	w = fake_request_make(BLK_WRITE, 4096, 0, three);
	submit(dev, w);
	fake_pass(NSEC_PER_MSEC);
	assert_int_equal(w->result, 0);
	assert_int_equal(model.count[OUT], 6);
	for (unsigned i = 0; i < 1536; i++)
		assert_int_equal(model.disk[4096 + i], *fake_request_byte(w, i));
	fake_request_free(w);
}

/* A ring that holds two parts and no table can't do anything; one of four, two segments. */
static void test_small_rings(void **state)
{
	static const uint32_t three[] = {512, 512, 512, 0};
	struct fake_request *w;
	struct blkdev *dev;

	(void)state;
	for (unsigned size = 1; size <= 2; size++) {
		offer(BIT(VIRTIO_F_VERSION_1));
		for (unsigned i = 0; i < FAKE_VQUEUES; i++)
			fake_vdev.queues[i].size = fake_vdev.queues[i].taken_size =
				(uint16_t)size;
		assert_int_equal(virtio_blk_driver.probe(&fake_pci), -EINVAL);
		assert_int_equal(fake_allocated, 0);
		assert_false(fake_master);
	}
	offer(BIT(VIRTIO_F_VERSION_1));
	for (unsigned i = 0; i < FAKE_VQUEUES; i++)
		fake_vdev.queues[i].size = fake_vdev.queues[i].taken_size = 4;
	dev = take_controller(&virtio_blk_driver);
	w = fake_request_make(BLK_WRITE, 0, 0, three);
	submit(dev, w);
	fake_pass(NSEC_PER_MSEC);
	assert_int_equal(w->result, 0);
	assert_int_equal(model.count[OUT], 2);
	fake_request_free(w);
}

/* Sizes that can't be, and the last ones that can. */
static void test_impossible_sizes(void **state)
{
	static const struct {
		uint64_t sectors, block_bytes;
		int result;
	} cases[] = {
		{8, 256, -EINVAL},  {8, 768, -EINVAL},
		{8, 8192, -EINVAL}, {8, 0, -EINVAL},
		{8, 4096, 0},	    {UINT64_MAX / 512, 512, 0},
		{8, 512, 0},	    {UINT64_MAX / 512 + 1, 512, -EINVAL},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		offer(ALL_FEATURES);
		put(SECTORS, cases[i].sectors, 8);
		put(BLOCK_BYTES_AT, cases[i].block_bytes, 4);
		assert_int_equal(virtio_blk_driver.probe(&fake_pci), cases[i].result);
		if (cases[i].result) {
			assert_int_equal(fake_allocated, 0);
			assert_false(fake_master);
		} else {
			assert_true(last_disk()->bytes == cases[i].sectors * 512);
		}
	}
}

static void test_ranges(void **state)
{
	struct blkdev *dev = take(ALL_FEATURES);

	(void)state;
	memset(model.disk, 1, 16384);
	assert_int_equal(request(dev, BLK_DISCARD, 4096, 4096), 0);
	assert_int_equal(request(dev, BLK_WRITE_ZEROES, 8192, 4096), 0);
	assert_int_equal(model.disk[4095] | model.disk[12288], 1);
	assert_int_equal(model.disk[4096], 0xdd);
	assert_int_equal(model.disk[8191], 0xdd);
	assert_int_equal(model.disk[8192] | model.disk[12287], 0);
}

static void test_a_flush_follows_a_write_that_must_be_safe(void **state)
{
	struct fake_request *w;
	struct blkdev *dev = take(ALL_FEATURES);

	(void)state;
	assert_int_equal(request(dev, BLK_WRITE, 0, 512), 0);
	assert_int_equal(model.count[FLUSH], 0);
	assert_int_equal(request(dev, BLK_FLUSH, 0, 0), 0);
	assert_int_equal(model.count[FLUSH], 1);
	for (unsigned bad = 0; bad < 2; bad++) {
		w = fake_request_make(BLK_WRITE, 0, 0, one_block);
		w->io.fua = true;
		model.bad = bad;
		model.status = UNSUPP;
		submit(dev, w);
		fake_pass(NSEC_PER_MSEC);
		assert_int_equal(w->result, bad ? -EOPNOTSUPP : 0);
		fake_request_free(w);
	}
	assert_int_equal(model.count[FLUSH], 2); /* none after one that failed */
	dev = take(ALL_FEATURES & ~BIT(F_FLUSH));
	w = fake_request_make(BLK_WRITE, 0, 0, one_block);
	w->io.fua = true;
	submit(dev, w);
	fake_pass(NSEC_PER_MSEC);
	assert_int_equal(w->result, 0);
	assert_int_equal(model.count[FLUSH], 0);
	fake_request_free(w);
}

static void test_errors_are_tried_again(void **state)
{
	struct blkdev *dev = take(ALL_FEATURES);

	(void)state;
	model.status = IOERR;
	model.bad = BLOCK_ATTEMPTS_MAX - 1;
	assert_int_equal(request(dev, BLK_READ, 0, 512), 0);
	assert_int_equal(model.count[IN], BLOCK_ATTEMPTS_MAX);
	model.bad = BLOCK_ATTEMPTS_MAX;
	assert_int_equal(request(dev, BLK_READ, 0, 512), -EIO);
	assert_int_equal(model.bad, 0);
	model.bad = 1;
	model.status = 0xff; /* it has not written it */
	assert_int_equal(request(dev, BLK_READ, 0, 512), 0);
	model.bad = 1;
	model.status = UNSUPP; /* not tried again */
	assert_int_equal(request(dev, BLK_DISCARD, 0, 4096), -EOPNOTSUPP);
	assert_int_equal(model.count[DISCARD], 1);
}

/* Its serial number is not worth a disk; but an answer that comes later must not be taken for
 * another's. */
static void test_a_disk_without_a_serial_number(void **state)
{
	struct blkdev *dev;

	(void)state;
	offer(ALL_FEATURES);
	model.bad = 1;
	model.status = UNSUPP;
	dev = take_controller(&virtio_blk_driver);
	assert_string_equal(dev->serial, "");
	assert_int_equal(request(dev, BLK_READ, 0, 512), 0);
	offer(ALL_FEATURES);
	model.held = true;
	dev = take_controller(&virtio_blk_driver);
	assert_string_equal(dev->serial, "");
	assert_int_equal(fake_vdev.starts, 2);
	model.held = false;
	assert_int_equal(request(dev, BLK_READ, 0, 512), 0);
}

static void again(struct fake_request *r)
{
	r->result = 1;
	r->io.attempts = 0;
}

/* One that asks for a reset, or says nothing, is reset, and the request sent again. */
static void test_recovery(void **state)
{
	struct blkdev *dev = take(ALL_FEATURES);
	struct fake_request *r = fake_request_make(BLK_READ, 0, 0, one_block);

	(void)state;
	model.held = true;
	submit(dev, r);
	fake_pass(NSEC_PER_MSEC);
	model.held = false;
	fake_pass(29 * NSEC_PER_SEC);
	assert_int_equal(r->result, 1);
	fake_pass(3 * NSEC_PER_SEC);
	assert_int_equal(r->result, 0);
	assert_int_equal(dev->counters.resets, 1);
	assert_int_equal(dev->counters.timeouts, 1);

	again(r);
	model.held = true;
	submit(dev, r);
	fake_pass(NSEC_PER_MSEC);
	model.held = false;
	fake_vdev.status |= FAKE_NEEDS_RESET;
	fake_pass(2 * NSEC_PER_SEC);
	assert_int_equal(r->result, 0);
	assert_int_equal(dev->counters.resets, 2);
	assert_int_equal(dev->counters.timeouts, 1);

	model.lies = true;
	again(r);
	submit(dev, r);
	fake_pass(NSEC_PER_MSEC);
	assert_int_equal(r->result, 0);
	assert_int_equal(dev->counters.resets, 3);
	assert_false(dev->gone);
	fake_request_free(r);
}

static bool interrupts_during_resets(void)
{
	if (fake_vdev.status)
		return work();
	for (unsigned i = 0; i < FAKE_VDEV_VECTORS; i++)
		fake_interrupt(i);
	return false;
}

/* The first of four chains was finished before the reset, and is reaped while that lasts: the
 * device, which takes no doorbell then, is told of no further one. The request is sent again.
 */
static void test_what_is_reaped_during_a_reset(void **state)
{
	struct blkdev *dev;
	struct fake_request *r;

	(void)state;
	offer(ALL_FEATURES | BIT(F_SIZE_MAX));
	put(SEG_MAX_AT, 2, 4);
	put(SIZE_MAX_AT, 1024, 4);
	dev = take_controller(&virtio_blk_driver);
	r = fake_request_make(BLK_WRITE, 0, 0, (uint32_t[4]){8192});
	model.silent = true;
	submit(dev, r);
	fake_pass(NSEC_PER_MSEC);
	assert_int_equal(model.count[OUT], 1);
	model.silent = false;
	fake_hardware = interrupts_during_resets;
	fake_vdev.slow = 3;
	fake_vdev.status |= FAKE_NEEDS_RESET;
	fake_pass(2 * NSEC_PER_SEC);
	assert_int_equal(fake_vdev.slow, 0);
	assert_int_equal(r->result, 0);
	assert_int_equal(model.count[OUT], 5);
	assert_int_equal(dev->counters.resets, 1);
	for (unsigned i = 0; i < 8192; i++)
		assert_int_equal(model.disk[i], *fake_request_byte(r, i));
	fake_request_free(r);
}

/* An interrupt that got lost: the request is found done, without a reset. */
static void test_a_lost_interrupt(void **state)
{
	struct blkdev *dev = take(ALL_FEATURES);
	struct fake_request *r = fake_request_make(BLK_READ, 0, 0, one_block);

	(void)state;
	model.silent = true;
	submit(dev, r);
	fake_pass(32 * NSEC_PER_SEC);
	assert_int_equal(r->result, 0);
	assert_int_equal(dev->counters.resets, 0);
	fake_request_free(r);
}

/* Pulled, one whose reset does not end, one that comes back as another. */
static void test_a_disk_that_is_gone(void **state)
{
	(void)state;
	for (unsigned how = 0; how < 4; how++) {
		struct blkdev *dev = take(ALL_FEATURES);
		struct fake_request *r = fake_request_make(BLK_READ, 0, 0, one_block);

		model.mute = true;
		submit(dev, r);
		fake_vdev.gone = how == 0;
		fake_vdev.stuck = how == 1;
		fake_vdev.refuses = how == 2;
		if (how == 3)
			fake_vdev.features &= ~BIT(F_FLUSH);
		fake_pass(40 * NSEC_PER_SEC);
		assert_int_equal(r->result, -ENODEV);
		assert_true(dev->gone);
		assert_int_equal(fake_errors, 1);
		assert_int_equal(request(dev, BLK_READ, 0, 512), -ENODEV);
		fake_request_free(r);
	}
}

/* Bad answers while it is found: no disk, no memory lost, and no way to it. */
static void test_answers_that_leave_no_disk(void **state)
{
	(void)state;
	for (unsigned how = 0; how < 7; how++) {
		struct blkdev *before = last_disk();

		offer(how == 0 ? ALL_FEATURES & ~BIT(VIRTIO_F_VERSION_1) : ALL_FEATURES);
		fake_vdev.refuses = how == 1;
		fake_vdev.stuck = how == 2;
		fake_vdev.status = how == 2 ? 15 : 0; /* as firmware left it */
		fake_vdev.restless = how == 3;
		fake_vdev.no_vectors = how == 4;
		fake_vdev.legacy_only = how == 5;
		if (how == 6)
			fake_vdev.queues[1].size = fake_vdev.queues[1].taken_size = 0;
		assert_true(virtio_blk_driver.probe(&fake_pci) < 0);
		assert_ptr_equal(last_disk(), before);
		assert_int_equal(fake_allocated, 0);
		assert_false(fake_master);
	}
}

static void test_the_pin(void **state)
{
	struct blkdev *dev;

	(void)state;
	offer(ALL_FEATURES);
	fake_pin = true;
	fake_vectors = 1;
	fake_vdev.vectors = 0;
	dev = take_controller(&virtio_blk_driver);
	assert_int_equal(request(dev, BLK_WRITE, 0, 512), 0);
	assert_int_equal(dev->counters.interrupts, 1);
	fake_vdev.isr = 0;
	assert_false(fake_interrupt(0)); /* somebody else's */
	fake_vdev.isr = 2;		 /* its configuration */
	assert_true(fake_interrupt(0));
}

/* Disks of earlier tests are still there, and get no answers: one line each. */
static unsigned shutdown_errors(void)
{
	fake_errors = 0;
	model.tick_ns = 100 * NSEC_PER_MSEC;
	block_hosts_shutdown();
	return fake_errors;
}

static void test_power_off_flushes(void **state)
{
	unsigned others;

	(void)state;
	take(ALL_FEATURES);
	others = shutdown_errors();
	assert_int_equal(model.count[FLUSH], 1);
	take(ALL_FEATURES);
	model.mute = true;
	assert_int_equal(shutdown_errors(), others + 2);
	assert_int_equal(model.count[FLUSH], 0);
	take(ALL_FEATURES & ~BIT(F_FLUSH)); /* nothing to be flushed */
	assert_int_equal(shutdown_errors(), others + 2);
	assert_int_equal(model.count[FLUSH], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_call_may_fail),
		cmocka_unit_test(test_what_it_says_of_itself),
		cmocka_unit_test(test_data_goes_where_the_segments_say),
		cmocka_unit_test(test_limits_are_kept),
		cmocka_unit_test(test_small_rings),
		cmocka_unit_test(test_impossible_sizes),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_a_flush_follows_a_write_that_must_be_safe),
		cmocka_unit_test(test_errors_are_tried_again),
		cmocka_unit_test(test_a_disk_without_a_serial_number),
		cmocka_unit_test(test_recovery),
		cmocka_unit_test(test_what_is_reaped_during_a_reset),
		cmocka_unit_test(test_a_lost_interrupt),
		cmocka_unit_test(test_a_disk_that_is_gone),
		cmocka_unit_test(test_answers_that_leave_no_disk),
		cmocka_unit_test(test_the_pin),
		cmocka_unit_test(test_power_off_flushes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

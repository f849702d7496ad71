/*
 * The virtio block driver on a device that is played: what it finds, data, limits, flushes, the
 * pin, power off. Devices that do wrong are test_virtio_blk_driver_broken.c's.
 */
/* links: drivers/block/virtio_blk.c drivers/block/virtio_blk_request.c */
/* links: drivers/block/gather.c */
/* links: drivers/block/queue.c drivers/block/host.c drivers/block/bounce.c */
/* links: drivers/virtio/vdev.c drivers/virtio/vring.c kernel/io/blkdev.c */
/* links: tests/unit/fake_vdev.c tests/unit/fake_mmio.c tests/unit/fake_block.c */
/* links: tests/unit/fake_threads.c */
#include "tests/unit/vblk_device.h"

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
		cmocka_unit_test(test_what_it_says_of_itself),
		cmocka_unit_test(test_data_goes_where_the_segments_say),
		cmocka_unit_test(test_limits_are_kept),
		cmocka_unit_test(test_small_rings),
		cmocka_unit_test(test_impossible_sizes),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_a_flush_follows_a_write_that_must_be_safe),
		cmocka_unit_test(test_the_pin),
		cmocka_unit_test(test_power_off_flushes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

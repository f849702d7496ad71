/*
 * The virtio block driver on a device that fails, lies, is silent, asks for a reset or is gone,
 * and with too little of everything.
 */
/* links: drivers/block/virtio_blk.c drivers/block/virtio_blk_request.c */
/* links: drivers/block/gather.c */
/* links: drivers/block/queue.c drivers/block/host.c drivers/block/bounce.c */
/* links: drivers/virtio/vdev.c drivers/virtio/vring.c kernel/io/blkdev.c */
/* links: tests/unit/fake_vdev.c tests/unit/fake_mmio.c tests/unit/fake_block.c */
/* links: tests/unit/fake_threads.c */
#include "tests/unit/vblk_device.h"

/* ---- tests ------------------------------------------------------------------------------- */

/* The first of all, as what all disks share is made with the first. */
static void test_every_call_may_fail(void **state)
{
	start(state);
	probe_with_every_failure(&virtio_blk_driver, start);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_call_may_fail),
		cmocka_unit_test(test_errors_are_tried_again),
		cmocka_unit_test(test_a_disk_without_a_serial_number),
		cmocka_unit_test(test_recovery),
		cmocka_unit_test(test_what_is_reaped_during_a_reset),
		cmocka_unit_test(test_a_lost_interrupt),
		cmocka_unit_test(test_a_disk_that_is_gone),
		cmocka_unit_test(test_answers_that_leave_no_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The IDE driver, and errors, interrupts that mean nothing, silence, and too little of
 * everything.
 */
/* links: drivers/block/ide.c drivers/block/ide_channel.c */
/* links: drivers/block/ata.c drivers/block/gather.c drivers/block/queue.c */
/* links: drivers/block/host.c */
/* links: drivers/block/bounce.c kernel/io/blkdev.c */
/* links: tests/unit/fake_block.c tests/unit/fake_threads.c */
#include "tests/unit/ide_machine.h"

/* ---- tests ------------------------------------------------------------------------------- */

/* The first of all, as what all disks share is made with the first. */
static void test_every_call_may_fail(void **state)
{
	start(state);
	probe_with_every_failure(&ide_driver, start);
}

static void test_errors(void **state)
{
	static const struct {
		uint8_t status, error, bm;
		int result; /* after one of them */
	} cases[] = {
		{READY | ERR, ATA_ERROR_UNCORRECTABLE, 0, -EIO},
		{READY | ERR, ATA_ERROR_CRC, 0, 0},
		{READY | ATA_STATUS_DF, 0, 0, 0},
		{READY, 0, BM_ERROR, 0},
		{READY | DRQ, 0, 0, 0},
	};
	struct channel *c = &channels[0];

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct blkdev *dev;

		start(state);
		dev = take_controller(&ide_driver);
		c->bad = 1;
		c->bad_status = cases[i].status;
		c->bad_error = cases[i].error;
		c->bad_bm = cases[i].bm;
		assert_int_equal(request(dev, BLK_READ, 0, 512), cases[i].result);
		assert_int_equal(c->reads, !cases[i].result);
		if (cases[i].status & DRQ)
			continue;
		c->bad = BLOCK_ATTEMPTS_MAX;
		assert_int_equal(request(dev, BLK_READ, 0, 512), -EIO);
		c->bad = 0;
		assert_int_equal(request(dev, BLK_READ, 0, 512), 0);
	}
}

/* Of a request that goes by way of a buffer, in pieces: the first that fails is its end. */
static void test_an_error_of_a_piece(void **state)
{
	struct blkdev *dev = take_controller(&ide_driver);
	struct fake_request *r = fake_request_make(BLK_READ, 0, 1, (uint32_t[4]){131072});
	struct channel *c = &channels[0];

	(void)state;
	c->bad = 1;
	c->bad_status = READY | ERR;
	c->bad_error = ATA_ERROR_UNCORRECTABLE;
	submit(dev, r);
	fake_pass(NSEC_PER_MSEC);
	assert_int_equal(r->result, -EIO);
	assert_int_equal(c->reads, 0);
	fake_request_free(r);
}

/* An interrupt without a command, or of a command that never was, finishes nothing. */
static void test_interrupts_that_mean_nothing(void **state)
{
	struct blkdev *dev = take_controller(&ide_driver);
	struct fake_request *r = fake_request_make(BLK_READ, 0, 0, one_block);
	struct channel *c = &channels[0];

	(void)state;
	assert_false(c->handler(c->arg)); /* somebody else's */
	c->bm_status |= BM_IRQ;
	assert_true(c->handler(c->arg));
	memset(c->drives[1].disk, 0x5a, 512);
	c->status = READY | DRQ; /* busy with nothing to do: nothing can be sent */
	blk_submit(dev, &r->io);
	assert_int_equal(c->pending | c->ignored, 0);
	c->status = READY;
	c->bm_status |= BM_IRQ;
	c->handler(c->arg);
	assert_int_equal(r->result, 1);
	fake_pass(NSEC_PER_MSEC);
	assert_int_equal(r->result, 0);
	assert_int_equal(r->data[0], 0x5a);
	assert_int_equal(c->resets, 1);
	assert_int_equal(c->modes, 2); /* of both drives, as before */

	r->result = 1; /* one that comes while the drive is at work */
	c->deaf = true;
	submit(dev, r);
	c->bm_status |= BM_IRQ;
	assert_true(c->handler(c->arg));
	assert_int_equal(r->result, 1);
	assert_int_equal(c->bm_command & BM_ACTIVE, BM_ACTIVE); /* its transfer goes on */
	assert_int_equal(c->bm_status & BM_IRQ, 0);
	c->deaf = false;
	fake_pass(NSEC_PER_MSEC); /* and ends by itself */
	assert_int_equal(r->result, 0);
	assert_int_equal(c->resets, 1);
	assert_int_equal(c->reads, 2);
	fake_request_free(r);
}

/* Too many segments for a block of 4 KiB: it fails at once, and is forgotten, so that an
 * interrupt does not look at it. */
static void test_a_request_that_cannot_be_sent(void **state)
{
	static struct io_segment segments[2048];
	struct fake_request *r;
	struct blkdev *dev;
	struct channel *c = &channels[0];

	(void)state;
	for (unsigned i = 0; i < 2; i++) { /* blocks of 4096 bytes */
		c->drives[i].words[106] = 0x5000;
		c->drives[i].words[117] = 2048;
	}
	dev = take_controller(&ide_driver);
	assert_int_equal(dev->block_bytes, 4096);
	r = fake_request_make(BLK_WRITE, 0, 0, (uint32_t[4]){4096});
	for (unsigned i = 0; i < 2048; i++)
		segments[i] = (struct io_segment){r->segments[0].phys + 2 * i,
						  (uint8_t *)r->segments[0].virt + 2 * i, 2};
	r->io.segments = segments;
	r->io.segment_count = 2048;
	submit(dev, r);
	fake_pass(NSEC_PER_MSEC);
	assert_int_equal(r->result, -EINVAL);
	fake_request_free(r);
	c->bm_status |= BM_IRQ;
	assert_true(c->handler(c->arg));
}

static void test_recovery(void **state)
{
	struct blkdev *dev = take_controller(&ide_driver);
	struct fake_request *r = fake_request_make(BLK_READ, 0, 0, one_block);
	struct channel *c = &channels[0];

	(void)state;
	c->deaf = true;
	submit(dev, r);
	fake_pass(29 * NSEC_PER_SEC);
	assert_int_equal(r->result, 1);
	c->deaf = false;
	c->pending = 0;
	fake_pass(3 * NSEC_PER_SEC);
	assert_int_equal(r->result, 0);
	assert_int_equal(c->resets, 1);
	assert_int_equal(c->modes, 2);
	fake_request_free(r);
}

/* Pulled, or busy for ever. */
static void test_disks_that_are_gone(void **state)
{
	for (unsigned how = 0; how < 2; how++) {
		struct fake_request *r = fake_request_make(BLK_READ, 0, 0, one_block);
		struct blkdev *dev;

		start(state);
		dev = take_controller(&ide_driver);
		channels[0].deaf = channels[0].stays_busy = true;
		submit(dev, r);
		channels[0].floating = how;
		fake_pass(70 * NSEC_PER_SEC);
		assert_int_equal(r->result, -ENODEV);
		assert_true(dev->gone && disk_before(dev)->gone);
		assert_int_equal(request(dev, BLK_READ, 0, 512), -ENODEV);
		fake_request_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_call_may_fail),
		cmocka_unit_test_setup(test_errors, start),
		cmocka_unit_test_setup(test_an_error_of_a_piece, start),
		cmocka_unit_test_setup(test_interrupts_that_mean_nothing, start),
		cmocka_unit_test_setup(test_a_request_that_cannot_be_sent, start),
		cmocka_unit_test_setup(test_recovery, start),
		cmocka_unit_test_setup(test_disks_that_are_gone, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

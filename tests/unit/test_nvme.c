/* The NVMe driver on a controller that is played: data, batches, errors, silence, absence. */
/* links: drivers/bus/wait.c */
/* links: drivers/block/nvme/nvme.c drivers/block/nvme/ring.c drivers/block/nvme/controller.c */
/* links: drivers/block/nvme/io.c drivers/block/nvme/queues.c drivers/block/nvme/namespace.c */
/* links: drivers/block/nvme/prp.c drivers/block/nvme/status.c drivers/block/queue.c */
/* links: drivers/block/host.c drivers/block/bounce.c kernel/io/blkdev.c */
/* links: tests/unit/fake_nvme.c tests/unit/fake_block.c tests/unit/fake_threads.c */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/block/nvme/internal.h"
#include "drivers/block/nvme/nvme.h"
#include "tests/unit/block_driver.h"
#include "tests/unit/fake_nvme.h"

static int start(void **state)
{
	(void)state;
	fake_block_start();
	model_start();
	fake_pci.class_code = 0x010802;
	fake_pci.bars[0] = (struct pci_bar){.address = 1, .bytes = sizeof(model.registers)};
	return 0;
}

static void test_what_the_disk_says_of_itself(void **state)
{
	struct blkdev *dev = take_controller(&nvme_driver);

	(void)state;
	assert_string_equal(dev->serial, "S-42");
	assert_string_equal(dev->model, "A model of a controller");
	assert_string_equal(dev->location, "pci:00:03.0");
	assert_int_equal(dev->bytes, DISK_BYTES);
	assert_int_equal(dev->block_bytes, 512);
	assert_int_equal(dev->max_bytes, 128 * KIB);
	assert_true(dev->write_cache);
	assert_int_equal(fake_warnings + fake_errors, 0);
}

/* Every way in which pages can lie: what is written is what is read, by other pages. */
static void test_data_goes_where_the_segments_say(void **state)
{
	static const struct request_shape shapes[] = {
		{0, {512}},
		{512, {3584}},
		{0, {8192}},
		{2048, {4096}},	     /* two pages, none of them whole */
		{4, {131072}},	     /* as much as goes, from 4 on */
		{0, {65536, 65536}}, /* a gap between pages */
		{1024, {7168, 4096, 1024}},
		{0, {512, 512}}, /* a gap inside: bounces */
		{512, {1024, 2048, 512}},
		{2, {512}}, /* an odd address: bounces */
		{0, {4096, 512, 512}},
		{512, {65536, 65536}}, /* bounces, in two pieces */
	};
	struct blkdev *dev = take_controller(&nvme_driver);

	(void)state;
	write_and_read(dev, shapes, ARRAY_SIZE(shapes));
	assert_int_equal(dev->counters.bytes_copied, 1024 + 3584 + 512 + 5120 + 131072);
}

static void test_the_other_requests(void **state)
{
	struct blkdev *dev = take_controller(&nvme_driver);
	struct fake_request *r = fake_request_make(BLK_WRITE, 0, 0, one_block);

	(void)state;
	r->io.fua = true;
	submit(dev, r);
	fake_pass(NSEC_PER_MSEC);
	assert_int_equal(r->result, 0);
	assert_int_equal(model.fua, 1);
	fake_request_free(r);

	assert_int_equal(request(dev, BLK_FLUSH, 0, 0), 0);
	assert_int_equal(model.flushes, 1);
	model.disk[4095] = model.disk[4096] = model.disk[8192] = 1;
	assert_int_equal(request(dev, BLK_WRITE_ZEROES, 4096, 4096), 0);
	assert_int_equal(model.disk[4095] << 8 | model.disk[4096] << 4 | model.disk[8192],
			 0x101);
	assert_int_equal(request(dev, BLK_DISCARD, 8192, 1 * MIB), 0);
	assert_int_equal(model.disk[8191] << 8 | model.disk[8192], 0xdd);
	assert_int_equal(model.disk[8192 + MIB - 1] << 8 | model.disk[8192 + MIB], 0xdd00);
	assert_int_equal(model.zeroes, 1);
	assert_int_equal(model.discards, 1);
}

static void test_more_requests_than_places(void **state)
{
	struct fake_request *r[100];
	struct blkdev *dev = take_controller(&nvme_driver);

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(r); i++) {
		r[i] = fake_request_make(BLK_WRITE, 512 * i, 0, one_block);
		blk_submit(dev, &r[i]->io);
	}
	assert_int_equal(dev->counters.doorbells, 0);
	blk_commit(dev);
	assert_int_equal(dev->counters.doorbells, 1);
	for (unsigned i = 0; i < 20; i++)
		fake_pass(NSEC_PER_MSEC);
	for (unsigned i = 0; i < ARRAY_SIZE(r); i++) {
		assert_int_equal(r[i]->result, 0);
		assert_memory_equal(model.disk + 512 * i, r[i]->data, 512);
		fake_request_free(r[i]);
	}
	assert_int_equal(model.writes, 100);
	assert_true(dev->counters.doorbells < 10);
	assert_true(dev->counters.interrupts < 10);
}

static void test_errors_are_tried_again_unless_final(void **state)
{
	struct blkdev *dev = take_controller(&nvme_driver);

	(void)state;
	model.bad = 2;
	model.status = 0x280; /* write fault */
	assert_int_equal(request(dev, BLK_WRITE, 0, 512), 0);
	assert_int_equal(dev->counters.retries, 2);
	assert_non_null(strstr(fake_line, "write fault; it is tried again"));
	model.bad = 100;
	assert_int_equal(request(dev, BLK_WRITE, 0, 512), -EIO);
	model.bad = 1;
	model.status = 0x4281; /* unrecovered read error, final */
	assert_int_equal(request(dev, BLK_READ, 0, 512), -EIO);
	assert_int_equal(dev->counters.retries, 4);
	model.bad = 1;
	model.status = 0x4020;
	assert_int_equal(request(dev, BLK_WRITE, 0, 512), -EROFS);
	assert_int_equal(dev->counters.errors, 3);
	assert_int_equal(fake_warnings, 1);
	assert_int_equal(model.enabled, 1); /* errors are no reason for a reset */
}

static void test_no_answer_leads_to_abort_reset_and_another_try(void **state)
{
	struct blkdev *dev = take_controller(&nvme_driver);
	struct fake_request *r[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		r[i] = fake_request_make(BLK_WRITE, 512 * i, 0, one_block);
	model.deaf = true;
	submit(dev, r[0]);
	submit(dev, r[1]);
	fake_pass(12 * NSEC_PER_SEC);
	assert_true(model.aborts > 0);
	assert_int_equal(model.enabled, 1);
	model.deaf = false;
	model.queues[1].sq_head = *model_doorbell(1); /* and it has forgotten them */
	fake_pass(10 * NSEC_PER_SEC);
	assert_int_equal(model.enabled, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(r[i]->result, 0);
		assert_memory_equal(model.disk + 512 * i, r[i]->data, 512);
		fake_request_free(r[i]);
	}
	assert_int_equal(dev->counters.resets, 1);
	assert_true(dev->counters.timeouts > 0);
	assert_int_equal(fake_warnings, 1);
	assert_false(dev->gone);
}

static void test_a_controller_that_is_pulled_out(void **state)
{
	struct blkdev *dev = take_controller(&nvme_driver);
	struct fake_request *r = fake_request_make(BLK_WRITE, 0, 0, one_block);

	(void)state;
	model.gone = true;
	submit(dev, r);
	fake_pass(2 * NSEC_PER_SEC); /* no deadline has to pass */
	assert_int_equal(r->result, -ENODEV);
	assert_true(dev->gone);
	assert_false(fake_master);
	assert_int_equal(fake_errors, 1);
	fake_request_free(r);
	assert_int_equal(request(dev, BLK_READ, 0, 512), -ENODEV);
}

static void test_a_controller_that_does_not_stop_loses_its_way_to_memory(void **state)
{
	struct blkdev *dev = take_controller(&nvme_driver);
	struct fake_request *r = fake_request_make(BLK_READ, 0, 0, one_block);

	(void)state;
	model.deaf = model.mute = model.stuck = true;
	submit(dev, r);
	fake_pass(60 * NSEC_PER_SEC);
	assert_int_equal(r->result, -ENODEV);
	assert_false(fake_master);
	fake_request_free(r);
}

/* A bus without a device may read as zeroes, too. */
static void test_a_controller_that_reads_as_zeroes(void **state)
{
	struct blkdev *dev = take_controller(&nvme_driver);
	struct fake_request *r = fake_request_make(BLK_WRITE, 0, 0, one_block);

	(void)state;
	fake_hardware = NULL;
	memset(model.registers, 0, sizeof(model.registers));
	submit(dev, r);
	fake_pass(9 * NSEC_PER_SEC); /* no deadline has to pass */
	assert_int_equal(r->result, -ENODEV);
	assert_true(dev->gone);
	assert_int_equal(dev->counters.timeouts, 0);
	fake_request_free(r);
}

static void test_a_fatal_error_is_no_end(void **state)
{
	struct blkdev *dev = take_controller(&nvme_driver);
	struct fake_request *r = fake_request_make(BLK_WRITE, 0, 0, one_block);

	(void)state;
	model.deaf = true;
	submit(dev, r);
	fake_pass(NSEC_PER_MSEC);
	model.registers[NVME_CSTS / 4] |= NVME_CSTS_FATAL;
	model.deaf = false;
	model.queues[1].sq_head = *model_doorbell(1); /* and it has forgotten it */
	fake_pass(2 * NSEC_PER_SEC);
	assert_int_equal(model.enabled, 2);
	assert_int_equal(r->result, 0);
	assert_non_null(strstr(fake_line, "reports a fatal error: it was reset"));
	fake_request_free(r);
}

static void test_several_namespaces(void **state)
{
	struct blkdev *dev;

	(void)state;
	model.namespaces = 2;
	dev = take_controller(&nvme_driver);
	assert_non_null(strstr(dev->name, "n3")); /* numbered 1 and 3 */
	assert_string_equal(dev->serial, "S-42-n3");
	assert_string_equal(dev->location, "pci:00:03.0/n3");
	assert_int_equal(request(dev, BLK_READ, 0, 512), 0);
	assert_int_equal(model.last_namespace, 3);
}

static void test_formats_that_are_refused(void **state)
{
	(void)state;
	model.metadata = 8;
	assert_int_not_equal(nvme_driver.probe(&fake_pci), 0);
	start(NULL);
	model.data_shift = 13;
	assert_int_not_equal(nvme_driver.probe(&fake_pci), 0);
	assert_false(fake_master);
}

static void test_controllers_that_are_refused(void **state)
{
	(void)state;
	model.mute = true;
	assert_int_not_equal(nvme_driver.probe(&fake_pci), 0);
	start(NULL);
	model.gone = true;
	model_work();
	assert_int_not_equal(nvme_driver.probe(&fake_pci), 0);
	start(NULL);
	model.namespaces = 0;
	assert_int_not_equal(nvme_driver.probe(&fake_pci), 0);
	assert_false(fake_master);
}

static void test_every_call_may_fail(void **state)
{
	(void)state;
	probe_with_every_failure(&nvme_driver, start);
}

/* Each of the controller's answers at start is an error once, or does not come. */
static void test_every_answer_may_be_bad(void **state)
{
	static const enum model_answer how[] = {ANSWER_ERROR, ANSWER_NONE, ANSWER_GONE};
	static const int errors[] = {-EIO, -ETIMEDOUT, -ENODEV};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(how); i++) {
		for (unsigned at = 1;; at++) {
			struct blkdev *before = last_disk();
			uint64_t begin_ns;
			int err;

			start(NULL);
			begin_ns = fake_now_ns;
			model.bad_answer = how[i];
			model.bad_answer_at = at;
			err = nvme_driver.probe(&fake_pci);
			if (model.answers < at) {
				assert_int_equal(err, 0);
				assert_int_equal(at, 10);
				break;
			}
			/* One without the list of namespaces has them numbered from 1 on. */
			if (how[i] == ANSWER_ERROR && at == 2) {
				assert_int_equal(err, 0);
				assert_ptr_not_equal(last_disk(), before);
				continue;
			}
			assert_int_equal(err, errors[i]);
			assert_ptr_equal(last_disk(), before);
			assert_false(fake_master);
			if (how[i] == ANSWER_GONE) /* which is no matter of waiting */
				assert_true(fake_now_ns - begin_ns < NSEC_PER_SEC);
		}
	}
}

/* An answer to an older command, which comes late, is not this one's. */
static void test_late_answers_are_dropped(void **state)
{
	(void)state;
	model.late_answers = true;
	take_controller(&nvme_driver);
	assert_true(model.answers > 4);
}

static void test_without_dsm_and_zeroes(void **state)
{
	struct blkdev *dev;

	(void)state;
	model.features = 0;
	model.mdts = 0;
	dev = take_controller(&nvme_driver);
	assert_int_equal(dev->max_discard_bytes, 0);
	assert_int_equal(dev->max_zeroes_bytes, 0);
	assert_int_equal(dev->max_bytes, NVME_TRANSFER_MAX);
}

static void test_power_off_tells_the_controller(void **state)
{
	(void)state;
	take_controller(&nvme_driver);
	block_hosts_shutdown();
	assert_true(model.shutdowns > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_what_the_disk_says_of_itself, start),
		cmocka_unit_test_setup(test_data_goes_where_the_segments_say, start),
		cmocka_unit_test_setup(test_the_other_requests, start),
		cmocka_unit_test_setup(test_more_requests_than_places, start),
		cmocka_unit_test_setup(test_errors_are_tried_again_unless_final, start),
		cmocka_unit_test_setup(test_no_answer_leads_to_abort_reset_and_another_try,
				       start),
		cmocka_unit_test_setup(test_a_controller_that_is_pulled_out, start),
		cmocka_unit_test_setup(
			test_a_controller_that_does_not_stop_loses_its_way_to_memory, start),
		cmocka_unit_test_setup(test_a_controller_that_reads_as_zeroes, start),
		cmocka_unit_test_setup(test_a_fatal_error_is_no_end, start),
		cmocka_unit_test_setup(test_several_namespaces, start),
		cmocka_unit_test_setup(test_formats_that_are_refused, start),
		cmocka_unit_test_setup(test_controllers_that_are_refused, start),
		cmocka_unit_test_setup(test_every_call_may_fail, start),
		cmocka_unit_test_setup(test_every_answer_may_be_bad, start),
		cmocka_unit_test_setup(test_late_answers_are_dropped, start),
		cmocka_unit_test_setup(test_without_dsm_and_zeroes, start),
		cmocka_unit_test_setup(test_power_off_tells_the_controller, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

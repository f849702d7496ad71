/* The AHCI driver on a controller that is played: data, queues, flushes, errors, silence,
 * absence.
 */
/* links: drivers/block/ahci/ahci.c drivers/block/ahci/port.c drivers/bus/wait.c */
/* links: drivers/block/ahci/io.c drivers/block/ahci/recovery.c drivers/block/ahci/disk.c */
/* links: drivers/block/ata.c drivers/block/queue.c drivers/block/host.c */
/* links: drivers/block/bounce.c kernel/io/blkdev.c */
/* links: tests/unit/fake_ahci.c tests/unit/fake_block.c tests/unit/fake_threads.c */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/block/ahci/ahci.h"
#include "drivers/block/ahci/internal.h"
#include "tests/unit/block_driver.h"
#include "tests/unit/fake_ahci.h"

static int start(void **state)
{
	(void)state;
	fake_block_start();
	model_start();
	fake_pci.class_code = 0x010601;
	fake_pci.bars[5] = (struct pci_bar){.address = 1, .bytes = sizeof(model.registers)};
	return 0;
}

/* Takes the controller, which warns of the drive of discs; its disk. */
static struct blkdev *take(void)
{
	struct blkdev *dev = take_controller(&ahci_driver);

	fake_warnings = 0;
	return dev;
}

static void test_a_disk_is_found_among_other_things(void **state)
{
	struct blkdev *dev;

	(void)state;
	assert_int_equal(ahci_driver.probe(&fake_pci), 0);
	assert_int_equal(fake_warnings, 1); /* the drive of discs */
	dev = blkdev_at(0);
	assert_string_equal(dev->serial, "S9");
	assert_string_equal(dev->model, "Di");
	assert_string_equal(dev->location, "pci:00:03.0/port2");
	assert_int_equal(dev->bytes, DISK_BYTES);
	assert_true(dev->write_cache && !dev->rotational);
	assert_int_equal(*model_port(DISCS, AHCI_PORT_IE), 0);
	assert_int_equal(*model_hba(AHCI_BOHC) & AHCI_BOHC_OS_OWNS, AHCI_BOHC_OS_OWNS);
}

static void test_every_call_may_fail(void **state)
{
	(void)state;
	probe_with_every_failure(&ahci_driver, start);
}

static void test_an_empty_controller_is_left_alone(void **state)
{
	(void)state;
	model.pulled = true;
	*model_port(DISK, AHCI_PORT_SSTS) = *model_port(DISCS, AHCI_PORT_SSTS) = 0;
	assert_int_equal(ahci_driver.probe(&fake_pci), -ENODEV);
	assert_int_equal(fake_sleeps, 1); /* for firmware to let go */
	assert_false(fake_master);
}

static void test_data_goes_where_the_segments_say(void **state)
{
	static const struct request_shape shapes[] = {
		{0, {512}},    {512, {3584}},		{2, {524288}},
		{6, {510, 2}}, {0, {512, 512, 131072}}, {1, {512}}, /* bounces */
		{0, {511, 1}},					    /* bounces */
	};
	struct blkdev *dev = take();

	(void)state;
	write_and_read(dev, shapes, ARRAY_SIZE(shapes));
	assert_int_equal(dev->counters.bytes_copied, 1024);
	assert_int_equal(model.queued, model.reads + model.writes);
}

static void submit_writes(struct blkdev *dev, struct fake_request **r, unsigned count, bool fua)
{
	model.held = true;
	for (unsigned i = 0; i < count; i++) {
		r[i] = fake_request_make(BLK_WRITE, 512 * i, 0, one_block);
		r[i]->io.fua = fua;
		blk_submit(dev, &r[i]->io);
	}
	blk_commit(dev);
	model.held = false;
}

static void expect_writes(struct fake_request **r, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(r[i]->result, 0);
		assert_memory_equal(model.disk + 512 * i, r[i]->data, 512);
		fake_request_free(r[i]);
	}
}

static void test_queues_are_filled_and_flushes_wait(void **state)
{
	struct fake_request *r[50], *flush = fake_request_make(BLK_FLUSH, 0, 0, NULL);
	struct blkdev *dev = take();

	(void)state;
	submit_writes(dev, r, 50, false);
	submit(dev, flush);
	fake_pass(NSEC_PER_MSEC);
	expect_writes(r, 50);
	assert_int_equal(flush->result, 0);
	fake_request_free(flush);
	assert_int_equal(model.most, 32);
	assert_int_equal(model.queued, 50);
	assert_int_equal(model.flushes, 1);
	assert_true(dev->counters.interrupts < 10);
}

/* The disk has no FUA, so that a write is safe after a flush: one for many. */
static void test_one_flush_makes_many_writes_safe(void **state)
{
	struct fake_request *r[20];
	struct blkdev *dev = take();

	(void)state;
	submit_writes(dev, r, 20, true);
	fake_pass(NSEC_PER_MSEC);
	expect_writes(r, 20);
	assert_int_equal(model.writes, 20);
	assert_int_equal(model.flushes, 1);
	assert_int_equal(dev->counters.requests[BLK_WRITE], 20);
	assert_int_equal(dev->counters.requests[BLK_FLUSH], 0);
}

static void test_a_disk_with_fua_needs_no_flush(void **state)
{
	struct fake_request *r[3];
	struct blkdev *dev;

	(void)state;
	model.identify[84] = 0x4040;
	dev = take();
	submit_writes(dev, r, 3, true);
	fake_pass(NSEC_PER_MSEC);
	expect_writes(r, 3);
	assert_int_equal(model.fua, 3);
	assert_int_equal(model.flushes, 0);
}

static void test_a_disk_without_queues(void **state)
{
	struct fake_request *r[5];
	struct blkdev *dev;

	(void)state;
	model.identify[76] = 0;
	dev = take();
	submit_writes(dev, r, 5, false);
	fake_pass(NSEC_PER_MSEC);
	expect_writes(r, 5);
	assert_int_equal(model.queued, 0);
	assert_int_equal(model.most, 1);
}

static void test_discards(void **state)
{
	struct blkdev *dev = take();

	(void)state;
	assert_int_equal(request(dev, BLK_DISCARD, 4096, 1 * MIB), 0);
	assert_int_equal(model.trims, 1);
	assert_int_equal(model.disk[4095] << 8 | model.disk[4096], 0xdd);
	assert_int_equal(model.disk[4095 + MIB] << 8 | model.disk[4096 + MIB], 0xdd00);
	assert_int_equal(request(dev, BLK_WRITE_ZEROES, 0, 4096), -EOPNOTSUPP);
}

/* One of several queued commands fails: the disk says which, and the others do not suffer. */
static void one_of_many_fails(bool silent, bool no_log)
{
	struct blkdev *dev = take();
	struct fake_request *r[10];

	model.silent_errors = silent;
	model.no_log = no_log;
	model.bad_lba = 4;
	model.bad_error = ATA_ERROR_UNCORRECTABLE;
	model.bad_times = 100;
	submit_writes(dev, r, 10, false);
	fake_pass(NSEC_PER_MSEC);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(r[i]->result, i == 4 ? -EIO : 0);
		if (i != 4)
			assert_memory_equal(model.disk + 512 * i, r[i]->data, 512);
		fake_request_free(r[i]);
	}
	assert_int_equal(model.logs, 1);
	assert_int_equal(model.resets, 0); /* no COMRESET for it */
	assert_int_equal(dev->counters.resets, 0);
	assert_non_null(strstr(fake_line, "uncorrectable data error; it has failed"));
	assert_int_equal(fake_warnings, 1);
	assert_false(dev->gone);
	assert_int_equal(dev->counters.errors, 1);

	model.queued = 0;
	assert_int_equal(request(dev, BLK_READ, 0, 512), 0);
	assert_int_equal(model.queued, 1); /* queues are in use again */
}

static void test_the_disk_says_which_command_failed(void **state)
{
	(void)state;
	one_of_many_fails(false, false);
}

static void test_an_error_that_the_controller_does_not_report(void **state)
{
	(void)state;
	one_of_many_fails(true, false);
}

static void test_a_disk_without_the_log_is_asked_one_by_one(void **state)
{
	(void)state;
	one_of_many_fails(true, true);
}

/* The task file is a later command's then. */
static void test_an_error_that_is_not_the_end_of_what_was_queued(void **state)
{
	(void)state;
	model.goes_on = true;
	one_of_many_fails(false, true);
}

static void test_errors_that_may_pass_are_tried_again(void **state)
{
	struct blkdev *dev;

	(void)state;
	model.identify[76] = 0;
	dev = take();
	model.bad_error = ATA_ERROR_ABORTED;
	model.bad_times = 2;
	assert_int_equal(request(dev, BLK_WRITE, 0, 512), 0);
	assert_int_equal(dev->counters.retries, 2);
	model.bad_times = 3;
	assert_int_equal(request(dev, BLK_WRITE, 0, 512), -EIO);
	for (unsigned i = 0; i < 20; i++) {
		model.bad_times = 3;
		assert_int_equal(request(dev, BLK_READ, 0, 512), -EIO);
	}
	assert_false(dev->gone); /* it answers */
	assert_int_equal(fake_warnings, 1);
}

static void test_no_answer_leads_to_comreset_and_another_try(void **state)
{
	struct blkdev *dev = take();
	struct fake_request *r[3];

	(void)state;
	model.deaf = true;
	submit_writes(dev, r, 3, false);
	fake_pass(9 * NSEC_PER_SEC);
	assert_int_equal(r[0]->result, 1);
	fake_pass(10 * NSEC_PER_SEC);
	expect_writes(r, 3);
	assert_int_equal(model.resets, 1);
	assert_int_equal(dev->counters.resets, 1);
	assert_int_equal(fake_warnings, 1);
}

static void test_a_disk_that_is_pulled_out(void **state)
{
	struct blkdev *dev = take();
	struct fake_request *r[3];

	model.deaf = true;
	submit_writes(dev, r, 3, false);
	fake_pass(NSEC_PER_MSEC);
	model.pulled = true;
	if (*state) { /* it says so, by an interrupt */
		model_interrupt(0x00400000);
	}
	fake_pass(3 * NSEC_PER_SEC); /* no deadline has to pass */
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(r[i]->result, -ENODEV);
		fake_request_free(r[i]);
	}
	assert_true(dev->gone);
	assert_int_equal(fake_errors, 1);
	assert_int_equal(*model_port(DISK, AHCI_PORT_SCTL) & AHCI_DET, AHCI_DET_OFF);
	assert_true(fake_master);
}

static void test_a_port_that_does_not_stop_reaches_no_memory(void **state)
{
	struct blkdev *dev = take();
	struct fake_request *r[1];

	(void)state;
	model.deaf = model.wedged = true;
	submit_writes(dev, r, 1, false);
	fake_pass(NSEC_PER_MSEC);
	model.pulled = true;
	fake_pass(5 * NSEC_PER_SEC);
	assert_int_equal(r[0]->result, -ENODEV);
	fake_request_free(r[0]);
	assert_false(fake_master);
	assert_int_equal(fake_errors, 2); /* that, and that the disk is gone */
}

static void test_power_off_writes_the_cache(void **state)
{
	unsigned flushes;

	(void)state;
	take();
	flushes = model.flushes;
	block_hosts_shutdown();
	assert_int_equal(model.flushes, flushes + 1);
	assert_int_equal(model.standbys, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_disk_is_found_among_other_things, start),
		cmocka_unit_test_setup(test_an_empty_controller_is_left_alone, start),
		cmocka_unit_test_setup(test_every_call_may_fail, start),
		cmocka_unit_test_setup(test_data_goes_where_the_segments_say, start),
		cmocka_unit_test_setup(test_queues_are_filled_and_flushes_wait, start),
		cmocka_unit_test_setup(test_one_flush_makes_many_writes_safe, start),
		cmocka_unit_test_setup(test_a_disk_with_fua_needs_no_flush, start),
		cmocka_unit_test_setup(test_a_disk_without_queues, start),
		cmocka_unit_test_setup(test_discards, start),
		cmocka_unit_test_setup(test_the_disk_says_which_command_failed, start),
		cmocka_unit_test_setup(test_an_error_that_the_controller_does_not_report,
				       start),
		cmocka_unit_test_setup(test_a_disk_without_the_log_is_asked_one_by_one, start),
		cmocka_unit_test_setup(test_an_error_that_is_not_the_end_of_what_was_queued,
				       start),
		cmocka_unit_test_setup(test_errors_that_may_pass_are_tried_again, start),
		cmocka_unit_test_setup(test_no_answer_leads_to_comreset_and_another_try, start),
		cmocka_unit_test_setup(test_a_disk_that_is_pulled_out, start),
		cmocka_unit_test_prestate_setup_teardown(test_a_disk_that_is_pulled_out, start,
							 NULL, &model),
		cmocka_unit_test_setup(test_a_port_that_does_not_stop_reaches_no_memory, start),
		cmocka_unit_test_setup(test_power_off_writes_the_cache, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

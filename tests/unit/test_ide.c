/*
 * The IDE driver on a controller that is played port by port: what is found, data on both
 * drives of a channel, addresses, flushes, native mode. What goes wrong is test_ide_broken.c's.
 */
/* links: drivers/block/ide.c drivers/block/ide_channel.c */
/* links: drivers/block/ata.c drivers/block/gather.c drivers/block/queue.c */
/* links: drivers/block/host.c */
/* links: drivers/block/bounce.c kernel/io/blkdev.c */
/* links: tests/unit/fake_block.c tests/unit/fake_threads.c */
#include "tests/unit/ide_machine.h"

static void test_what_is_found(void **state)
{
	struct blkdev *slave = take_controller(&ide_driver), *master = disk_before(slave);

	(void)state;
	assert_string_equal(master->location, "pci:00:03.0/ata0-master");
	assert_string_equal(slave->location, "pci:00:03.0/ata0-slave");
	assert_string_equal(master->serial, "S1");
	assert_int_equal(master->bytes, DISK_BYTES);
	assert_int_equal(slave->bytes, DISK_BYTES);
	assert_true(master->write_cache && slave->write_cache);
	assert_int_equal(channels[0].bm_status, 0x60); /* firmware's bits are kept */
}

static void test_controllers_that_are_not_ours(void **state)
{
	(void)state;
	assert_true(ide_driver.match(&fake_pci));
	fake_pci.class_code = 0x010100; /* no bus master */
	assert_false(ide_driver.match(&fake_pci));
	fake_pci.class_code = 0x010680;
	assert_false(ide_driver.match(&fake_pci));
	fake_pci.class_code = 0x010180;
	fake_pci.bars[4].address = 0;
	assert_false(ide_driver.match(&fake_pci));
}

/* Nobody on the cable, nobody at the ports, a drive that stays busy. */
static void test_a_controller_without_disks(void **state)
{
	for (unsigned how = 0; how < 4; how++) {
		struct blkdev *before = last_disk();

		start(state);
		channels[0].drives[0].there = channels[0].drives[1].there = how >= 2;
		far = how == 3; /* no page for its table */
		channels[0].floating = how == 1;
		channels[0].status = how == 2 ? BUSY : READY;
		assert_int_equal(ide_driver.probe(&fake_pci), how == 3 ? -ENOMEM : -ENODEV);
		assert_ptr_equal(last_disk(), before);
		assert_int_equal(fake_allocated, 0);
		assert_false(fake_master);
	}
}

static void test_data_goes_where_the_segments_say(void **state)
{
	static const struct request_shape shapes[] = {
		{0, {512}},    {512, {3584}},		{2, {524288}},
		{6, {510, 2}}, {0, {512, 512, 131072}}, {1, {512}}, /* bounces */
	};
	struct blkdev *slave = take_controller(&ide_driver), *master = disk_before(slave);

	(void)state;
	write_and_read(master, shapes, ARRAY_SIZE(shapes));
	write_and_read(slave, shapes, ARRAY_SIZE(shapes));
	assert_int_equal(request(master, BLK_WRITE, DISK_BYTES - 512, 512), 0);
	assert_int_equal(fake_warnings + fake_errors, 0);
}

/* Every bit of a block's number, with 48 and with 28. */
static void test_addresses(void **state)
{
	struct channel *c = &channels[0];
	struct blkdev *master, *slave;

	(void)state;
	c->drives[0].words[102] = 0xffff;
	c->drives[1].words[61] = 0x0fff;
	slave = take_controller(&ide_driver);
	master = disk_before(slave);
	for (unsigned bit = 0; bit < 48; bit++) {
		assert_int_equal(request(master, BLK_READ, 512ull << bit, 512), 0);
		assert_true(c->last_block == 1ull << bit);
	}
	for (unsigned bit = 0; bit < 28; bit++) {
		assert_int_equal(request(slave, BLK_READ, 512ull << bit, 512), 0);
		assert_true(c->last_block == 1ull << bit);
	}
}

static void test_a_flush_follows_a_write_that_must_be_safe(void **state)
{
	struct blkdev *dev = take_controller(&ide_driver);
	struct fake_request *w = fake_request_make(BLK_WRITE, 0, 0, (uint32_t[4]){262144});

	(void)state;
	assert_int_equal(request(dev, BLK_FLUSH, 0, 0), 0);
	assert_int_equal(channels[0].flushes, 1);
	w->io.fua = true;
	submit(dev, w);
	fake_pass(NSEC_PER_MSEC);
	assert_int_equal(w->result, 0);
	assert_int_equal(channels[0].writes, 2); /* of 256 blocks, which is 0 */
	assert_int_equal(channels[0].flushes, 2);
	fake_request_free(w);
	w = fake_request_make(BLK_WRITE, 0, 1, one_block); /* bounces */
	w->io.fua = true;
	submit(dev, w);
	fake_pass(NSEC_PER_MSEC);
	assert_int_equal(w->result, 0);
	assert_int_equal(channels[0].flushes, 3);
	fake_request_free(w);
}

/* Both channels with BARs of their own share the pin. */
static void test_native_mode(void **state)
{
	struct blkdev *dev;

	(void)state;
	fake_pci.class_code = 0x010185;
	fake_pin = true;
	fake_vectors = 1;
	channels[1].drives[0] = (struct drive){0};
	put_disk(&channels[1].drives[0], true);
	for (unsigned i = 0; i < 2; i++) {
		channels[i].command_port = (uint16_t)(NATIVE_BASE + 0x20 * i);
		channels[i].control_port = (uint16_t)(NATIVE_BASE + 0x20 * i + 0x12);
		fake_pci.bars[2 * i] = (struct pci_bar){
			.address = channels[i].command_port, .bytes = 8, .io = true};
		fake_pci.bars[2 * i + 1] = (struct pci_bar){
			.address = channels[i].control_port - 2, .bytes = 4, .io = true};
		channels[i].silent = true;
	}
	dev = take_controller(&ide_driver);
	assert_string_equal(dev->location, "pci:00:03.0/ata1-master");
	for (unsigned i = 0; i < 2; i++) {
		struct fake_request *r = fake_request_make(BLK_READ, 0, 0, one_block);

		submit(i ? disk_before(dev) : dev, r);
		fake_pass(NSEC_PER_MSEC);
		assert_true(fake_interrupt(0));
		assert_int_equal(r->result, 0);
		assert_false(fake_interrupt(0));
		fake_request_free(r);
	}
	start(NULL);
	fake_pci.class_code = 0x010185; /* BARs that firmware has not set */
	assert_int_equal(ide_driver.probe(&fake_pci), -ENODEV);
}

static void test_power_off_flushes_both(void **state)
{
	unsigned before;

	take_controller(&ide_driver);
	before = channels[0].flushes;
	(void)state;
	block_hosts_shutdown(); /* those of earlier tests, too, at the same ports */
	assert_true(channels[0].flushes >= before + 2);
	assert_int_equal(channels[0].flushes % 2, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_what_is_found, start),
		cmocka_unit_test_setup(test_controllers_that_are_not_ours, start),
		cmocka_unit_test_setup(test_a_controller_without_disks, start),
		cmocka_unit_test_setup(test_data_goes_where_the_segments_say, start),
		cmocka_unit_test_setup(test_addresses, start),
		cmocka_unit_test_setup(test_a_flush_follows_a_write_that_must_be_safe, start),
		cmocka_unit_test_setup(test_power_off_flushes_both, start),
		cmocka_unit_test_setup(test_native_mode, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

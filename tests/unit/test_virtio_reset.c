/*
 * The end of a virtio device's work: resets amid I/O, of the device and of one queue, what
 * breaks a device and what mends it, and its own end.
 */
/* links: guests/devices/virtio/virtio.c guests/devices/virtio/registers.c */
/* links: guests/devices/virtio/queue.c guests/devices/virtio/split.c */
/* links: guests/devices/virtio/packed.c guests/pci/pci.c guests/pci/access.c */
/* links: guests/pci/bars.c guests/pci/function.c guests/pci/msix.c guests/pci/pins.c */
/* links: kernel/vmm/bus.c tests/unit/fake_vmm.c tests/unit/fake_gmem.c */
/* links: tests/unit/fake_threads.c */
#include "tests/unit/virtio_echo.h"

/* ---- resets ---- */

static void test_reset_amid_io(void **state)
{
	(void)state;
	bring_up(0);
	hold = true;
	add(0);
	virtio_pci_kick(&pci, 0);
	assert_int_equal(device.queues[0].q.in_flight, 1);
	common_write(&pci, STATUS, 1, 0);
	assert_int_equal(common_read(&pci, STATUS, 1),
			 READY); /* not before the thread let go */
	assert_true(fake.pinned);
	common_write(&pci, DEVICE_SELECT, 4, 1); /* too early: nothing is taken */
	assert_int_equal(common_read(&pci, DEVICE_SELECT, 4), 0);
	common_write(&pci, STATUS, 1, 0);
	fake_threads_run();
	assert_int_equal(common_read(&pci, STATUS, 1), 0);
	assert_int_equal(stops, 1);
	assert_int_equal(fake.pinned, 0);
	common_write(&pci, QUEUE_SELECT, 2, 0);
	assert_int_equal(common_read(&pci, QUEUE_ENABLE, 2), 0);
	assert_int_equal(common_read(&pci, QUEUE_DESC, 8), 0);
	assert_int_equal(common_read(&pci, QUEUE_VECTOR, 2), 0xffff);
	assert_int_equal(common_read(&pci, CONFIG_VECTOR, 2), 0xffff);
	hold = false;
	bring_up(0);
	check_works(0);
}

/* DRIVER_OK and a reset before the thread had a turn: it must not start what is gone. */
static void test_reset_before_start(void **state)
{
	(void)state;
	assert_true(virtio_pci_negotiate(&pci, VERSION_1));
	virtio_pci_enable_queue(&pci, 0, RING(0), &drivers[0]);
	virtio_pci_driver_ok(&pci);
	common_write(&pci, STATUS, 1, 0);
	fake_threads_run();
	assert_int_equal(common_read(&pci, STATUS, 1), 0);
	assert_int_equal(starts, 0);
	assert_int_equal(fake.pinned, 0);
}

static void test_function_level_reset(void **state)
{
	(void)state;
	bring_up(0);
	for (unsigned at = cfg_read(&pci, 0x34, 1); at; at = cfg_read(&pci, at + 1, 1))
		if (cfg_read(&pci, at, 1) == 0x13)
			cfg_write(&pci, at + 4, 1, 1);
	fake_threads_run();
	assert_int_equal(stops, 1);
	assert_int_equal(device.status, 0);
	assert_int_equal(fake.pinned, 0);
}

static void test_queue_reset(void **state)
{
	(void)state;
	bring_up(BIT(VIRTIO_F_RING_RESET));
	hold = true;
	add(1);
	virtio_pci_kick(&pci, 1);
	common_write(&pci, QUEUE_SELECT, 2, 1);
	common_write(&pci, QUEUE_RESET, 2, 1);
	assert_int_equal(common_read(&pci, QUEUE_RESET, 2), 1);
	assert_int_equal(common_read(&pci, QUEUE_ENABLE, 2), 1);
	common_write(&pci, QUEUE_DESC, 8, 0);
	fake_threads_run();
	assert_int_equal(common_read(&pci, QUEUE_RESET, 2), 0);
	assert_int_equal(common_read(&pci, QUEUE_ENABLE, 2), 0);
	assert_int_equal(held_queue_stops, 1);
	assert_int_equal(stops, 0);
	hold = false;
	check_works(0);
	virtio_pci_enable_queue(&pci, 1, RING(5), &drivers[1]);
	add(1);
	fake_threads_run();
	check_works(2);
	check_works(1);
}

static void test_queue_reset_not_negotiated(void **state)
{
	(void)state;
	bring_up(0);
	common_write(&pci, QUEUE_SELECT, 2, 1);
	common_write(&pci, QUEUE_RESET, 2, 1);
	assert_int_equal(common_read(&pci, QUEUE_RESET, 2), 0);
	check_works(1);
}

/* ---- broken devices ---- */

static void break_queue(unsigned queue)
{
	const struct driver_buffer buffer = {GMEM_LOW_MAX, 100, true};

	driver_add(&drivers[queue], &buffer, 1, false);
	virtio_pci_kick(&pci, queue);
}

static void test_broken_and_mended(void **state)
{
	(void)state;
	bring_up(0);
	fake_message_count = 0;
	break_queue(1);
	assert_int_equal(common_read(&pci, STATUS, 1), READY | NEEDS_RESET);
	assert_int_equal(stops, 1);
	assert_int_equal(fake.pinned, 0);
	assert_int_equal(fake_message_count, 1);
	assert_int_equal(fake_messages[0].data, 0);
	assert_int_equal(fake_log_lines, 1);
	services = 0;
	add(0);
	virtio_pci_kick(&pci, 0);
	virtio_wake(&device);
	fake_threads_run();
	assert_int_equal(services, 0);
	reset_device();
	bring_up(0);
	check_works(0);
	check_works(1);
}

static void test_broken_at_start(void **state)
{
	(void)state;
	assert_true(virtio_pci_negotiate(&pci, VERSION_1));
	virtio_pci_enable_queue(&pci, 0, RING(0), &drivers[0]);
	common_write(&pci, QUEUE_SELECT, 2, 1);
	common_write(&pci, QUEUE_ENABLE, 2, 1);
	common_write(&pci, QUEUE_SELECT, 2, 2);
	common_write(&pci, QUEUE_DESC, 8, GMEM_LOW_MAX);
	common_write(&pci, QUEUE_ENABLE, 2, 1);
	virtio_pci_driver_ok(&pci);
	fake_threads_run();
	assert_int_equal(common_read(&pci, STATUS, 1), READY | NEEDS_RESET);
	assert_int_equal(starts, 0);
	assert_int_equal(stops, 0);
	assert_int_equal(fake.pinned, 0);
	reset_device();
	bring_up(0);
	check_works(1);
}

static void test_broken_starts_no_queue(void **state)
{
	(void)state;
	assert_true(virtio_pci_negotiate(&pci, VERSION_1));
	virtio_pci_enable_queue(&pci, 0, RING(0), &drivers[0]);
	virtio_pci_driver_ok(&pci);
	fake_threads_run();
	break_queue(0);
	virtio_pci_enable_queue(&pci, 1, RING(1), &drivers[1]);
	fake_threads_run();
	assert_int_equal(fake.pinned, 0);
}

/* A guest that breaks its device for ever does not fill the log. */
static void test_broken_again_and_again(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		bring_up(0);
		break_queue(i % QUEUES);
		reset_device();
	}
	assert_int_equal(fake_log_lines, 8);
}

/* ---- its life ---- */

static void test_destroyed_amid_io(void **state)
{
	(void)state;
	bring_up(0);
	hold = true;
	add(0);
	virtio_pci_kick(&pci, 0);
	virtio_destroy(&device);
	assert_int_equal(stops, 1);
	assert_int_equal(fake.pinned, 0);
}

static void test_create_without_memory(void **state)
{
	struct virtio other = {.queue_count = 1, .config = config};

	(void)state;
	fake_threads_refused = true;
	assert_int_equal(virtio_create(&other, &type, &vm->board, root, 0), -ENOMEM);
	fake_threads_refused = false;
	virtio_destroy(&other);
	assert_int_equal(fake_read(vm, &vm->mmio, PCI_ECAM_BASE + (2 << 15), 4), UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reset_amid_io),
		TEST(test_reset_before_start),
		TEST(test_function_level_reset),
		TEST(test_queue_reset),
		TEST(test_queue_reset_not_negotiated),
		TEST(test_broken_and_mended),
		TEST(test_broken_at_start),
		TEST(test_broken_starts_no_queue),
		TEST(test_broken_again_and_again),
		TEST(test_destroyed_amid_io),
		TEST(test_create_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

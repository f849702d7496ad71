/*
 * The registers of the virtio transport as a driver meets them: what the capabilities say,
 * features and status, queues and kicks, interrupts both ways; and registers full of nonsense.
 * Resets and broken devices are test_virtio_reset.c's.
 */
/* links: guests/devices/virtio/virtio.c guests/devices/virtio/registers.c */
/* links: guests/devices/virtio/queue.c guests/devices/virtio/split.c */
/* links: guests/devices/virtio/packed.c guests/pci/pci.c guests/pci/access.c */
/* links: guests/pci/bars.c guests/pci/function.c guests/pci/msix.c guests/pci/pins.c */
/* links: kernel/vmm/bus.c tests/unit/fake_vmm.c tests/unit/fake_gmem.c */
/* links: tests/unit/fake_threads.c */
#include "tests/unit/virtio_echo.h"

/* ---- what it looks like ---- */

static void test_identity(void **state)
{
	(void)state;
	assert_int_equal(cfg_read(&pci, 0, 4), 0x106a1af4);
	assert_int_equal(cfg_read(&pci, 8, 4), 0xff000001);
	assert_true(cfg_read(&pci, 0x2e, 2) >= 0x40);
	assert_string_equal(device.name, "virtio-test 00:01.0");
}

static void test_capabilities(void **state)
{
	(void)state;
	for (unsigned cfg = CFG_COMMON; cfg < CFG_TYPES; cfg++) {
		unsigned at = pci.capability[cfg];

		assert_int_not_equal(at, 0);
		assert_int_equal(cfg_read(&pci, at + 2, 1),
				 cfg == CFG_NOTIFY || cfg == CFG_PCI ? 20 : 16);
	}
	assert_int_equal(cfg_read(&pci, pci.capability[CFG_DEVICE] + 12, 4), sizeof(config));
	/* Ports come first, and both ways have one address for all queues. */
	assert_int_equal(cfg_read(&pci, pci.capability[CFG_NOTIFY] + 4, 1), 0);
	assert_int_equal(cfg_read(&pci, pci.capability[CFG_NOTIFY] + 16, 4), 0);
	assert_int_not_equal(pci.notify_port, 0);
	assert_int_not_equal(pci.notify, 0);
	assert_int_equal(pci.common % 4, 0);
	assert_int_equal(pci.device % 4, 0);
}

static void test_capabilities_are_read_only(void **state)
{
	unsigned at = pci.capability[CFG_COMMON];

	(void)state;
	cfg_write(&pci, at + 4, 1, 5);
	cfg_write(&pci, at + 8, 4, UINT32_MAX);
	assert_int_equal(cfg_read(&pci, at + 4, 1), 2);
	assert_int_equal(cfg_read(&pci, at + 8, 4), 0);
}

/* An access through VIRTIO_PCI_CAP_PCI_CFG. */
static void aim(uint8_t bar, uint32_t offset, uint32_t bytes)
{
	unsigned at = pci.capability[CFG_PCI];

	cfg_write(&pci, at + 4, 1, bar);
	cfg_write(&pci, at + 8, 4, offset);
	cfg_write(&pci, at + 12, 4, bytes);
}

static void test_access_through_configuration_space(void **state)
{
	unsigned data = pci.capability[CFG_PCI] + 16;

	(void)state;
	aim(2, STATUS, 1);
	cfg_write(&pci, data, 1, ACKNOWLEDGE);
	assert_int_equal(common_read(&pci, STATUS, 1), ACKNOWLEDGE);
	common_write(&pci, STATUS, 1, ACKNOWLEDGE | DRIVER);
	assert_int_equal(cfg_read(&pci, data, 1), ACKNOWLEDGE | DRIVER);
	aim(2, NUM_QUEUES, 2);
	assert_int_equal(cfg_read(&pci, data, 4) & 0xffff, QUEUES);
	aim(2, DRIVER_SELECT, 4);
	cfg_write(&pci, data, 4, 77);
	assert_int_equal(common_read(&pci, DRIVER_SELECT, 4), 77);
	aim(2, 0x800, 4);
	config[2] = 9;
	assert_int_equal(cfg_read(&pci, data, 4), 9 << 16);
}

static void test_access_through_configuration_space_to_nowhere(void **state)
{
	static const struct {
		uint8_t bar;
		uint32_t offset, bytes;
	} wrong[] = {{1, 0, 4},	     {3, 0, 4},		 {6, 0, 4}, {255, 0, 4},
		     {2, STATUS, 0}, {2, STATUS, 3},	 {2, 0, 8}, {2, 2, 4},
		     {2, 0x1000, 4}, {2, UINT32_MAX, 1}, {0, 4, 2}, {2, 0, UINT32_MAX}};
	unsigned data = pci.capability[CFG_PCI] + 16;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		aim(wrong[i].bar, wrong[i].offset, wrong[i].bytes);
		cfg_write(&pci, data, 4, 0x5a5a5a5a);
		assert_int_equal(cfg_read(&pci, data, 4), 0x5a5a5a5a); /* mere memory */
	}
	assert_int_equal(common_read(&pci, STATUS, 1), 0);
	assert_int_equal(common_read(&pci, DEVICE_SELECT, 4), 0);
	assert_false(fake_threads_pending());
}

/* ---- features and status ---- */

static uint64_t offered(void)
{
	uint64_t features = 0;

	for (unsigned word = 0; word < 2; word++) {
		common_write(&pci, DEVICE_SELECT, 4, word);
		features |= common_read(&pci, DEVICE_FEATURE, 4) << 32 * word;
	}
	return features;
}

static void test_features_offered(void **state)
{
	(void)state;
	assert_int_equal(offered(),
			 FEATURES | VERSION_1 | BIT(28) | BIT(29) | BIT(34) | BIT(40));
	common_write(&pci, DEVICE_SELECT, 4, 2);
	assert_int_equal(common_read(&pci, DEVICE_FEATURE, 4), 0);
	common_write(&pci, DEVICE_SELECT, 4, UINT32_MAX);
	assert_int_equal(common_read(&pci, DEVICE_FEATURE, 4), 0);
}

static void test_features_refused(void **state)
{
	(void)state;
	assert_false(virtio_pci_negotiate(&pci, FEATURES)); /* a legacy driver */
	reset_device();
	assert_false(virtio_pci_negotiate(&pci, VERSION_1 | BIT(7))); /* not in this instance */
	assert_int_equal(device.features, 0);
	virtio_pci_driver_ok(&pci); /* nor does it start by force */
	fake_threads_run();
	assert_int_equal(common_read(&pci, STATUS, 1), ACKNOWLEDGE | DRIVER);
	assert_int_equal(starts, 0);
	common_write(&pci, DRIVER_SELECT, 4, 2);
	common_write(&pci, DRIVER_FEATURE, 4, UINT32_MAX);
	assert_int_equal(common_read(&pci, DRIVER_FEATURE, 4), 0);
	assert_true(virtio_pci_negotiate(&pci, VERSION_1 | BIT(5))); /* a second try */
	assert_int_equal(device.features, VERSION_1 | BIT(5));
}

static void test_features_fixed(void **state)
{
	(void)state;
	assert_true(virtio_pci_negotiate(&pci, VERSION_1 | BIT(0)));
	common_write(&pci, DRIVER_SELECT, 4, 0);
	common_write(&pci, DRIVER_FEATURE, 4, BIT(5));
	assert_int_equal(common_read(&pci, DRIVER_FEATURE, 4), BIT(0));
	common_write(&pci, STATUS, 1, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	assert_int_equal(device.features, VERSION_1 | BIT(0));
}

static void test_status_bits(void **state)
{
	(void)state;
	common_write(&pci, STATUS, 1, ACKNOWLEDGE);
	common_write(&pci, STATUS, 1, DRIVER | NEEDS_RESET);
	assert_int_equal(common_read(&pci, STATUS, 1), ACKNOWLEDGE | DRIVER);
	common_write(&pci, STATUS, 1, 128);
	assert_int_equal(common_read(&pci, STATUS, 1), ACKNOWLEDGE | DRIVER | 128);
	common_write(&pci, STATUS, 1, DRIVER_OK); /* no features were agreed on */
	assert_int_equal(common_read(&pci, STATUS, 1), ACKNOWLEDGE | DRIVER | 128);
	reset_device();
}

/* ---- queues ---- */

static void test_queue_registers(void **state)
{
	(void)state;
	common_write(&pci, QUEUE_SELECT, 2, 1);
	assert_int_equal(common_read(&pci, NUM_QUEUES, 2), QUEUES);
	assert_int_equal(common_read(&pci, QUEUE_SIZE, 2), QUEUE_MAX);
	assert_int_equal(common_read(&pci, QUEUE_VECTOR, 2), 0xffff);
	assert_int_equal(common_read(&pci, QUEUE_ENABLE, 2), 0);
	common_write(&pci, QUEUE_SIZE, 2, 16);
	common_write(&pci, QUEUE_SIZE, 2, 0);
	common_write(&pci, QUEUE_SIZE, 2, QUEUE_MAX + 1);
	assert_int_equal(common_read(&pci, QUEUE_SIZE, 2), 16);
	common_write(&pci, QUEUE_VECTOR, 2, QUEUES);
	assert_int_equal(common_read(&pci, QUEUE_VECTOR, 2), QUEUES);
	common_write(&pci, QUEUE_VECTOR, 2, QUEUES + 1);
	assert_int_equal(common_read(&pci, QUEUE_VECTOR, 2), 0xffff);
	common_write(&pci, QUEUE_DESC + 4, 4, 0x12345678);
	common_write(&pci, QUEUE_DESC, 4, 0x9abcdef0);
	assert_int_equal(common_read(&pci, QUEUE_DESC, 8), 0x123456789abcdef0);
	assert_int_equal(common_read(&pci, QUEUE_DESC + 4, 4), 0x12345678);
	common_write(&pci, QUEUE_DRIVER, 8, 0xfedcba9876543210);
	assert_int_equal(common_read(&pci, QUEUE_DRIVER, 4), 0x76543210);
	common_write(&pci, QUEUE_ENABLE, 2, 1);
	common_write(&pci, QUEUE_ENABLE, 2, 0); /* the driver cannot take it back */
	common_write(&pci, QUEUE_DEVICE, 8, 1);
	common_write(&pci, QUEUE_SIZE, 2, 32);
	assert_int_equal(common_read(&pci, QUEUE_ENABLE, 2), 1);
	assert_int_equal(common_read(&pci, QUEUE_DEVICE, 8), 0);
	assert_int_equal(common_read(&pci, QUEUE_SIZE, 2), 16);
}

static void test_queue_that_is_not_there(void **state)
{
	(void)state;
	common_write(&pci, QUEUE_SELECT, 2, QUEUES);
	assert_int_equal(common_read(&pci, QUEUE_SIZE, 2), 0);
	common_write(&pci, QUEUE_ENABLE, 2, 1);
	common_write(&pci, QUEUE_DESC, 8, UINT64_MAX);
	common_write(&pci, QUEUE_SELECT, 2, UINT16_MAX);
	common_write(&pci, QUEUE_SIZE, 2, 8);
	common_write(&pci, QUEUE_RESET, 2, 1);
	for (unsigned offset = QUEUE_SIZE; offset < 64; offset += 2)
		if (offset != QUEUE_VECTOR)
			assert_int_equal(common_read(&pci, offset, 2), 0);
	bring_up(0);
	check_works(0);
}

static void test_traffic(void **state)
{
	static const uint64_t features[] = {
		0, BIT(VIRTIO_F_EVENT_IDX), BIT(VIRTIO_F_RING_PACKED),
		BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_EVENT_IDX)};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
		bring_up(features[i] & ~BIT(VIRTIO_F_EVENT_IDX));
		for (unsigned round = 0; round < 300; round++)
			check_works(round % QUEUES);
		reset_device();
	}
	assert_int_equal(device.queues[0].kicks, 400);
	assert_int_equal(device.queues[0].interrupts, 400);
}

static void test_kick_by_memory(void **state)
{
	uint32_t bytes;

	(void)state;
	bring_up(0);
	add(2);
	mem_write(&pci, pci.notify, 2, 2);
	fake_threads_run();
	assert_true(driver_take(&drivers[2], &bytes) >= 0);
}

static void test_kicks_that_are_none(void **state)
{
	(void)state;
	bring_up(0);
	add(0);
	fake_write(vm, &vm->pio, pci.notify_port, 2, QUEUES);
	fake_write(vm, &vm->pio, pci.notify_port, 2, UINT16_MAX);
	fake_write(vm, &vm->pio, pci.notify_port, 1, 0);
	fake_write(vm, &vm->pio, pci.notify_port, 4, 0);
	mem_write(&pci, pci.notify, 8, 0);
	mem_write(&pci, pci.notify + 1, 1, 0);
	assert_int_equal(fake_read(vm, &vm->pio, pci.notify_port, 2), 0);
	assert_int_equal(mem_read(&pci, pci.notify, 4), 0);
	assert_false(fake_threads_pending());
}

/* Kicks before there is anything to serve, or after. */
static void test_kick_early(void **state)
{
	(void)state;
	virtio_pci_kick(&pci, 0);
	assert_int_equal(services, 0);
	assert_true(virtio_pci_negotiate(&pci, VERSION_1));
	virtio_pci_enable_queue(&pci, 1, RING(1), &drivers[1]);
	add(1);
	virtio_pci_kick(&pci, 1);
	assert_int_equal(services, 0);
	virtio_pci_driver_ok(&pci);
	fake_threads_run();
	virtio_pci_kick(&pci, 0); /* it was not enabled */
	assert_int_equal(device.queues[1].q.in_flight, 0);
	assert_int_equal(device.queues[1].q.last_avail, 1);
}

/* ---- interrupts ---- */

static void test_pin(void **state)
{
	uint32_t bytes;

	(void)state;
	bring_up(0);
	cfg_write(&pci, pci.msix + 2, 2, 0);
	fake_message_count = 0;
	add(0);
	virtio_pci_kick(&pci, 0);
	assert_true(driver_take(&drivers[0], &bytes) >= 0);
	assert_true(fake_irq_level[GSI]);
	assert_int_equal(mem_read(&pci, pci.isr, 1), 1);
	assert_false(fake_irq_level[GSI]);
	assert_int_equal(mem_read(&pci, pci.isr, 1), 0);
	virtio_config_set(&device, 0, "x", 1);
	assert_true(fake_irq_level[GSI]);
	assert_int_equal(mem_read(&pci, pci.isr, 1), 2);
	assert_int_equal(fake_message_count, 0);
	add(0);
	virtio_pci_kick(&pci, 0);
	reset_device();
	assert_false(fake_irq_level[GSI]);
}

static void test_no_vector(void **state)
{
	(void)state;
	bring_up(0);
	common_write(&pci, QUEUE_SELECT, 2, 0);
	common_write(&pci, QUEUE_VECTOR, 2, 0xffff);
	fake_message_count = 0;
	add(0);
	virtio_pci_kick(&pci, 0);
	assert_int_equal(fake_message_count, 0);
	assert_false(fake_irq_level[GSI]);
}

static void test_config_change(void **state)
{
	uint64_t generation = common_read(&pci, GENERATION, 1);

	(void)state;
	virtio_config_set(&device, 4, "abcd", 4); /* no driver to tell yet */
	assert_int_equal(fake_message_count, 0);
	bring_up(0);
	virtio_config_set(&device, 8, "efgh", 4);
	assert_int_equal(fake_message_count, 1);
	assert_int_equal(fake_messages[0].data, 0);
	assert_int_not_equal(common_read(&pci, GENERATION, 1), generation);
	assert_int_equal(mem_read(&pci, pci.device + 4, 8), 0x6867666564636261);
	assert_int_equal(mem_read(&pci, pci.device + 8, 8), 0x68676665); /* its end */
	assert_int_equal(mem_read(&pci, pci.device + 12, 4), 0);
}

static void test_config_write(void **state)
{
	(void)state;
	mem_write(&pci, pci.device + 8, 4, 0x01020304);
	assert_int_equal(mem_read(&pci, pci.device + 8, 4), 0x01020304);
	mem_write(&pci, pci.device + 9, 4, 0);
	mem_write(&pci, pci.device + 12, 1, 0);
	mem_write(&pci, pci.device, 8, 0);
	assert_int_equal(config_writes, 1);
}

/* Whatever is written wherever, at whichever width, and whenever the thread runs. */
static void test_nonsense(void **state)
{
	static const unsigned widths[] = {1, 2, 4, 8};
	static const uint8_t statuses[] = {0, 1, 3, 11, 15, 0x40, 0xff};
	uint64_t seed = 4711;

	(void)state;
	for (unsigned i = 0; i < 300000; i++) {
		uint64_t r = fake_random(&seed), value = fake_random(&seed);
		unsigned bytes = widths[r % 4];
		uint64_t offset = (r >> 8) % 0x1000;

		if (r >> 32 & 3)
			offset = (r >> 8) % 64;
		if (r >> 34 & 1)
			value &= 0x1ff003;
		if (r >> 35 & 1)
			mem_read(&pci, pci.common + offset, bytes);
		else
			mem_write(&pci, pci.common + offset, bytes, value);
		if (!(r >> 40 & 7))
			common_write(&pci, STATUS, 1, statuses[(r >> 44) % 7]);
		if (!(r >> 48 & 15))
			fake_threads_run();
		if (!(r >> 52 & 255))
			virtio_pci_negotiate(&pci, VERSION_1 | (value & BIT(40)));
	}
	fake_threads_run();
	reset_device();
	bring_up(0);
	check_works(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_identity),
		TEST(test_capabilities),
		TEST(test_capabilities_are_read_only),
		TEST(test_access_through_configuration_space),
		TEST(test_access_through_configuration_space_to_nowhere),
		TEST(test_features_offered),
		TEST(test_features_refused),
		TEST(test_features_fixed),
		TEST(test_status_bits),
		TEST(test_queue_registers),
		TEST(test_queue_that_is_not_there),
		TEST(test_traffic),
		TEST(test_kick_by_memory),
		TEST(test_kicks_that_are_none),
		TEST(test_kick_early),
		TEST(test_pin),
		TEST(test_no_vector),
		TEST(test_config_change),
		TEST(test_config_write),
		TEST(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

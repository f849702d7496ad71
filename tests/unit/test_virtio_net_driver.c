/*
 * The driver of the machine's virtio network devices, on a device that is played: what is
 * agreed on, commands, interrupts. Frames are test_virtio_net_driver_frames.c's, and devices
 * that do wrong test_virtio_net_driver_broken.c's.
 */
/* links: drivers/net/virtio_net.c drivers/net/virtio_net_rx.c drivers/net/virtio_net_hdr.c */
/* links: drivers/net/nic.c drivers/virtio/vdev.c drivers/virtio/vring.c */
/* links: kernel/io/packet.c kernel/io/netdev.c tests/unit/fake_vdev.c tests/unit/fake_mmio.c */
/* links: tests/unit/fake_vdev_around.c tests/unit/fake_vmm.c tests/unit/fake_threads.c */
/* links: kernel/vmm/bus.c */
#include "tests/unit/virtio_net_nic.h"

/* ---- the start --------------------------------------------------------------------------- */

/* Features that it does not know are left alone; each queue is taken as it is offered. */
static void test_start(void **state)
{
	struct fake_chain c;

	(void)state;
	offer(UINT64_MAX & ~BIT(VIRTIO_F_ACCESS_PLATFORM));
	fake_vdev.queues[TX].size = 64;
	assert_int_equal(probe(), 0);
	assert_int_equal(fake_vdev.accepted, USED_FEATURES);
	assert_int_equal(fake_vdev.queues[RX].taken_size, RING);
	assert_int_equal(fake_vdev.queues[TX].taken_size, 64);
	assert_int_equal(fake_vdev.queues[CONTROL].taken_size, 8);
	assert_int_equal(fake_vdev.queues[RX].vector, 0);
	assert_int_equal(fake_vdev.queues[TX].vector, 0);
	assert_int_equal(fake_vdev.config_vector, 1);
	assert_int_equal(fake_vdev.starts, 1);

	assert_string_equal(nic->location, "pci:00:03.0");
	assert_memory_equal(nic->mac, fake_vdev.config, 6);
	assert_int_equal(nic->mtu, 1500);
	assert_int_equal(nic->features, NETDEV_TX_CSUM | NETDEV_TX_TSO4 | NETDEV_TX_TSO6 |
						NETDEV_RX_CSUM | NETDEV_RX_GSO);
	settle();
	assert_true(nic->link_up);
	assert_int_equal(fake_vdev_available(RX), RING);
	assert_int_equal(fake_vdev.queues[RX].doorbells, 1);
	while (fake_vdev_take(RX, &c))
		assert_true(c.indirect);
	pool = NULL;
	leave();
}

/* The least that a device can have. */
static void test_plain_device(void **state)
{
	(void)state;
	use(BIT(VIRTIO_F_VERSION_1));
	assert_int_equal(fake_vdev.accepted, BIT(VIRTIO_F_VERSION_1));
	assert_int_equal(nic->features, 0);
	assert_int_equal(nic->mtu, 1500);
	assert_true(nic->link_up);
	assert_false(fake_vdev.queues[CONTROL].enabled);
	assert_int_equal(fake_vdev_available(RX), RING / 2); /* two descriptors each */
	arrive(1514, 1);
	settle();
	check_received(1514, 1);
	assert_int_equal(send_frame(1514, 2), 0);
	nic->ops->commit(nic);
	finish_sent(take_sent(1514, 2, NULL));
	settle();
	assert_int_equal(pending(), 0);
	leave();
}

/* Frames of several segments are not asked for where they could not be in several buffers. */
static void test_no_segments_without_merging(void **state)
{
	(void)state;
	use(USED_FEATURES & ~BIT(VIRTIO_NET_F_MRG_RXBUF));
	assert_int_equal(fake_vdev.accepted, USED_FEATURES & ~(BIT(VIRTIO_NET_F_MRG_RXBUF) |
							       BIT(VIRTIO_NET_F_GUEST_TSO4) |
							       BIT(VIRTIO_NET_F_GUEST_TSO6)));
	assert_false(nic->features & NETDEV_RX_GSO);
	leave();
}

static void test_mtu(void **state)
{
	(void)state;
	offer(USED_FEATURES);
	fake_vdev.config[10] = fake_vdev.config[11] = 0xff;
	assert_int_equal(probe(), 0);
	assert_int_equal(nic->mtu, PAGE_BYTES - 18); /* what fits in a buffer, tagged */
	pool = NULL;
	leave();
}

static void check_refused(int err)
{
	assert_int_equal(probe(), err);
	assert_int_equal(fake_vdev.pages_out, 0);
	assert_int_equal(fake_vdev.status, 0);
	assert_int_equal(fake_threads_alive(), 0);
}

static void test_refused(void **state)
{
	(void)state;
	offer(USED_FEATURES);
	fake_vdev.legacy_only = true;
	check_refused(-ENODEV);
	offer(USED_FEATURES);
	fake_vdev.circular = true;
	fake_pci.bars[0].bytes = 0; /* so that none can be used */
	check_refused(-ENODEV);
	offer(USED_FEATURES);
	fake_pci.bars[0].bytes = 0x43f; /* the last capability does not fit */
	check_refused(-ENODEV);
	offer(USED_FEATURES & ~BIT(VIRTIO_F_VERSION_1));
	check_refused(-EIO);
	offer(USED_FEATURES);
	fake_vdev.refuses = true;
	check_refused(-EIO);
	for (unsigned i = RX; i <= CONTROL; i++) {
		offer(USED_FEATURES);
		fake_vdev.queues[i].size = 0;
		check_refused(-ENODEV);
	}
	offer(USED_FEATURES);
	fake_vdev.queues[TX].notify_off = 16; /* just behind */
	check_refused(-ENODEV);
	offer(USED_FEATURES);
	fake_vdev.notify_multiplier = 0xfffffffe; /* and the end wraps */
	check_refused(-ENODEV);
	offer(USED_FEATURES);
	fake_vdev.notify_multiplier = 0x80000000; /* twice it is 0, in 32 bits */
	fake_vdev.queues[TX].notify_off = 0;
	check_refused(-ENODEV);
	offer(USED_FEATURES);
	fake_vdev.no_vectors = true;
	check_refused(-EIO);
	offer(USED_FEATURES);
	fake_vdev.connect_error = -ENOSPC;
	check_refused(-ENOSPC);
	offer(USED_FEATURES);
	fake_vdev.restless = true;
	check_refused(-EIO);
	offer(USED_FEATURES);
	fake_threads_refused = true;
	check_refused(-ENOMEM);
	fake_threads_refused = false;
}

/* Wherever it is that memory runs out: nothing of it is kept. */
static void test_no_memory(void **state)
{
	static const unsigned pages[] = {0, 1, 2, 1000, 1281, 1282, 1283, 1285, 1287, 1320};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(pages); i++) {
		offer(USED_FEATURES);
		fake_vdev.pages_left = pages[i];
		check_refused(-ENOMEM);
	}
}

static void test_match(void **state)
{
	(void)state;
	offer(USED_FEATURES);
	fake_pci.device_id = 0x1042;
	assert_false(virtio_net_driver.match(&fake_pci));
	fake_pci.device_id = 0x1000; /* transitional */
	fake_pci.subsystem_id = 2;
	assert_false(virtio_net_driver.match(&fake_pci));
	fake_pci.subsystem_id = 1;
	assert_true(virtio_net_driver.match(&fake_pci));
	fake_pci.vendor_id = 0x8086;
	assert_false(virtio_net_driver.match(&fake_pci));
}

/* ---- commands ---------------------------------------------------------------------------- */

static void check_command(uint8_t code, uint8_t on)
{
	struct fake_chain c;
	const uint8_t *head;

	assert_true(fake_vdev_take(CONTROL, &c));
	head = c.parts[0].data;
	assert_int_equal(c.parts[0].bytes, 2);
	assert_int_equal(c.parts[1].bytes, 1);
	assert_int_equal(c.parts[2].bytes, 1);
	assert_int_equal(head[0], 0); /* 5.1.6.5.1 */
	assert_int_equal(head[1], code);
	assert_int_equal(*(uint8_t *)c.parts[1].data, on);
	*(uint8_t *)c.parts[2].data = 0;
	fake_vdev_finish(CONTROL, c.id, 1);
}

/* What is asked for while an answer is due waits for it; the thread sleeps. */
static void test_promiscuous(void **state)
{
	(void)state;
	offer(USED_FEATURES);
	assert_int_equal(probe(), 0);
	pool = NULL;
	settle();
	assert_int_equal(nic->ops->set_promiscuous(nic, true), 0);
	settle();
	assert_int_equal(fake_vdev_available(CONTROL), 2);
	check_command(0, 0);
	settle();
	check_command(1, 1);
	settle();
	assert_int_equal(fake_vdev_available(CONTROL), 2);
	check_command(0, 1);
	check_command(1, 1);
	settle();
	assert_int_equal(fake_vdev_available(CONTROL), 0);
	leave();
}

/* A refusal is logged as soon as it is there. */
static void test_command_refused(void **state)
{
	unsigned lines;

	(void)state;
	use(USED_FEATURES);
	assert_int_equal(nic->ops->set_promiscuous(nic, true), 0);
	settle();
	lines = fake_log_lines;
	assert_int_equal(answer_commands(1), 2);
	settle();
	assert_int_equal(fake_log_lines, lines + 2);
	check_works();
	leave();
}

/* ---- interrupts -------------------------------------------------------------------------- */

static void check_interrupts(uint64_t features)
{
	uint16_t id;

	use(features);
	assert_true(arrive(60, 1));
	settle();
	assert_true(arrive(60, 2));
	assert_true(fake_threads_pending());
	settle();
	assert_int_equal(got_count, 2);
	assert_int_equal(send_frame(60, 1), 0);
	nic->ops->commit(nic);
	id = take_sent(60, 1, NULL);
	assert_true(finish_sent(id));
	settle();
	assert_int_equal(pending(), 0);
	leave();
}

/* While the thread sleeps, whatever happens wakes it. */
static void test_interrupts(void **state)
{
	(void)state;
	check_interrupts(USED_FEATURES);
	check_interrupts(USED_FEATURES & ~BIT(VIRTIO_F_EVENT_IDX));
}

static bool interrupted;

static void on_receive_another(void *arg, struct list *packets)
{
	on_receive(arg, packets);
	if (got_count == 1)
		interrupted = arrive(60, 2);
}

/* While the thread is awake nothing interrupts it; what comes meanwhile is not left behind. */
static void test_awake(void **state)
{
	static const uint64_t features[] = {USED_FEATURES,
					    USED_FEATURES & ~BIT(VIRTIO_F_EVENT_IDX)};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
		use(features[i]);
		nic->consumer.receive = on_receive_another;
		arrive(60, 1);
		settle();
		assert_false(interrupted);
		assert_int_equal(got_count, 2);
		check_received(60, 2);
		leave();
	}
}

static void test_link(void **state)
{
	(void)state;
	use(USED_FEATURES);
	fake_vdev.config[6] = 0;
	fake_vdev_config_interrupt();
	settle();
	assert_false(nic->link_up);
	assert_int_equal(send_frame(60, 1), -ENETDOWN);
	fake_vdev.config[6] = LINK_UP;
	fake_vdev_config_interrupt();
	settle();
	assert_true(nic->link_up);
	check_works();
	leave();
}

/* Where there is one vector for all, its interrupt may be about the configuration. */
static void test_one_vector(void **state)
{
	const struct netdev_consumer consumer = {.receive = on_receive};

	(void)state;
	offer(USED_FEATURES);
	fake_vdev.vectors = 1;
	assert_int_equal(probe(), 0);
	netdev_consume(nic, &consumer);
	pool = packet_pool_create(8, 8, NULL);
	settle();
	check_works();
	fake_vdev.config[6] = 0;
	fake_vdev_config_interrupt();
	settle();
	assert_false(nic->link_up);
	leave();
}

/* The pin is shared: its handler asks whether it was this device, which ends it. */
static void test_pin(void **state)
{
	const struct netdev_consumer consumer = {.receive = on_receive};

	(void)state;
	offer(USED_FEATURES);
	fake_vdev.vectors = 0;
	assert_int_equal(probe(), 0);
	netdev_consume(nic, &consumer);
	pool = packet_pool_create(8, 8, NULL);
	settle();
	check_works();
	assert_int_equal(fake_vdev.isr, 0);
	fake_vdev.config[6] = 0;
	fake_vdev_config_interrupt();
	settle();
	assert_false(nic->link_up);
	assert_false(fake_vdev_pin());
	leave();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_plain_device),
		cmocka_unit_test(test_no_segments_without_merging),
		cmocka_unit_test(test_mtu),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_promiscuous),
		cmocka_unit_test(test_command_refused),
		cmocka_unit_test(test_interrupts),
		cmocka_unit_test(test_awake),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_one_vector),
		cmocka_unit_test(test_pin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

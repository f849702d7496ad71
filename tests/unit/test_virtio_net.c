/*
 * The virtio network device as a whole: its configuration, the control queue, and drivers that
 * break the rules or reset it in the middle. Frames are test_virtio_net_tx.c's and
 * test_virtio_net_rx.c's.
 */
/* links: guests/devices/virtio/net.c guests/devices/virtio/net_rx.c */
/* links: guests/devices/virtio/net_tx.c guests/devices/virtio/net_control.c */
/* links: guests/devices/virtio/virtio.c guests/devices/virtio/registers.c */
/* links: guests/devices/virtio/queue.c guests/devices/virtio/split.c */
/* links: guests/devices/virtio/packed.c guests/pci/pci.c guests/pci/access.c */
/* links: guests/pci/bars.c guests/pci/function.c guests/pci/msix.c guests/pci/pins.c */
/* links: kernel/io/packet.c kernel/io/netdev.c kernel/vmm/bus.c tests/unit/fake_vmm.c */
/* links: tests/unit/fake_gmem.c tests/unit/fake_threads.c tests/unit/fake_net.c */
#include "tests/unit/virtio_net_port.h"

static void test_configuration(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(mem_read(&pci, pci.device + i, 1), mac[i]);
	assert_int_equal(mem_read(&pci, pci.device + 6, 2), VIRTIO_NET_STATUS_LINK_UP);
	assert_int_equal(mem_read(&pci, pci.device + 8, 2), PAIRS);
	assert_int_equal(mem_read(&pci, pci.device + 10, 2), 1500);
	assert_false(listening);
	bring_up(ALL | BIT(VIRTIO_NET_F_STATUS));
	assert_true(listening);
	assert_int_equal(accepts, NETDEV_ACCEPTS);
	netdev_set_link(&port, false, 0);
	assert_int_equal(mem_read(&pci, pci.device + 6, 2), 0);
}

static void test_offloads_follow_features(void **state)
{
	(void)state;
	bring_up(BIT(VIRTIO_NET_F_GUEST_CSUM));
	assert_int_equal(accepts, NETDEV_TX_CSUM);
	common_write(&pci, STATUS, 1, 0);
	fake_threads_run();
	assert_false(listening);
	bring_up(BIT(VIRTIO_NET_F_GUEST_TSO4)); /* without the sums it stands on */
	assert_int_equal(accepts, 0);
}

static void test_modes(void **state)
{
	static const uint8_t all[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	uint8_t table[2 + 4 + 6 + 4 + 6] = {VIRTIO_NET_CLASS_MAC, VIRTIO_NET_MAC_TABLE_SET,
					    1, [12] = 1};

	(void)state;
	bring_up(ALL);
	assert_true(gets(other)); /* until told otherwise */
	assert_int_equal(control(CONTROL, "\0\0\0", 3), VIRTIO_NET_OK);
	assert_false(gets(other));
	assert_false(gets(group));
	assert_true(gets(all));
	assert_true(gets(mac));
	assert_int_equal(control(CONTROL, "\0\1\1", 3), VIRTIO_NET_OK); /* all multicasts */
	assert_true(gets(group));
	assert_false(gets(other));
	assert_int_equal(control(CONTROL, "\0\1\0", 3), VIRTIO_NET_OK);
	memcpy(table + 6, other, 6);
	memcpy(table + 16, group, 6);
	assert_int_equal(control(CONTROL, table, sizeof table), VIRTIO_NET_OK);
	assert_true(gets(other));
	assert_true(gets(group));
}

static void test_control_hostile(void **state)
{
	static const struct {
		const char *bytes;
		uint32_t count;
	} cases[] = {
		{"\0", 1},	     /* no command */
		{"\0\0", 2},	     /* no value */
		{"\0\2\1", 3},	     /* F_CTRL_RX_EXTRA was not negotiated */
		{"\0\7\1", 3},	     /* none such */
		{"\1\0\1\0\0\0", 6}, /* a table without its entries */
		{"\1\0\377\377\377\377aaaaaaaaaa", 16},
		{"\1\0\0\0\0\0", 6},	 /* half a table */
		{"\1\1aaaaa", 7},	 /* five bytes of an address */
		{"\1\1\2\0\0\0\0\2", 8}, /* not this port's */
		{"\1\2", 2},
		{"\4\0\0\0", 4},		/* no pair */
		{"\4\0\3\0", 4},		/* more than there are */
		{"\5\0\377\0\0\0\0\0\0\0", 10}, /* what was not negotiated */
		{"\5\0\0\0", 4},
		{"\6\0\0", 3},
	};

	(void)state;
	bring_up(ALL);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(control(CONTROL, cases[i].bytes, cases[i].count),
				 VIRTIO_NET_ERR);
	assert_int_equal(control(CONTROL, "\1\1\2\0\0\0\0\1", 8), VIRTIO_NET_OK);
	assert_int_equal(accepts, NETDEV_ACCEPTS);
	assert_int_equal(control(CONTROL, "\5\0\2\0\0\0\0\0\0\0", 10), VIRTIO_NET_OK);
	assert_int_equal(accepts, NETDEV_TX_CSUM);
	assert_true(listening);
	assert_false(common_read(&pci, STATUS, 1) & NEEDS_RESET);
}

/* Without F_MQ the control queue is the third. */
/* A driver that has nothing but wishes: 64 in one turn. */
static void test_control_turns(void **state)
{
	static const uint8_t promiscuous[] = {VIRTIO_NET_CLASS_RX, VIRTIO_NET_RX_PROMISC, 1};
	struct driver_buffer buffers[] = {{COMMAND, sizeof promiscuous, false},
					  {ANSWER, 1, true}};
	unsigned before, count = 0;
	uint32_t used;

	(void)state;
	bring_up(ALL);
	memcpy(fake.ram + COMMAND, promiscuous, sizeof promiscuous);
	while (driver_add(&drivers[CONTROL], buffers, 2, false) >= 0)
		count++;
	assert_int_equal(count, 128);
	before = commits;
	virtio_pci_kick(&pci, CONTROL);
	for (unsigned i = 0; i < count; i++)
		assert_true(driver_take(&drivers[CONTROL], &used) >= 0);
	assert_in_range(commits - before, 2, 4);
}

static void test_control_place(void **state)
{
	(void)state;
	bring_up(ALL & ~BIT(VIRTIO_NET_F_MQ));
	assert_int_equal(control(2, "\0\0\0", 3), VIRTIO_NET_OK);
	assert_int_equal(control(2, "\4\0\2\0", 4), VIRTIO_NET_ERR);
}

static void test_broken_queue(void **state)
{
	struct driver_buffer outside = {1ull << 40, 100, false};

	(void)state;
	bring_up(ALL);
	driver_add(&drivers[TX], &outside, 1, false);
	virtio_pci_kick(&pci, TX);
	assert_true(common_read(&pci, STATUS, 1) & NEEDS_RESET);
	assert_false(listening);
	common_write(&pci, STATUS, 1, 0);
	fake_threads_run();
	bring_up(ALL);
	assert_true(listening);
	assert_true(gets(mac));
}

/* The port may call to the last moment. */
static void test_calls_at_the_end(void **state)
{
	(void)state;
	bring_up(ALL);
	arrive(mac, 60);
	wake();
	common_write(&pci, STATUS, 1, 0);
	netdev_arrived(&port);
	netdev_ready(&port);
	netdev_set_link(&port, false, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		check(test_configuration), check(test_offloads_follow_features),
		check(test_modes),	   check(test_control_hostile),
		check(test_control_turns), check(test_control_place),
		check(test_broken_queue),  check(test_calls_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, fake_net_fini);
}

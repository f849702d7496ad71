/*
 * What reaches a guest through the virtio network device: frames with their offloads, buffers
 * that are too small or missing, several queues.
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

static void test_receive(void **state)
{
	static const uint32_t sizes[] = {60, 1500, 1514, 2000, 4096, 9000, 65000};
	struct virtio_net_hdr header;

	(void)state;
	bring_up(ALL);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		arrive(mac, sizes[i]);
		give_buffers(RX, 1526, (sizes[i] + HEADER + 1525) / 1526);
		wake();
		assert_int_equal(receive(RX, &header), sizes[i]);
		assert_memory_equal(got_bytes, frame_bytes, sizes[i]);
		assert_int_equal(header.num_buffers, (sizes[i] + HEADER + 1525) / 1526);
		assert_int_equal(header.flags, 0);
	}
}

static void test_receive_offloads(void **state)
{
	struct virtio_net_hdr header;
	struct packet *packet;

	(void)state;
	bring_up(ALL);
	packet = arrive(mac, 5000);
	packet->needs_csum = true;
	packet->csum_start = 34;
	packet->csum_offset = 16;
	packet->gso = PACKET_GSO_TCP4;
	packet->gso_bytes = 1448;
	packet->header_bytes = 66;
	packet = arrive(mac, 60);
	packet->csum_valid = true;
	give_buffers(RX, 8000, 4);
	wake();
	assert_int_equal(receive(RX, &header), 5000);
	assert_int_equal(header.flags, VIRTIO_NET_HDR_NEEDS_CSUM);
	assert_int_equal(header.csum_start, 34);
	assert_int_equal(header.csum_offset, 16);
	assert_int_equal(header.gso_type, VIRTIO_NET_GSO_TCPV4);
	assert_int_equal(header.gso_size, 1448);
	assert_int_equal(header.hdr_len, 66);
	assert_int_equal(receive(RX, &header), 60);
	assert_int_equal(header.flags, VIRTIO_NET_HDR_DATA_VALID);
}

/* Without buffers packets stay where they are, and the driver is asked to tell of new ones. */
static void test_no_buffers(void **state)
{
	struct virtio_net_hdr header;

	(void)state;
	bring_up(ALL);
	arrive(mac, 60);
	arrive(mac, 4000);
	wake();
	assert_int_equal(waiting_count - waiting_first, 2);
	give_buffers(RX, 1000, 3); /* the second needs five */
	assert_int_equal(receive(RX, &header), 60);
	assert_int_equal(receive(RX, &header), 0);
	assert_int_equal(waiting_count - waiting_first, 1);
	give_buffers(RX, 1000, 4);
	assert_int_equal(receive(RX, &header), 4000);
	assert_memory_equal(got_bytes, frame_bytes, 4000);
	assert_int_equal(header.num_buffers, 5);
	arrive(mac, 60); /* the last that was given */
	wake();
	assert_int_equal(receive(RX, &header), 60);
}

/* Buffers that no frame fits into cost frames, not the device. */
static void test_small_buffers(void **state)
{
	struct virtio_net_hdr header;
	struct virtio_net_info info;

	(void)state;
	bring_up(ALL & ~BIT(VIRTIO_NET_F_MRG_RXBUF));
	give_buffers(RX, 100, 1);
	arrive(mac, 89);
	wake();
	assert_int_equal(receive(RX, &header), 0);
	arrive(mac, 88);
	wake();
	assert_int_equal(receive(RX, &header), 88);
	assert_int_equal(header.num_buffers, 1);
	common_write(&pci, STATUS, 1, 0);
	fake_threads_run();
	bring_up(ALL);
	give_buffers(RX, 12, 100); /* headers alone, 64 of them */
	arrive(mac, 1000);
	wake();
	assert_int_equal(receive(RX, &header), 0);
	virtio_net_get_info(net, &info);
	assert_int_equal(info.rx_dropped, 2);
	assert_int_equal(waiting_count, waiting_first);
}

/* A guest whose buffers are a byte each has us look at 64 of them for each frame, in vain: in
 * one turn that is 256 of them, then others may go on. commit() is once for each turn. */
static void test_chains_are_bounded(void **state)
{
	struct virtio_net_info info;
	unsigned before;

	(void)state;
	bring_up(ALL);
	give_buffers(RX, 13, 100);
	before = commits;
	for (unsigned i = 0; i < 40; i++)
		arrive(mac, 1000);
	wake();
	virtio_net_get_info(net, &info);
	assert_int_equal(info.rx_dropped, 40);
	assert_true(commits - before >= 40 * 64 / 256);
	/* Frames that fit are 64 in one turn. */
	common_write(&pci, STATUS, 1, 0);
	fake_threads_run();
	bring_up(ALL);
	give_buffers(RX, 2000, 128);
	before = commits;
	for (unsigned i = 0; i < 128; i++)
		arrive(mac, 60);
	wake();
	assert_in_range(commits - before, 2, 4);
}

/* A frame is in hand when its queue turns out to be broken: it is put, and the device stops. */
static void test_broken_amid_a_frame(void **state)
{
	struct driver_buffer beyond = {MACHINE_BYTES, 100, true};

	(void)state;
	bring_up(ALL);
	assert_true(driver_add(&drivers[RX], &beyond, 1, false) >= 0);
	arrive(mac, 60);
	wake();
	assert_true(common_read(&pci, STATUS, 1) & NEEDS_RESET);
	assert_int_equal(waiting_first, waiting_count);
	assert_int_equal(fake_packets_out(), 0);
	assert_false(listening);
}

static void test_flows_are_spread(void **state)
{
	struct virtio_net_hdr header;
	static const uint8_t command[] = {VIRTIO_NET_CLASS_MQ, VIRTIO_NET_MQ_PAIRS_SET, 2, 0};

	(void)state;
	bring_up(ALL);
	give_buffers(RX, 2000, 8);
	give_buffers(RX + 2, 2000, 8);
	for (unsigned i = 0; i < 4; i++)
		arrive(mac, 60)->hash = i;
	wake();
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(receive(RX, &header), 60);
	assert_int_equal(control(CONTROL, command, sizeof command), VIRTIO_NET_OK);
	for (unsigned i = 0; i < 4; i++)
		arrive(mac, 60 + i)->hash = i;
	wake();
	assert_int_equal(receive(RX, &header), 60);
	assert_int_equal(receive(RX, &header), 62);
	assert_int_equal(receive(RX + 2, &header), 61);
	assert_int_equal(receive(RX + 2, &header), 63);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		check(test_receive),
		check(test_receive_offloads),
		check(test_no_buffers),
		check(test_small_buffers),
		check(test_chains_are_bounded),
		check(test_broken_amid_a_frame),
		check(test_flows_are_spread),
	};

	return cmocka_run_group_tests(tests, NULL, fake_net_fini);
}

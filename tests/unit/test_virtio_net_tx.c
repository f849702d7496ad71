/*
 * What a guest sends through the virtio network device: frames with their offloads, headers
 * that lie, and a port or a pool that has no room for now.
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

static void test_send(void **state)
{
	static const uint32_t sizes[] = {14, 60, 1514, 4096, 4097, 9014, 65549};
	struct virtio_net_hdr header = {0};

	(void)state;
	bring_up(ALL);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct packet *packet;

		send(TX, &header, sizes[i]);
		packet = take_sent();
		assert_int_equal(packet->bytes, sizes[i]);
		assert_false(packet->needs_csum);
		assert_true(packet->page_count * PAGE_BYTES >= sizes[i] + 4); /* for a tag */
		packet_read(packet, 0, got_bytes, sizes[i]);
		assert_memory_equal(got_bytes, frame_bytes, sizes[i]);
		packet_put(packet);
	}
	assert_true(commits > 0);
}

static void test_send_offloads(void **state)
{
	struct virtio_net_hdr header = {.flags = VIRTIO_NET_HDR_NEEDS_CSUM,
					.gso_type = VIRTIO_NET_GSO_TCPV6,
					.gso_size = 1440,
					.hdr_len = 9999, /* only a hint */
					.csum_start = 54,
					.csum_offset = 16};
	struct packet *packet;

	(void)state;
	bring_up(ALL);
	send(TX, &header, 5000);
	packet = take_sent();
	assert_true(packet->needs_csum);
	assert_int_equal(packet->csum_start, 54);
	assert_int_equal(packet->csum_offset, 16);
	assert_int_equal(packet->gso, PACKET_GSO_TCP6);
	assert_int_equal(packet->gso_bytes, 1440);
	packet_put(packet);
}

/* Headers that lie: the frame is not sent, the buffer comes back, the next frame goes. */
static void test_send_hostile(void **state)
{
	static const struct virtio_net_hdr cases[] = {
		{.flags = VIRTIO_NET_HDR_NEEDS_CSUM, .csum_start = 13},
		{.flags = VIRTIO_NET_HDR_NEEDS_CSUM, .csum_start = 99, .csum_offset = 0},
		{.flags = VIRTIO_NET_HDR_NEEDS_CSUM, .csum_start = 14, .csum_offset = 85},
		{.flags = VIRTIO_NET_HDR_NEEDS_CSUM,
		 .csum_start = 0xffff,
		 .csum_offset = 0xffff},
		{.gso_type = VIRTIO_NET_GSO_TCPV4, .gso_size = 500},
		{.flags = VIRTIO_NET_HDR_NEEDS_CSUM,
		 .csum_start = 34,
		 .gso_type = VIRTIO_NET_GSO_TCPV4},
		{.flags = VIRTIO_NET_HDR_NEEDS_CSUM,
		 .csum_start = 34,
		 .gso_type = 3,
		 .gso_size = 500},
		{.flags = VIRTIO_NET_HDR_NEEDS_CSUM,
		 .csum_start = 34,
		 .gso_type = 0x81,
		 .gso_size = 500},
	};
	struct virtio_net_hdr plain = {0};
	struct virtio_net_info info;

	(void)state;
	bring_up(ALL);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		send(TX, &cases[i], 100);
		assert_int_equal(sent_count, 0);
	}
	send(TX, &plain, 13); /* no frame at all */
	assert_int_equal(sent_count, 0);
	send(TX, &plain, 65550); /* more than any frame */
	assert_int_equal(sent_count, 0);
	virtio_net_get_info(net, &info);
	assert_int_equal(info.tx_errors, ARRAY_SIZE(cases) + 2);
	send(TX, &plain, 60);
	assert_int_equal(sent_count, 1);
	assert_false(common_read(&pci, STATUS, 1) & NEEDS_RESET);
}

/* The last values that are right: a sum at the frame's very end, and as far in front as may be.
 */
static void test_sums_at_the_edge(void **state)
{
	static const struct virtio_net_hdr cases[] = {
		{.flags = VIRTIO_NET_HDR_NEEDS_CSUM, .csum_start = 14, .csum_offset = 84},
		{.flags = VIRTIO_NET_HDR_NEEDS_CSUM, .csum_start = 98},
		{.flags = VIRTIO_NET_HDR_NEEDS_CSUM, .csum_start = 14, .csum_offset = 0},
	};

	(void)state;
	bring_up(ALL);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct packet *packet;

		send(TX, &cases[i], 100);
		packet = take_sent();
		assert_non_null(packet);
		assert_true(packet->needs_csum);
		assert_int_equal(packet->csum_start, cases[i].csum_start);
		assert_int_equal(packet->csum_offset, cases[i].csum_offset);
		packet_put(packet);
	}
}

/* 64 frames in one turn: commit() is once for each. */
static void test_a_turn(void **state)
{
	struct driver_buffer buffer = {SENT, (uint32_t)HEADER + 60, false};
	unsigned before;

	(void)state;
	bring_up(ALL);
	memset(fake.ram + SENT, 0, HEADER + 60);
	for (unsigned i = 0; i < 200; i++)
		assert_true(driver_add(&drivers[TX], &buffer, 1, false) >= 0);
	before = commits;
	virtio_pci_kick(&pci, TX);
	assert_int_equal(sent_count, 200);
	assert_in_range(commits - before, 4, 6);
}

/* A port that will never take a frame: it is lost, and the next one goes. */
static void test_send_refused(void **state)
{
	struct virtio_net_hdr header = {0};

	(void)state;
	bring_up(ALL);
	refuses_with = -EMSGSIZE;
	send(TX, &header, 60);
	assert_int_equal(sent_count, 0);
	refuses_with = 0;
	send(TX, &header, 61);
	assert_int_equal(sent_count, 1);
	assert_int_equal(sent[0]->bytes, 61);
}

static void test_send_not_negotiated(void **state)
{
	struct virtio_net_hdr header = {.flags = VIRTIO_NET_HDR_NEEDS_CSUM, .csum_start = 34};

	(void)state;
	bring_up(0);
	send(TX, &header, 100);
	assert_int_equal(sent_count, 0);
	header.flags = 0;
	send(TX, &header, 100);
	assert_int_equal(sent_count, 1);
}

/* The port takes none for now: nothing is lost, nothing overtakes. */
static void test_send_waits(void **state)
{
	struct virtio_net_hdr header = {0};

	(void)state;
	bring_up(ALL);
	refuses = true;
	send(TX, &header, 60);
	send(TX, &header, 61);
	send(TX + 2, &header, 62);
	assert_int_equal(sent_count, 0);
	refuses = false;
	netdev_ready(&port);
	fake_threads_run();
	assert_int_equal(sent_count, 3);
	assert_int_equal(sent[0]->bytes, 60);
	/* Of a reset it knows nothing more. */
	refuses = true;
	send(TX, &header, 63);
	common_write(&pci, STATUS, 1, 0);
	fake_threads_run();
	refuses = false;
	netdev_ready(&port);
	fake_threads_run();
	assert_int_equal(sent_count, 3);
}

/* All its packets are under way: the device goes on when one comes back. */
static void test_send_pool(void **state)
{
	struct virtio_net_hdr header = {0};
	unsigned count = 0;

	(void)state;
	bring_up(ALL);
	for (unsigned i = 0; i < 300; i++) {
		struct driver_buffer buffer = {SENT, (uint32_t)HEADER + 60, false};
		uint32_t used;

		memcpy(fake.ram + SENT, &header, HEADER);
		assert_true(driver_add(&drivers[TX], &buffer, 1, false) >= 0);
		virtio_pci_kick(&pci, TX);
		while (driver_take(&drivers[TX], &used) >= 0)
			count++;
	}
	assert_int_equal(sent_count, 256);
	assert_int_equal(count, 256);
	for (unsigned i = 0; i < 44; i++) {
		packet_put(take_sent());
		fake_threads_run();
		assert_int_equal(sent_count, 256);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		check(test_send),
		check(test_send_offloads),
		check(test_send_hostile),
		check(test_send_not_negotiated),
		check(test_send_waits),
		check(test_send_pool),
		check(test_sums_at_the_edge),
		check(test_a_turn),
		check(test_send_refused),
	};

	return cmocka_run_group_tests(tests, NULL, fake_net_fini);
}

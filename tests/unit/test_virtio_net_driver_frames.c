/*
 * The driver of the machine's virtio network devices: frames both ways, and where the memory
 * they are in goes.
 */
/* links: drivers/net/virtio_net.c drivers/net/virtio_net_rx.c drivers/net/virtio_net_hdr.c */
/* links: drivers/net/nic.c drivers/virtio/vdev.c drivers/virtio/vring.c */
/* links: kernel/io/packet.c kernel/io/netdev.c tests/unit/fake_vdev.c tests/unit/fake_mmio.c */
/* links: tests/unit/fake_vdev_around.c tests/unit/fake_vmm.c tests/unit/fake_threads.c */
/* links: kernel/vmm/bus.c */
#include "tests/unit/virtio_net_nic.h"

/* ---- sending ----------------------------------------------------------------------------- */

static void test_send(void **state)
{
	static const uint32_t sizes[] = {14, 60, 1514};
	struct virtio_net_hdr header;

	(void)state;
	use(USED_FEATURES);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_int_equal(send_frame(sizes[i], i), 0);
		assert_int_equal(fake_vdev_available(TX), 0); /* not yet */
		nic->ops->commit(nic);
		assert_int_equal(fake_vdev.queues[TX].doorbells, i + 1);
		finish_sent(take_sent(sizes[i], i, &header));
		assert_memory_equal(&header, &(struct virtio_net_hdr){0}, HEADER);
		settle();
		assert_int_equal(pending(), 0);
	}
	assert_int_equal(nic->counters.tx_packets, 3);
	assert_int_equal(nic->counters.tx_bytes, 14 + 60 + 1514);
	leave();
}

static struct packet *make_segmented(uint32_t bytes, unsigned seed)
{
	struct packet *packet = make_packet(bytes, seed);

	packet->needs_csum = true;
	packet->csum_start = 34;
	packet->csum_offset = 16;
	packet->gso = PACKET_GSO_TCP4;
	packet->gso_bytes = 1448;
	packet->header_bytes = 66;
	return packet;
}

static void test_send_segmented(void **state)
{
	struct virtio_net_hdr header;

	(void)state;
	use(USED_FEATURES);
	assert_int_equal(send_packet(make_segmented(PACKET_BYTES_MAX, 5)), 0);
	nic->ops->commit(nic);
	finish_sent(take_sent(PACKET_BYTES_MAX, 5, &header));
	assert_int_equal(header.flags, 1);
	assert_int_equal(header.gso_type, 1);
	assert_int_equal(header.gso_size, 1448);
	assert_int_equal(header.hdr_len, 66);
	assert_int_equal(header.csum_start, 34);
	assert_int_equal(header.csum_offset, 16);
	leave();
}

/* Nothing goes out that the device did not agree to finish. */
static void test_send_unsupported(void **state)
{
	struct packet *packet;

	(void)state;
	use(USED_FEATURES & ~(BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) |
			      BIT(VIRTIO_NET_F_HOST_TSO6)));
	packet = make_segmented(60, 1);
	packet->gso = PACKET_GSO_NONE;
	assert_int_equal(send_packet(packet), -EOPNOTSUPP);
	leave();
	use(USED_FEATURES & ~BIT(VIRTIO_NET_F_HOST_TSO4));
	assert_int_equal(send_packet(make_segmented(3000, 1)), -EOPNOTSUPP);
	packet = make_segmented(3000, 1);
	packet->gso = PACKET_GSO_TCP6;
	assert_int_equal(send_packet(packet), 0);
	packet = make_segmented(3000, 1);
	packet->gso = PACKET_GSO_UDP;
	assert_int_equal(send_packet(packet), -EOPNOTSUPP);
	leave();
	use(USED_FEATURES & ~BIT(VIRTIO_NET_F_HOST_TSO6));
	packet = make_segmented(3000, 1);
	packet->gso = PACKET_GSO_TCP6;
	assert_int_equal(send_packet(packet), -EOPNOTSUPP);
	leave();
}

/* Several with one doorbell, until the ring is full; finished in another order. Frame after
 * frame, so that indices wrap and chains change places. */
static void test_full_ring(void **state)
{
	uint16_t ids[RING];

	(void)state;
	use(USED_FEATURES);
	for (unsigned round = 0; round < 260; round++) {
		unsigned doorbells = fake_vdev.queues[TX].doorbells;

		for (unsigned i = 0; i < RING; i++)
			assert_int_equal(send_frame(60, i), 0);
		assert_int_equal(send_frame(60, 0), -EAGAIN);
		nic->ops->commit(nic);
		assert_int_equal(fake_vdev.queues[TX].doorbells, doorbells + 1);
		for (unsigned i = 0; i < RING; i++)
			ids[i] = take_sent(60, i, NULL);
		for (unsigned i = 0; i < RING; i++)
			finish_sent(ids[(i * 7 + round) % RING]);
		settle();
		assert_int_equal(pending(), 0);
		assert_int_equal(readies, round + 1);
	}
	assert_int_equal(nic->counters.tx_packets, 260 * RING);
	assert_int_equal(nic->counters.resets, 0);
	leave();
}

/* Room is found where the device is done, without a word from the thread. */
static void test_room_is_looked_for(void **state)
{
	(void)state;
	use(USED_FEATURES);
	for (unsigned i = 0; i < RING; i++)
		assert_int_equal(send_frame(60, i), 0);
	nic->ops->commit(nic);
	finish_sent(take_sent(60, 0, NULL));
	assert_int_equal(send_frame(60, 0), 0);
	assert_int_equal(send_frame(60, 0), -EAGAIN);
	leave();
}

/* Without indirect descriptors frames take as many as they have parts. */
static void test_direct_descriptors(void **state)
{
	uint16_t id;

	(void)state;
	use(USED_FEATURES & ~BIT(VIRTIO_F_INDIRECT_DESC));
	for (unsigned i = 0; i < RING / 4; i++)
		assert_int_equal(send_packet(make_segmented(9000, i)), 0); /* 3 pages */
	assert_int_equal(send_frame(60, 0), -EAGAIN);
	nic->ops->commit(nic);
	id = take_sent(9000, 0, NULL);
	finish_sent(id);
	settle();
	assert_int_equal(send_frame(60, 0), 0);
	assert_int_equal(send_frame(60, 0), 0);
	assert_int_equal(send_frame(60, 0), -EAGAIN);
	leave();
}

/* A frame that no ring of this size ever has room for is not waited with. */
static void test_small_ring(void **state)
{
	(void)state;
	offer(USED_FEATURES & ~BIT(VIRTIO_F_INDIRECT_DESC));
	fake_vdev.queues[TX].size = 16;
	assert_int_equal(probe(), 0);
	pool = packet_pool_create(8, 64, NULL);
	settle();
	assert_int_equal(send_packet(make_segmented(16 * PAGE_BYTES, 1)), -EMSGSIZE);
	assert_int_equal(send_packet(make_segmented(15 * PAGE_BYTES, 1)), 0);
	assert_int_equal(send_packet(make_segmented(60, 1)), -EAGAIN);
	leave();
}

/* ---- receiving --------------------------------------------------------------------------- */

static void test_receive(void **state)
{
	static const uint32_t sizes[] = {14, 60, 1514, PAGE_BYTES};

	(void)state;
	use(USED_FEATURES);
	for (unsigned round = 0; round < 300; round++) {
		unsigned i = round % ARRAY_SIZE(sizes);

		arrive(sizes[i], round);
		settle();
		assert_int_equal(got_count, 1);
		check_received(sizes[i], round);
		drop_received();
		assert_int_equal(fake_vdev_available(RX), RING); /* filled up again */
	}
	assert_int_equal(nic->counters.bytes_copied, 0);
	leave();
}

static void test_receive_offloads(void **state)
{
	struct virtio_net_hdr header = {
		.flags = 1, .csum_start = 34, .csum_offset = 6, .num_buffers = 1};

	(void)state;
	use(USED_FEATURES);
	fake_vdev_finish(RX, fill(&header, false, 0, 100, 1), HEADER + 100);
	header = (struct virtio_net_hdr){.flags = 2, .num_buffers = 1};
	fake_vdev_finish(RX, fill(&header, false, 0, 100, 1), HEADER + 100);
	settle();
	assert_int_equal(got_count, 2);
	assert_true(got[0]->needs_csum && !got[0]->csum_valid);
	assert_int_equal(got[0]->csum_start, 34);
	assert_int_equal(got[0]->csum_offset, 6);
	assert_true(got[1]->csum_valid && !got[1]->needs_csum);
	leave();
}

/* One that is in several buffers: all but the first are full of it from their start. */
static void test_receive_merged(void **state)
{
	struct virtio_net_hdr header = {
		.flags = 1, .csum_start = 34, .csum_offset = 6, .num_buffers = 3};
	const uint32_t whole = HEADER + PAGE_BYTES, bytes = PAGE_BYTES + whole + 500;
	uint16_t ids[3];

	(void)state;
	use(USED_FEATURES);
	for (unsigned round = 0; round < 200; round++) {
		ids[0] = fill(&header, false, 0, PAGE_BYTES, round);
		ids[1] = fill(NULL, true, PAGE_BYTES, whole, round);
		ids[2] = fill(NULL, true, PAGE_BYTES + whole, 500, round);
		fake_vdev_finish_quietly(RX, ids[0], whole);
		fake_vdev_finish_quietly(RX, ids[1], whole);
		fake_vdev_finish(RX, ids[2], 500);
		settle();
		assert_int_equal(got_count, 1);
		check_received(bytes, round);
		assert_true(got[0]->needs_csum);
		drop_received();
		assert_int_equal(fake_vdev_available(RX), RING);
	}
	assert_int_equal(nic->counters.bytes_copied, 200 * bytes);
	leave();
}

/* Who keeps packets loses frames, and nothing else: buffers stay with the device. */
static void test_nobody_returns_packets(void **state)
{
	(void)state;
	use(USED_FEATURES);
	for (unsigned i = 0; i < 600; i++) {
		arrive(60, i);
		settle();
		assert_int_equal(fake_vdev_available(RX), RING);
	}
	assert_int_equal(got_count, 512); /* the rest of the pool */
	assert_int_equal(nic->counters.rx_dropped, 600 - 512);
	drop_received();
	check_works();
	leave();
}

/* Many at once are taken in turns. */
static void test_receive_many(void **state)
{
	const struct virtio_net_hdr header = {.num_buffers = 1};
	unsigned interrupts;

	(void)state;
	use(USED_FEATURES);
	interrupts = nic->counters.interrupts;
	for (unsigned i = 1; i < RING; i++)
		fake_vdev_finish_quietly(RX, fill(&header, false, 0, 60, i), HEADER + 60);
	arrive(60, 0);
	settle();
	assert_int_equal(got_count, RING);
	check_received(60, 0);
	assert_int_equal(fake_vdev_available(RX), RING);
	assert_int_equal(nic->counters.interrupts, interrupts + 1);
	leave();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_send),
		cmocka_unit_test(test_send_segmented),
		cmocka_unit_test(test_send_unsupported),
		cmocka_unit_test(test_full_ring),
		cmocka_unit_test(test_room_is_looked_for),
		cmocka_unit_test(test_direct_descriptors),
		cmocka_unit_test(test_small_ring),
		cmocka_unit_test(test_receive),
		cmocka_unit_test(test_receive_offloads),
		cmocka_unit_test(test_receive_merged),
		cmocka_unit_test(test_nobody_returns_packets),
		cmocka_unit_test(test_receive_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

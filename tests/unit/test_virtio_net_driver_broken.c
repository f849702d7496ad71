/*
 * The driver of the machine's virtio network devices, on devices that do what none should, ask
 * for a reset, fall silent, or are gone: no packet is lost or touched twice, what can be
 * brought back to work is, and the rest is given up.
 */
/* links: drivers/net/virtio_net.c drivers/net/virtio_net_rx.c drivers/net/virtio_net_hdr.c */
/* links: drivers/net/nic.c drivers/virtio/vdev.c drivers/virtio/vring.c */
/* links: kernel/io/packet.c kernel/io/netdev.c tests/unit/fake_vdev.c tests/unit/fake_mmio.c */
/* links: tests/unit/fake_vdev_around.c tests/unit/fake_vmm.c tests/unit/fake_threads.c */
/* links: kernel/vmm/bus.c */
#include "tests/unit/virtio_net_nic.h"

/* Two frames are on their way when it happens. */
static void send_two(void)
{
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(send_frame(60, i), 0);
	nic->ops->commit(nic);
}

/* It was reset once, what was on its way is counted as lost, and it works again. */
static void check_reset(unsigned lost)
{
	assert_int_equal(fake_vdev.starts, 2);
	assert_int_equal(nic->counters.resets, 1);
	assert_int_equal(nic->counters.tx_dropped, lost);
	assert_int_equal(pending(), 0);
	assert_int_equal(readies, 1);
	assert_false(nic->gone);
	check_works();
	assert_int_equal(nic->counters.resets, 1);
}

static void check_gone(void)
{
	assert_true(nic->gone);
	assert_false(nic->link_up);
	assert_int_equal(pending(), 0);
	assert_int_equal(send_frame(60, 1), -ENETDOWN);
	assert_int_equal(readies, 1);
}

/* ---- used rings -------------------------------------------------------------------------- */

/* Chains that are not there, were not given, or are given back twice. */
static void test_wrong_ids(void **state)
{
	static const uint32_t ids[] = {RING, UINT32_MAX, 0x10000, 5};

	(void)state;
	for (unsigned queue = RX; queue <= CONTROL; queue++)
		for (unsigned i = queue == RX; i < ARRAY_SIZE(ids); i++) {
			use(USED_FEATURES);
			send_two();
			fake_vdev_finish(queue, queue == RX ? ids[i - 1] : ids[i], 0);
			settle();
			check_reset(2);
			leave();
		}
}

static void test_given_back_twice(void **state)
{
	uint16_t id;

	(void)state;
	use(USED_FEATURES);
	send_two();
	id = take_sent(60, 0, NULL);
	fake_vdev_finish_quietly(TX, id, 0);
	finish_sent(id);
	settle();
	check_reset(1);
	leave();
}

/* An index that is far ahead: what lies between was never written. */
static void test_index_jumps(void **state)
{
	(void)state;
	use(USED_FEATURES);
	send_two();
	fake_vdev.queues[TX].used_index += 300;
	finish_sent(take_sent(60, 0, NULL));
	settle();
	check_reset(1);
	leave();
}

/* ---- frames ------------------------------------------------------------------------------ */

/* More bytes than the buffer has, and fewer than a header. */
static void test_lengths(void **state)
{
	static const uint32_t shorter[] = {0, 1, HEADER - 1, HEADER, HEADER + 13};
	const struct virtio_net_hdr header = {.num_buffers = 1};

	(void)state;
	use(USED_FEATURES);
	fake_vdev_finish(RX, fill(&header, false, 0, PAGE_BYTES, 1), UINT32_MAX);
	settle();
	check_received(PAGE_BYTES, 1);
	drop_received();
	for (unsigned i = 0; i < ARRAY_SIZE(shorter); i++) {
		fake_vdev_finish(RX, fill(&header, false, 0, 60, 1), shorter[i]);
		settle();
	}
	assert_int_equal(got_count, 0);
	assert_int_equal(nic->counters.rx_errors, ARRAY_SIZE(shorter));
	assert_int_equal(nic->counters.resets, 0);
	check_works();
	leave();
}

/* Offloads that are not about these bytes, or were not agreed on. */
static void test_headers(void **state)
{
	static const struct virtio_net_hdr headers[] = {
		{.flags = 1, .csum_start = 90, .csum_offset = 9, .num_buffers = 1},
		{.gso_type = 3, .num_buffers = 1},
		{.gso_type = 1, .gso_size = 10, .num_buffers = 1},
	};

	(void)state;
	use(USED_FEATURES);
	for (unsigned i = 0; i < ARRAY_SIZE(headers); i++) {
		struct virtio_net_hdr merged = headers[i];
		uint16_t first;

		fake_vdev_finish(RX, fill(&headers[i], false, 0, 100, 1), HEADER + 100);
		settle();
		merged.num_buffers = 2;
		first = fill(&merged, false, 0, 50, 1);
		fake_vdev_finish_quietly(RX, first, HEADER + 50);
		fake_vdev_finish(RX, fill(NULL, true, 50, 50, 1), 50);
		settle();
	}
	assert_int_equal(got_count, 0);
	assert_int_equal(nic->counters.rx_errors, 2 * ARRAY_SIZE(headers));
	check_works();
	leave();
}

/* A frame of as many buffers, each of which is said to have `bytes`, but the first. */
static void arrive_in(unsigned count, uint32_t first, uint32_t bytes)
{
	const struct virtio_net_hdr header = {.num_buffers = (uint16_t)count};

	for (unsigned i = 0; i < count; i++) {
		uint16_t id = fill(&header, i, 0, HEADER + PAGE_BYTES * (i > 0), 1);

		if (i + 1 < count)
			fake_vdev_finish_quietly(RX, id, i ? bytes : first);
		else
			fake_vdev_finish(RX, id, bytes);
	}
	settle();
}

/* Sums of lengths that make no frame: too short a first buffer, too much, or too little. */
static void test_merged_lengths(void **state)
{
	const uint32_t whole = HEADER + PAGE_BYTES;

	(void)state;
	use(USED_FEATURES);
	arrive_in(2, 0, whole); /* behind its page there is none */
	arrive_in(2, HEADER - 1, whole);
	arrive_in(2, HEADER, 13);
	arrive_in(17, UINT32_MAX, UINT32_MAX);
	arrive_in(18, HEADER, UINT32_MAX);
	assert_int_equal(got_count, 0);
	assert_int_equal(nic->counters.rx_dropped, 5);
	assert_int_equal(nic->counters.resets, 0);
	arrive_in(2, HEADER, 14);
	assert_int_equal(got_count, 1);
	assert_int_equal(got[0]->bytes, 14);
	check_works();
	leave();
}

/* Buffers that are announced and do not come, or more than any frame has. */
static void test_merged_without_end(void **state)
{
	static const uint16_t counts[] = {3, 19, UINT16_MAX};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(counts); i++) {
		const struct virtio_net_hdr header = {.num_buffers = counts[i]};
		unsigned come = MIN(counts[i] - 1, 25);

		use(USED_FEATURES);
		send_two();
		for (unsigned k = 1; k < come; k++)
			fake_vdev_finish_quietly(RX, fill(&header, false, 0, 100, 1), 112);
		fake_vdev_finish(RX, fill(&header, false, 0, 100, 1), 112);
		settle();
		assert_int_equal(got_count, 0);
		check_reset(2);
		leave();
	}
}

/* ---- trouble ----------------------------------------------------------------------------- */

static void ask_for_reset(void)
{
	fake_vdev.status |= FAKE_NEEDS_RESET;
	fake_vdev_config_interrupt();
}

static void test_needs_reset(void **state)
{
	(void)state;
	use(USED_FEATURES);
	send_two();
	take_sent(60, 0, NULL);
	arrive(60, 1);
	ask_for_reset();
	settle();
	drop_received();
	check_reset(2);
	leave();
}

static void check_given_up(void)
{
	assert_true(nic->gone);
	assert_int_equal(nic->counters.resets, 6);
	assert_int_equal(pending(), 0);
}

/* One that does nothing but ask is given up, whether or not it ever had a link. */
static void test_needs_reset_for_ever(void **state)
{
	(void)state;
	use(USED_FEATURES);
	fake_vdev.status_added = FAKE_NEEDS_RESET;
	send_two();
	ask_for_reset();
	settle();
	check_given_up();
	leave();

	offer(USED_FEATURES);
	pool = NULL;
	fake_vdev.status_added = FAKE_NEEDS_RESET;
	assert_int_equal(probe(), 0);
	settle();
	check_given_up();
	leave();
}

/* So is one whose configuration is never the same twice. */
static void test_restless(void **state)
{
	(void)state;
	use(USED_FEATURES);
	fake_vdev.restless = true;
	send_two();
	fake_vdev_config_interrupt();
	settle();
	check_given_up();
	leave();
}

/* Frames that are not sent for two seconds are lost. */
static void test_silence(void **state)
{
	(void)state;
	use(USED_FEATURES);
	send_two();
	pass(1900 * NSEC_PER_MSEC);
	assert_int_equal(nic->counters.resets, 0);
	pass(200 * NSEC_PER_MSEC);
	check_reset(2);
	leave();
}

/* A command without an answer: nobody waits busily for it, and frames go on. */
static void test_no_answer_to_commands(void **state)
{
	(void)state;
	use(USED_FEATURES);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(nic->ops->set_promiscuous(nic, true), 0);
		settle();
		arrive(60, i);
		settle();
		assert_int_equal(got_count, i + 1);
	}
	assert_int_equal(fake_vdev_available(CONTROL), 2);
	leave();
}

static void test_gone(void **state)
{
	(void)state;
	use(USED_FEATURES);
	send_two();
	fake_vdev.gone = true;
	pass(3 * NSEC_PER_SEC);
	check_gone();
	assert_false(fake_vdev.master);
	leave();
}

/* It may still reach memory, if it is not kept from that. */
static void test_does_not_reset(void **state)
{
	(void)state;
	use(USED_FEATURES);
	send_two();
	fake_vdev.stuck = true;
	ask_for_reset();
	settle();
	check_gone();
	assert_false(fake_vdev.master);
	leave();
}

/* It takes its time, which is not held against it. */
static void be_done(void)
{
	if (fake_now_ns > 1001 * NSEC_PER_SEC && fake_vdev.stuck) {
		fake_vdev.stuck = false;
		fake_vdev.status = 0;
		for (unsigned i = RX; i <= CONTROL; i++) {
			fake_vdev.queues[i].enabled = false;
			fake_vdev.queues[i].seen = fake_vdev.queues[i].used_index = 0;
		}
	}
}

static void test_resets_slowly(void **state)
{
	(void)state;
	use(USED_FEATURES);
	send_two();
	fake_vdev.stuck = true;
	fake_vdev.while_asleep = be_done;
	ask_for_reset();
	settle();
	check_reset(2);
	leave();
}

/* After a reset it is another device, or one that does not agree any more. */
static void test_comes_back_different(void **state)
{
	(void)state;
	use(USED_FEATURES);
	send_two();
	fake_vdev.features &= ~BIT(VIRTIO_NET_F_GUEST_CSUM);
	ask_for_reset();
	settle();
	check_gone();
	leave();
	use(USED_FEATURES);
	send_two();
	fake_vdev.refuses = true;
	ask_for_reset();
	settle();
	check_gone();
	leave();
	use(USED_FEATURES);
	send_two();
	fake_vdev.no_vectors = true;
	ask_for_reset();
	settle();
	check_gone();
	leave();
}

/* Who is asked to be promiscuous is it after a reset, too. */
static void test_filter_after_reset(void **state)
{
	struct fake_chain c;

	(void)state;
	use(USED_FEATURES);
	assert_int_equal(nic->ops->set_promiscuous(nic, true), 0);
	settle();
	ask_for_reset();
	settle();
	assert_int_equal(fake_vdev_available(CONTROL), 2);
	assert_true(fake_vdev_take(CONTROL, &c));
	assert_int_equal(((uint8_t *)c.parts[0].data)[1], 0);
	assert_int_equal(*(uint8_t *)c.parts[1].data, 1);
	leave();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrong_ids),
		cmocka_unit_test(test_given_back_twice),
		cmocka_unit_test(test_index_jumps),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_merged_lengths),
		cmocka_unit_test(test_merged_without_end),
		cmocka_unit_test(test_needs_reset),
		cmocka_unit_test(test_needs_reset_for_ever),
		cmocka_unit_test(test_restless),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_no_answer_to_commands),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_does_not_reset),
		cmocka_unit_test(test_resets_slowly),
		cmocka_unit_test(test_comes_back_different),
		cmocka_unit_test(test_filter_after_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

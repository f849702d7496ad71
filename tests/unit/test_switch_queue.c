/*
 * Ports' queues and limits: who waits for whom and for how long, whose packets are dropped, how
 * exact limits are, and ports that come and go.
 */
/* links: net/switch/switch.c net/switch/forward.c net/switch/port.c net/switch/queue.c */
/* links: net/switch/uplink.c net/switch/wait.c net/switch/table.c net/switch/filter.c */
/* links: net/switch/frame.c net/switch/offload.c kernel/io/packet.c kernel/io/netdev.c */
/* links: kernel/io/network.c kernel/vmm/bus.c tests/unit/fake_switch.c */
/* links: tests/unit/fake_net.c tests/unit/fake_vmm.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "tests/unit/fake_switch.h"

/* Nothing is lost: the sender waits until half of the queue is free. */
static void test_sender_waits(void **state)
{
	(void)state;
	plug_all("lan", 3);
	for (unsigned i = 0; i < QUEUE; i++)
		assert_int_equal(send_mark(0, 1, i), 0);
	assert_int_equal(guests[1].arrived, 1); /* once until it is empty */
	assert_int_equal(send_mark(0, 1, 1000), -EAGAIN);
	assert_int_equal(send_mark(2, 1, 2000), -EAGAIN);
	for (unsigned i = 0; i < QUEUE / 2; i++) {
		assert_int_equal(guests[0].ready, 0);
		assert_int_equal(take(1), i);
	}
	assert_int_equal(guests[0].ready, 1);
	assert_int_equal(guests[2].ready, 1);
	assert_int_equal(send_mark(0, 1, 1000), 0);
	for (unsigned i = QUEUE / 2; i < QUEUE; i++)
		assert_int_equal(take(1), i);
	assert_int_equal(take(1), 1000);
	assert_int_equal(drops(1, NETWORK_DROP_FULL), 0);
	assert_int_equal(guests[0].dev->counters.tx_packets, QUEUE + 1);
}

/* Who takes nothing keeps a sender for a moment, once, and nobody's packets; who takes again
 * gets again. */
static void test_stalled(void **state)
{
	(void)state;
	plug_all("lan", 2);
	for (unsigned i = 0; i < QUEUE; i++)
		send_mark(0, 1, i);
	assert_int_equal(send_mark(0, 1, 1), -EAGAIN);
	refuse(1);
	fake_run_until(fake_now_ns + 1100 * MS);
	assert_int_equal(guests[0].ready, 1);
	assert_int_equal(fake_packets_out(), 0);
	assert_int_equal(drops(1, NETWORK_DROP_STALLED), QUEUE);
	assert_int_equal(send_mark(0, 1, 7), 0);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(send_mark(0, 1, i), 0); /* lost at once */
	assert_int_equal(drops(1, NETWORK_DROP_STALLED), QUEUE + 100);
	assert_int_equal(take(1), 7);
	assert_int_equal(take(1), -1); /* so it has kept the one before */
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(send_mark(0, 1, i), 0);
	assert_int_equal(drops(1, NETWORK_DROP_STALLED), QUEUE + 100);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(take(1), i);
}

/* Slowly emptied over and over again: waiting for it has an end. */
static void test_patience(void **state)
{
	unsigned sent_count = 0, waits = 0;

	(void)state;
	plug_all("lan", 2);
	for (unsigned round = 0; round < 200; round++) {
		unsigned before = guests[0].ready;

		for (unsigned i = 0; i < QUEUE && send_mark(0, 1, i) == 0; i++)
			sent_count++;
		for (unsigned i = 0; i < QUEUE / 2; i++) {
			fake_run_until(fake_now_ns + 3 * MS);
			take(1);
		}
		waits += guests[0].ready - before;
	}
	assert_in_range(waits, 3, 40);
	assert_true(drops(1, NETWORK_DROP_FULL) > 1000);
}

/* One that is half empty again after 100 ms at most, each time, is waited for each time. */
static void test_ordinary_waiting_is_free(void **state)
{
	unsigned waits;

	(void)state;
	plug_all("lan", 2);
	waits = guests[0].ready;
	for (unsigned round = 0; round < 200; round++) {
		for (unsigned i = 0; i < QUEUE && send_mark(0, 1, i) == 0; i++)
			;
		assert_int_equal(send_mark(0, 1, 0), -EAGAIN);
		fake_run_until(fake_now_ns + (round % 2 ? 100 : 60) * MS);
		for (unsigned i = 0; i < QUEUE / 2; i++)
			take(1);
	}
	assert_int_equal(guests[0].ready - waits, 200);
	assert_int_equal(drops(1, NETWORK_DROP_FULL), 0);
}

static void test_unpoll(void **state)
{
	struct packet *packet;

	(void)state;
	plug_all("lan", 2);
	send_mark(0, 1, 1);
	send_mark(0, 1, 2);
	for (unsigned i = 0; i < 3; i++) {
		packet = guests[1].dev->ops->poll(guests[1].dev);
		guests[1].dev->ops->unpoll(guests[1].dev, packet);
	}
	assert_int_equal(guests[1].dev->counters.rx_packets, 0);
	assert_int_equal(take(1), 1);
	assert_int_equal(take(1), 2);
	assert_int_equal(guests[1].dev->counters.rx_packets, 2);
	/* What was put back is no progress. */
	send_mark(0, 1, 3);
	for (unsigned i = 0; i < 100; i++) {
		packet = guests[1].dev->ops->poll(guests[1].dev);
		if (!packet)
			break;
		guests[1].dev->ops->unpoll(guests[1].dev, packet);
		fake_run_until(fake_now_ns + 20 * MS);
	}
	assert_int_equal(drops(1, NETWORK_DROP_STALLED), 1);
}

/* While the receiver has one in its hands a sender fills the queue again: the one comes back
 * first, nothing is lost and nothing comes twice. The frame behind the last is a third one's
 * memory by then, if any was. */
static void test_unpoll_to_full(void **state)
{
	struct netdev *to;
	struct packet *packet;
	unsigned mark = 0, expected = 0;

	(void)state;
	plug_all("lan", 3);
	to = guests[1].dev;
	while (send_mark(0, 1, mark) == 0)
		mark++;
	assert_int_equal(mark, QUEUE);
	for (unsigned round = 0; round < 3; round++) {
		packet = to->ops->poll(to);
		if (send_mark(0, 1, mark) == 0)
			mark++;
		to->ops->unpoll(to, packet);
		assert_int_equal(send_mark(0, 1, mark), -EAGAIN); /* it is full again */
	}
	assert_int_equal(take(1), expected++);
	assert_int_equal(send_mark(0, 2, 0x5ec2e7), 0); /* may be made of what was taken */
	while (expected < mark)
		assert_int_equal(take(1), expected++);
	assert_int_equal(take(1), -1);
	assert_int_equal(take(2), 0x5ec2e7);
	assert_int_equal(drops(1, NETWORK_DROP_FULL), 0);
	assert_int_equal(fake_packets_out(), 0);
}

/* A stalled guest looks at a packet and puts it back, while somebody sends: that it had it in
 * its hands is no reason to fill its queue anew. */
static void test_handed_out_is_not_taken(void **state)
{
	struct netdev *to;
	struct packet *packet;

	(void)state;
	plug_all("lan", 2);
	to = guests[1].dev;
	for (unsigned i = 0; i < 10; i++)
		send_mark(0, 1, i);
	refuse(1);
	fake_run_until(fake_now_ns + 1100 * MS);
	assert_int_equal(send_mark(0, 1, 100), 0);
	packet = to->ops->poll(to);
	assert_int_equal(send_mark(0, 1, 101), 0); /* there was none to be seen */
	to->ops->unpoll(to, packet);
	for (unsigned i = 0; i < 10; i++)
		send_mark(0, 1, i);
	look(to->name);
	assert_true(port_info.stalled);
	assert_int_equal(port_info.queued, 2);
	assert_int_equal(take(1), 100);
	assert_int_equal(take(1), 101);
	assert_int_equal(take(1), -1);
	assert_int_equal(send_mark(0, 1, 102), 0);
	look(to->name);
	assert_false(port_info.stalled);
}

/* A receiver whose thread has no CPU, and so does not look, is not stalled, however long: its
 * queue waits for it. From when it has looked, and has no buffers, it has half a second. */
static void test_not_looking_is_not_stalled(void **state)
{
	(void)state;
	plug_all("lan", 2);
	for (unsigned i = 0; i < QUEUE; i++)
		send_mark(0, 1, i);
	assert_int_equal(send_mark(0, 1, 1), -EAGAIN);
	fake_run_until(fake_now_ns + 3000 * MS);
	assert_int_equal(drops(1, NETWORK_DROP_STALLED), 0);
	assert_int_equal(port_info.queued, QUEUE);
	refuse(1);
	fake_run_until(fake_now_ns + 499 * MS);
	assert_int_equal(drops(1, NETWORK_DROP_STALLED), 0);
	for (unsigned i = 0; i < QUEUE; i++)
		assert_int_equal(take(1), i);
	assert_int_equal(take(1), -1);
	fake_run_until(fake_now_ns + 3000 * MS);
	assert_int_equal(drops(1, NETWORK_DROP_STALLED), 0);
	assert_int_equal(fake_timers_armed(), 0);
}

/* A receiver's end frees those that wait for it, and the other way round. */
static void test_ends(void **state)
{
	(void)state;
	plug_all("lan", 3);
	for (unsigned i = 0; i < QUEUE; i++)
		send_mark(0, 1, i);
	assert_int_equal(send_mark(0, 1, 1), -EAGAIN);
	assert_int_equal(send_mark(2, 1, 1), -EAGAIN);
	unplug(2);
	unplug(1);
	assert_int_equal(guests[0].ready, 1);
	assert_int_equal(guests[2].ready, 0);
	assert_int_equal(fake_packets_out(), 0);
	assert_int_equal(send_mark(0, 1, 1), 0); /* nobody there */
}

/* More segments than there is room for: the sender comes again, and none is lost or doubled. */
static void test_segments_wait(void **state)
{
	struct packet *big, *packet;
	unsigned count = 0;
	int err;

	(void)state;
	plug_all("lan", 2);
	guests[1].dev->ops->listen(guests[1].dev, true, 0);
	for (unsigned i = 0; i < QUEUE - 10; i++)
		send_mark(0, 1, i);
	big = tso(guests[1].mac, guests[0].mac, 60000);
	while ((err = guests[0].dev->ops->transmit(guests[0].dev, big)) == -EAGAIN) {
		unsigned before = guests[0].ready;

		while (guests[0].ready == before &&
		       (packet = guests[1].dev->ops->poll(guests[1].dev))) {
			count += packet->bytes > 60;
			packet_put(packet);
		}
	}
	assert_int_equal(err, 0);
	while ((packet = guests[1].dev->ops->poll(guests[1].dev))) {
		count += packet->bytes > 60;
		packet_put(packet);
	}
	assert_int_equal(count, 42);
	assert_int_equal(guests[0].dev->counters.tx_packets, QUEUE - 10 + 1);
}

/* Half of it has gone in segments when the receiver says that it takes such packets whole: the
 * rest goes in segments, and no byte twice. */
static void test_segments_stay_segments(void **state)
{
	struct packet *big, *packet;
	uint32_t bytes = 0;

	(void)state;
	plug_all("lan", 2);
	guests[1].dev->ops->listen(guests[1].dev, true, 0);
	for (unsigned i = 0; i < QUEUE - 10; i++)
		send_mark(0, 1, i);
	big = tso(guests[1].mac, guests[0].mac, 60000);
	assert_int_equal(guests[0].dev->ops->transmit(guests[0].dev, big), -EAGAIN);
	guests[1].dev->ops->listen(guests[1].dev, true, NETDEV_ACCEPTS);
	for (unsigned i = 0; i < QUEUE - 10; i++)
		assert_int_equal(take(1), i);
	assert_int_equal(send(0, big), 0);
	while ((packet = guests[1].dev->ops->poll(guests[1].dev))) {
		assert_int_equal(packet->gso, PACKET_GSO_NONE);
		bytes += packet->bytes - 54;
		packet_put(packet);
	}
	assert_int_equal(bytes, 60000);
}

/* ---- limits ---------------------------------------------------------------------------- */

static void test_send_limit(void **state)
{
	struct network_port_config config = port_config(0, "lan");
	uint64_t start, bytes = 0;
	unsigned waits = 0;

	(void)state;
	plug_all("lan", 2);
	unplug(0);
	config.tx_bytes_per_s = 100000;
	config.burst_bytes = 6000;
	plug(0, &config, 0);
	start = fake_now_ns;
	while (fake_now_ns < start + 10 * NSEC_PER_SEC) {
		if (send_mark(0, 1, 1) == 0) {
			bytes += 60;
			take(1);
			continue;
		}
		waits++;
		fake_run_until(fake_now_ns + MS / 10);
		while (guests[0].ready < waits)
			fake_run_until(fake_now_ns + MS / 10);
	}
	assert_in_range(bytes, 1006000 - 500, 1006000 + 500);
	assert_int_equal(drops(0, NETWORK_DROP_FULL), 0);
	assert_int_equal(guests[0].dev->counters.throttled, waits);
	assert_int_equal(guests[1].dev->counters.throttled, 0);
}

static void test_receive_limit(void **state)
{
	struct network_port_config config = port_config(1, "lan");
	uint64_t start, bytes = 0;
	unsigned seen = 0;

	(void)state;
	plug_all("lan", 1);
	config.rx_bytes_per_s = 100000;
	config.burst_bytes = 6000;
	plug(1, &config, 0);
	start = fake_now_ns;
	while (fake_now_ns < start + 10 * NSEC_PER_SEC) {
		assert_int_equal(send_mark(0, 1, 1), 0); /* nobody waits for it */
		if (guests[1].arrived > seen) {
			struct netdev *dev = guests[1].dev;
			struct packet *packet;

			seen = guests[1].arrived;
			while ((packet = dev->ops->poll(dev))) {
				dev->ops->unpoll(dev, packet); /* costs nothing */
				bytes += take(1) == 1 ? 60 : 0;
			}
		}
		fake_run_until(fake_now_ns + MS / 10);
	}
	assert_in_range(bytes, 1006000 - 500, 1006000 + 500);
	assert_true(drops(1, NETWORK_DROP_FULL) > 1000);
	assert_int_equal(port_info.drops[NETWORK_DROP_STALLED], 0);
	assert_true(guests[1].dev->counters.throttled > 1000);
	assert_int_equal(guests[0].dev->counters.throttled, 0);
}

#define check(name) cmocka_unit_test_teardown(name, unplug_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		check(test_sender_waits),
		check(test_stalled),
		check(test_patience),
		check(test_ordinary_waiting_is_free),
		check(test_unpoll),
		check(test_ends),
		check(test_segments_wait),
		check(test_segments_stay_segments),
		check(test_unpoll_to_full),
		check(test_not_looking_is_not_stalled),
		check(test_handed_out_is_not_taken),
		check(test_send_limit),
		check(test_receive_limit),
	};

	return cmocka_run_group_tests(tests, fake_switch_start, fake_net_fini);
}

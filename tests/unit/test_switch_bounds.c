/*
 * What one guest can make the switch do for others, counted: segments, which are made for who
 * takes them and for nobody else, a turn's work, what is for all, and what a guest gains by
 * saying again and again that it listens.
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

#define MSS_MIN	 48
#define PAYLOAD	 60000u
#define SEGMENTS (PAYLOAD / MSS_MIN) /* 1250 */
#define TURN	 256		     /* net/switch/internal.h */
#define COPIES	 64		     /* packets for segments of one port's; port.c */
#define BATCH	 64		     /* frames of a device in one turn */

static uint64_t segments_of(unsigned i)
{
	look(guests[i].dev->name);
	return port_info.segments;
}

static struct packet *cut(const uint8_t *to, unsigned from, uint32_t payload, unsigned mss)
{
	struct packet *packet = tso(to, guests[from].mac, payload);

	packet->gso_bytes = (uint16_t)mss;
	return packet;
}

static void commit(unsigned i)
{
	guests[i].dev->ops->commit(guests[i].dev);
}

/* Two guests; the second takes nothing whole. */
static void plug_two(void)
{
	struct network_port_config config = port_config(1, "lan");

	plug_all("lan", 1);
	plug(1, &config, 0);
}

/* ---- for who does not take them ---------------------------------------------------------- */

static void test_none_for_who_does_not_listen(void **state)
{
	(void)state;
	plug_two();
	guests[1].dev->ops->listen(guests[1].dev, false, 0);
	for (unsigned i = 0; i < BATCH; i++)
		assert_int_equal(send(0, cut(guests[1].mac, 0, PAYLOAD, MSS_MIN)), 0);
	for (unsigned i = 0; i < BATCH / 4; i++)
		assert_int_equal(send(0, cut(everybody, 0, 3000, MSS_MIN)), 0);
	assert_int_equal(segments_of(0), 0);
	/* They count as if they had been made. */
	assert_true(drops(1, NETWORK_DROP_NOT_LISTENING) >= BATCH * SEGMENTS);
}

static void test_none_for_who_is_stalled(void **state)
{
	uint64_t before;

	(void)state;
	plug_two();
	send_mark(0, 1, 1);
	refuse(1);
	fake_run_until(fake_now_ns + 1100 * MS);
	send_mark(0, 1, 2); /* to see whether it is taken */
	before = drops(1, NETWORK_DROP_STALLED);
	for (unsigned i = 0; i < BATCH; i++)
		assert_int_equal(send(0, cut(guests[1].mac, 0, PAYLOAD, MSS_MIN)), 0);
	assert_int_equal(segments_of(0), 0);
	assert_int_equal(drops(1, NETWORK_DROP_STALLED), before + BATCH * SEGMENTS);
	assert_int_equal(take(1), 2);
}

static void test_none_without_a_link(void **state)
{
	(void)state;
	plug_all("wan", 1);
	from_wire(frame(guests[0].mac, outside, 2));
	take(0);
	look("wan");
	nic.link_up = false;
	for (unsigned i = 0; i < BATCH; i++)
		assert_int_equal(send(0, cut(outside, 0, PAYLOAD, MSS_MIN)), 0);
	assert_int_equal(segments_of(0), 0);
	look("wan");
	assert_true(network_info.drops[NETWORK_DROP_NO_LINK] >= BATCH * SEGMENTS);
	nic.link_up = true;
}

/* A queue that nobody may wait for: once it is full no more are made. Each frame costs one. */
static void test_few_for_who_is_full(void **state)
{
	struct network_port_config config = port_config(1, "lan");

	(void)state;
	plug_all("lan", 1);
	config.rx_bytes_per_s = 64 * KIB;
	plug(1, &config, 0);
	for (unsigned i = 0; i < BATCH; i++) {
		int err = guests[0].dev->ops->transmit(guests[0].dev,
						       cut(guests[1].mac, 0, 1000 * 60, 1000));

		assert_int_equal(err, 0);
	}
	assert_true(segments_of(0) <= 64 * KIB / 1000 + 1 + BATCH);
	assert_int_equal(drops(1, NETWORK_DROP_FULL) + port_info.queued, BATCH * 60);
}

/* ---- in one turn ------------------------------------------------------------------------- */

/* A receiver that keeps up gets all, in turns of so many, of which commit() tells. */
static void test_a_turn_has_an_end(void **state)
{
	struct packet *big, *packet;
	unsigned got = 0, turns = 0;
	uint64_t before = 0;
	int err;

	(void)state;
	plug_two();
	big = cut(guests[1].mac, 0, PAYLOAD, MSS_MIN);
	do {
		unsigned ready = guests[0].ready;

		/* As if the receiver took them at the same time, on another CPU. */
		while ((err = guests[0].dev->ops->transmit(guests[0].dev, big)) == -EAGAIN) {
			unsigned now = got;

			while ((packet = guests[1].dev->ops->poll(guests[1].dev))) {
				got++;
				packet_put(packet);
			}
			if (got == now)
				break;
		}
		assert_true(segments_of(0) - before <= TURN + 1);
		before = segments_of(0);
		ready = guests[0].ready;
		commit(0);
		turns++;
		assert_int_equal(guests[0].ready - ready, err == -EAGAIN);
	} while (err == -EAGAIN);
	while ((packet = guests[1].dev->ops->poll(guests[1].dev))) {
		got++;
		packet_put(packet);
	}
	assert_int_equal(err, 0);
	assert_int_equal(got, SEGMENTS);
	assert_int_equal(turns, (SEGMENTS + TURN - 1) / TURN);
	commit(0);
	assert_int_equal(guests[0].dev->counters.tx_packets, 1);
}

static void take_all_of(unsigned i)
{
	struct packet *packet;

	while ((packet = guests[i].dev->ops->poll(guests[i].dev)))
		packet_put(packet);
}

/* What was cut before in the same turn counts, also where the queue has room. */
static void test_a_turn_that_has_begun(void **state)
{
	struct packet *big;

	(void)state;
	plug_two();
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(send(0, cut(guests[1].mac, 0, 50 * MSS_MIN, MSS_MIN)), 0);
		take_all_of(1);
	}
	assert_int_equal(segments_of(0), 250);
	big = cut(guests[1].mac, 0, PAYLOAD, MSS_MIN);
	assert_int_equal(guests[0].dev->ops->transmit(guests[0].dev, big), -EAGAIN);
	assert_int_equal(segments_of(0), TURN);
	do {
		commit(0);
		take_all_of(1);
	} while (guests[0].dev->ops->transmit(guests[0].dev, big));
	take_all_of(1);
	commit(0);
}

/* Frames for all count as many as have them. */
static void test_a_turn_of_floods(void **state)
{
	unsigned sent_count = 0;
	struct packet *packet;

	(void)state;
	plug_all("lan", 4);
	while (!guests[0].dev->ops->transmit(guests[0].dev,
					     packet = frame(everybody, guests[0].mac, 1)))
		sent_count++;
	assert_int_equal(sent_count, (TURN + 2) / 3);
	assert_int_equal(guests[0].ready, 0);
	commit(0);
	assert_int_equal(guests[0].ready, 1);
	assert_int_equal(send(0, packet), 0);
	while (take(1) == 1 || take(2) == 1 || take(3) == 1)
		;
}

/* ---- for all ----------------------------------------------------------------------------- */

/* The limit of frames for all is one of segments. */
static void test_floods_count_segments(void **state)
{
	unsigned went = 0;

	(void)state;
	plug_all("lan", 2); /* it takes them whole: it is the limit that counts */
	for (unsigned i = 0; i < 100; i++) {
		send(0, cut(everybody, 0, 50 * 1000, 1000));
		commit(0);
		while (guests[1].arrived && take(1) != -1)
			went++;
	}
	assert_int_equal(went, 1000 / 50);
	assert_int_equal(drops(0, NETWORK_DROP_FLOOD), 100 - 1000 / 50);
}

/* The last good and the first bad: what makes more than 64 goes to nobody but the wire. */
static void test_floods_of_many_segments(void **state)
{
	struct network_port_config config = port_config(1, "wan");

	(void)state;
	plug_all("wan", 1);
	plug(1, &config, 0);
	assert_int_equal(send(0, cut(everybody, 0, 64 * 48, 48)), 0);
	assert_int_equal(segments_of(0), 64); /* and no more of them are there for the wire */
	assert_int_equal(drops(0, NETWORK_DROP_FLOOD), 0);
	while (take(1) != -1)
		;
	commit(0);
	sent();
	assert_int_equal(send(0, cut(everybody, 0, 64 * 48 + 1, 48)), 0);
	assert_int_equal(segments_of(0), 64);
	assert_int_equal(drops(0, NETWORK_DROP_FLOOD), 1);
	commit(0);
	/* For a station that is nobody's yet, it goes where that would be. */
	wire_room = 32;
	send(0, cut(outside, 0, 64 * 48 + 1, 48));
	assert_int_equal(take(1), -1);
	assert_true(wire_count > 0);
	sent();
	wire_room = WIRE_MAX;
}

/* From the wire nobody waits: one frame costs what its receiver's queue holds, and one more. */
static void test_from_the_wire(void **state)
{
	struct network_port_config config = port_config(0, "wan");
	struct packet *packet;

	(void)state;
	plug(0, &config, 0);
	look("wan");
	for (unsigned i = 0; i < 8; i++) {
		uint64_t before = network_info.segments;

		packet = tso(guests[0].mac, outside, PAYLOAD);
		packet->gso_bytes = MSS_MIN;
		from_wire(packet);
		look("wan");
		assert_true(network_info.segments - before <= QUEUE + 1);
	}
	while (take(0) != -1)
		;
}

/* ---- the log ----------------------------------------------------------------------------- */

/* A line for each reason, however often, and however many turns. */
static void test_lines_in_the_log(void **state)
{
	struct network_port_config config = port_config(0, "lan");
	unsigned before;

	(void)state;
	config.filter_mac = true;
	plug(0, &config, NETDEV_ACCEPTS);
	config = port_config(1, "lan");
	plug(1, &config, NETDEV_ACCEPTS);
	before = fake_log_lines;
	for (unsigned i = 0; i < 1000; i++) {
		send(0, frame(guests[1].mac, outside, i)); /* another's address */
		send(1, frame(guests[0].mac, everybody, i));
	}
	assert_int_equal(fake_log_lines - before, 1);
	assert_int_equal(drops(0, NETWORK_DROP_SPOOFED_MAC), 1000);
	assert_int_equal(drops(1, NETWORK_DROP_MALFORMED), 1000);
}

/* ---- one that says it listens ------------------------------------------------------------ */

/* A guest without buffers says every 50 ms that it listens: it stalls all the same, and who
 * waits for it is not called for that. */
static void test_listening_again_changes_nothing(void **state)
{
	struct netdev *dev;

	(void)state;
	plug_all("lan", 2);
	dev = guests[1].dev;
	for (unsigned i = 0; i < QUEUE; i++)
		send_mark(0, 1, i);
	assert_int_equal(send_mark(0, 1, 1), -EAGAIN);
	refuse(1);
	for (unsigned i = 0; i < 9; i++) {
		fake_run_until(fake_now_ns + 50 * MS);
		dev->ops->listen(dev, true, NETDEV_ACCEPTS);
		assert_int_equal(guests[0].ready, 0);
	}
	fake_run_until(fake_now_ns + 700 * MS);
	assert_int_equal(guests[0].ready, 1);
	send_mark(0, 1, 7);
	for (unsigned i = 0; i < 10; i++) {
		dev->ops->listen(dev, true, i % 2 ? NETDEV_ACCEPTS : 0);
		assert_int_equal(send_mark(0, 1, 8), 0); /* lost */
	}
	look(dev->name);
	assert_true(port_info.stalled);
	assert_int_equal(port_info.queued, 1);
}

/* Stopping and beginning again lets senders go, but what they have waited counts: in 100 s of
 * that they wait no more than what is allowed for. */
static void test_patience_outlives_a_restart(void **state)
{
	uint64_t start, waited_ns = 0;
	struct netdev *dev;

	(void)state;
	plug_all("lan", 2);
	dev = guests[1].dev;
	start = fake_now_ns;
	while (fake_now_ns < start + 100 * NSEC_PER_SEC) {
		bool waits = false;

		for (unsigned i = 0; i < QUEUE + 1; i++)
			waits |= send_mark(0, 1, i) == -EAGAIN;
		fake_run_until(fake_now_ns + 400 * MS);
		waited_ns += waits ? 400 * MS : 0;
		dev->ops->listen(dev, false, 0);
		dev->ops->listen(dev, true, NETDEV_ACCEPTS);
	}
	/* 2 s at once, then a tenth; the first 100 ms of each time are free. */
	assert_true(waited_ns < 20 * NSEC_PER_SEC);
	assert_true(waited_ns > 2 * NSEC_PER_SEC);
}

#define check(name) cmocka_unit_test_teardown(name, unplug_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		check(test_none_for_who_does_not_listen),
		check(test_none_for_who_is_stalled),
		check(test_none_without_a_link),
		check(test_few_for_who_is_full),
		check(test_a_turn_has_an_end),
		check(test_a_turn_that_has_begun),
		check(test_a_turn_of_floods),
		check(test_floods_count_segments),
		check(test_floods_of_many_segments),
		check(test_from_the_wire),
		check(test_lines_in_the_log),
		check(test_listening_again_changes_nothing),
		check(test_patience_outlives_a_restart),
	};

	return cmocka_run_group_tests(tests, fake_switch_start, fake_net_fini);
}

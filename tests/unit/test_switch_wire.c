/*
 * The switch and a NIC: what goes out and comes in, with and without tags, and waits for room.
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

static uint8_t wire_byte(unsigned i, uint32_t at)
{
	uint8_t byte;

	packet_read(wire[i], at, &byte, 1);
	return byte;
}

static void test_uplink(void **state)
{
	(void)state;
	plug_all("wan", 2);
	send(0, frame(outside, guests[0].mac, 1)); /* not known: there, and to the other */
	assert_int_equal(wire_count, 1);
	assert_int_equal(take(1), 1);
	from_wire(frame(guests[0].mac, outside, 2));
	assert_int_equal(take(0), 2);
	assert_int_equal(take(1), -1);
	send(0, frame(outside, guests[0].mac, 3));
	assert_int_equal(wire_count, 2);
	assert_int_equal(take(1), -1);
	send_mark(0, 1, 4); /* stays inside */
	assert_int_equal(wire_count, 2);
	assert_int_equal(take(1), 4);
	guests[0].dev->ops->commit(guests[0].dev);
	guests[0].dev->ops->commit(guests[0].dev);
	assert_int_equal(commits, 1);

	from_wire(frame(guests[1].mac, guests[0].mac, 5)); /* our own address out there */
	assert_int_equal(take(1), -1);
	from_wire(frame(outside, outside, 6));
	look("wan");
	assert_int_equal(network_info.drops[NETWORK_DROP_SPOOFED_MAC], 1);
	assert_int_equal(network_info.drops[NETWORK_DROP_ELSEWHERE], 1);
	assert_int_equal(network_info.tx_packets, 2);
	assert_int_equal(network_info.rx_packets, 3);

	nic.link_up = false;
	send(0, frame(outside, guests[0].mac, 3));
	look("wan");
	assert_int_equal(network_info.drops[NETWORK_DROP_NO_LINK], 1);
	nic.link_up = true;
	sent();
}

static void test_wire_waits(void **state)
{
	struct packet *packet;
	unsigned before;

	(void)state;
	plug_all("wan", 1);
	wire_room = 2;
	from_wire(frame(guests[0].mac, outside, 2));
	take(0);
	send(0, frame(outside, guests[0].mac, 1));
	send(0, frame(outside, guests[0].mac, 2));
	packet = frame(outside, guests[0].mac, 3);
	before = commits;
	assert_int_equal(guests[0].dev->ops->transmit(guests[0].dev, packet), -EAGAIN);
	assert_int_equal(commits - before,
			 1); /* the NIC knows of what it has to make room of */
	sent();
	netdev_ready(&nic);
	assert_int_equal(guests[0].ready, 1);
	netdev_ready(&nic);
	assert_int_equal(guests[0].ready, 1);
	assert_int_equal(send(0, packet), 0);
	assert_int_equal(wire_count, 1);
	assert_int_equal(wire_byte(0, 17), 3);
	sent();
	wire_room = WIRE_MAX;
}

/* The NIC segments nothing: 14 frames with their checksums, as many as it takes at a time. */
static void test_wire_segments(void **state)
{
	struct packet *big;
	unsigned count = 0;

	(void)state;
	plug_all("wan", 1);
	from_wire(frame(guests[0].mac, outside, 2));
	take(0);
	wire_room = 4;
	big = tso(outside, guests[0].mac, 20000);
	while (guests[0].dev->ops->transmit(guests[0].dev, big)) {
		for (unsigned i = 0; i < wire_count; i++)
			assert_false(wire[i]->needs_csum);
		count += wire_count;
		sent();
	}
	count += wire_count;
	sent();
	assert_int_equal(count, 14);
	wire_room = WIRE_MAX;
}

static struct packet *tagged(struct packet *packet, unsigned tag)
{
	struct fake_frame f = {.count = 12};

	packet_read(packet, 0, f.bytes, 12);
	fake_put16(&f, 0x8100);
	fake_put16(&f, tag);
	packet_read(packet, 12, f.bytes + 16, packet->bytes - 12);
	f.count += packet->bytes - 12;
	packet_put(packet);
	return fake_packet(f.bytes, f.count);
}

/* The network "wan5" is VLAN 5 of the NIC that "wan" is on without tags. */
static void test_vlan(void **state)
{
	struct network_port_config config = port_config(1, "wan5");
	struct packet *packet;

	(void)state;
	plug_all("wan", 1);
	plug(1, &config, 0);
	config = port_config(2, "wan5");
	plug(2, &config, 0);
	from_wire(tagged(frame(guests[1].mac, outside, 1), 5));
	assert_int_equal(take(1), 1);
	from_wire(frame(guests[1].mac, outside, 2));
	from_wire(tagged(frame(guests[1].mac, outside, 3), 6));
	from_wire(tagged(tagged(frame(guests[1].mac, outside, 4), 7), 5));
	assert_int_equal(take(1), -1);
	from_wire(tagged(frame(guests[0].mac, outside, 5), 0xe000)); /* a priority is no VLAN */
	take(0); /* mark 2, flooded, as "wan" does not know that address */
	assert_int_equal(take(0), 5);
	packet = frame(guests[1].mac, outside, 6);
	packet->vlan = 0x2005; /* beside the frame */
	from_wire(packet);
	assert_int_equal(take(1), 6);

	/* Out: in the frame, and taken off again where there is no room yet. */
	wire_room = 0;
	packet = frame(outside, guests[1].mac, 7);
	assert_int_equal(guests[1].dev->ops->transmit(guests[1].dev, packet), -EAGAIN);
	assert_int_equal(packet->bytes, 60);
	wire_room = WIRE_MAX;
	assert_int_equal(send(1, packet), 0);
	assert_int_equal(wire[0]->bytes, 64);
	assert_int_equal(wire_byte(0, 12) << 8 | wire_byte(0, 13), 0x8100);
	assert_int_equal(wire_byte(0, 15), 5);
	/* To all: the wire's copy has the tag, the neighbour's has not. */
	send(1, frame(everybody, guests[1].mac, 8));
	assert_int_equal(wire[1]->bytes, 64);
	assert_int_equal(take(2), 8);
	assert_int_equal(take(0), -1);
	nic.features = NETDEV_VLAN;
	send(1, frame(everybody, guests[1].mac, 9));
	assert_int_equal(wire[2]->bytes, 60);
	assert_int_equal(wire[2]->vlan, 5);
	packet = guests[2].dev->ops->poll(guests[2].dev);
	assert_int_equal(packet->vlan, 0);
	packet_put(packet);
	nic.features = 0;
	sent();
}

/* One that takes little of what comes from the wire does not use up the NIC's packets. */
static void test_scarce(void **state)
{
	struct packet_pool *pool = packet_pool_create(64, 64, NULL);
	struct packet *packet;
	unsigned lost = 0;

	(void)state;
	plug_all("wan", 1);
	for (unsigned i = 0; i < 200; i++) {
		struct packet *original = frame(guests[0].mac, outside, i);
		uint8_t bytes[60];

		packet = packet_alloc(pool, 60);
		if (!packet)
			lost++;
		packet_read(original, 0, bytes, 60);
		packet_put(original);
		if (!packet)
			continue;
		packet_write(packet, 0, bytes, 60);
		from_wire(packet);
	}
	assert_int_equal(lost, 0);
	assert_true(drops(0, NETWORK_DROP_FULL) > 100);
	unplug(0);
	packet_pool_destroy(pool);
}

#define check(name) cmocka_unit_test_teardown(name, unplug_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		check(test_uplink), check(test_wire_waits), check(test_wire_segments),
		check(test_vlan),   check(test_scarce),
	};

	return cmocka_run_group_tests(tests, fake_switch_start, fake_net_fini);
}

/*
 * The switch where it seldom goes: nobody who could want a frame, sums and segments for all,
 * NICs that refuse in every way, MAC addresses that share a place in the table.
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
#include <string.h>

#include "net/switch/table.h"
#include "tests/unit/fake_switch.h"

/* Where each port has one address, what is for nobody known is for none of them. */
static void test_for_nobody(void **state)
{
	struct network_port_config config;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		config = port_config(i, i ? "wan" : "lan");
		config.filter_mac = true;
		plug(i, &config, NETDEV_ACCEPTS);
	}
	send(0, frame(outside, guests[0].mac, 1));
	assert_int_equal(drops(0, NETWORK_DROP_FLOOD), 1);
	send(1, frame(outside, guests[1].mac, 1)); /* it may be out there */
	assert_int_equal(wire_count, 1);
	sent();
	look("wan");
	from_wire(frame(guests[0].mac, outside, 1)); /* not in here */
	assert_int_equal(take(1), -1);
	look("wan");
	assert_int_equal(network_info.drops[NETWORK_DROP_ELSEWHERE], 1);
}

static void test_sums_for_all(void **state)
{
	struct packet *packet;
	struct fake_frame f;
	uint8_t sum[2];

	(void)state;
	plug_all("lan", 3);
	fake_ethernet(&f, everybody, guests[0].mac, 0x0800);
	fake_ipv4(&f, 17, 1, 2, 8);
	fake_udp(&f, 7, 7, 0);
	packet = fake_packet(f.bytes, f.count);
	packet->needs_csum = true;
	packet->csum_start = 34;
	packet->csum_offset = 6;
	send(0, packet);
	for (unsigned i = 1; i < 3; i++) {
		packet = guests[i].dev->ops->poll(guests[i].dev);
		assert_non_null(packet);
		assert_false(packet->needs_csum);
		packet_read(packet, 40, sum, 2);
		assert_true(sum[0] || sum[1]);
		packet_put(packet);
	}
}

/* IPv6 is cut for who takes only IPv4 whole. */
static void test_cut_ipv6(void **state)
{
	static const uint8_t address[16] = {0xfe, 0x80, [15] = 1};
	static uint8_t bytes[PACKET_BYTES_MAX];
	struct network_port_config config = port_config(1, "lan");
	struct packet *packet;
	struct fake_frame f;
	unsigned count = 0;

	(void)state;
	plug_all("lan", 1);
	plug(1, &config, NETDEV_TX_CSUM | NETDEV_TX_TSO4);
	fake_ethernet(&f, guests[1].mac, guests[0].mac, 0x86dd);
	fake_ipv6(&f, 6, address, address, 20 + 5000);
	fake_tcp(&f, 100, 0x18);
	memcpy(bytes, f.bytes, f.count);
	packet = fake_packet(bytes, f.count + 5000);
	packet->gso = PACKET_GSO_TCP6;
	packet->gso_bytes = 1400;
	packet->needs_csum = true;
	packet->csum_start = 54;
	packet->csum_offset = 16;
	assert_int_equal(send(0, packet), 0);
	while ((packet = guests[1].dev->ops->poll(guests[1].dev))) {
		assert_int_equal(packet->gso, PACKET_GSO_NONE);
		count++;
		packet_put(packet);
	}
	assert_int_equal(count, 4);
}

/* ---- a NIC that refuses ------------------------------------------------------------------ */

static int answers[2], answer_at;
static struct packet *kept;

static int refusing_transmit(struct netdev *dev, struct packet *packet)
{
	int err = answers[answer_at++ % 2];

	(void)dev;
	if (!err)
		kept = packet;
	return err;
}

/* What each answer of a NIC is counted as; and room that comes between two looks. */
static void test_refusals(void **state)
{
	static const struct netdev_ops ops = {.transmit = refusing_transmit};
	static struct netdev refusing = {
		.ops = &ops, .location = "pci:00:0a.0", .mtu = 1500, .link_up = true};
	static const struct {
		int err;
		enum network_drop drop;
	} cases[] = {{-ENOMEM, NETWORK_DROP_NO_MEMORY},
		     {-EMSGSIZE, NETWORK_DROP_OVERSIZE},
		     {-ENETDOWN, NETWORK_DROP_NO_LINK},
		     {-EAGAIN, NETWORK_DROP_FULL}};
	struct network_config config = {.name = "bad", .uplink = "pci:00:0a.0", .vlan = 7};
	struct packet *packet;
	struct list packets;
	unsigned lines;

	(void)state;
	refusing.mtu = 500;
	netdev_register(&refusing);
	assert_int_equal(network_create(&config, why), 0); /* without it */
	assert_non_null(strstr(why, "MTU is 500"));
	assert_int_equal(network_remove("bad", why), 0);
	refusing.mtu = 1500;
	lines = fake_log_lines;
	assert_int_equal(network_create(&config, why), 0);
	assert_int_equal(fake_log_lines, lines + 1); /* it hears its own address alone */
	plug_all("bad", 1);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		/* For all, so that nobody waits: with a tag, it is a copy that is refused. */
		answers[0] = answers[1] = cases[i].err;
		assert_int_equal(send(0, frame(everybody, guests[0].mac, 1)), 0);
		look("bad");
		assert_int_equal(network_info.drops[cases[i].drop], 1);
	}
	/* To one out there, of whom it has heard: full, and then not. */
	packet = frame(guests[0].mac, outside, 1);
	packet->vlan = 7;
	list_init(&packets);
	list_push_back(&packets, &packet->link);
	netdev_receive(&refusing, &packets);
	assert_int_equal(take(0), 1);
	answers[0] = -EAGAIN;
	answers[1] = answer_at = 0;
	assert_int_equal(send(0, frame(outside, guests[0].mac, 9)), 0);
	assert_non_null(kept);
	packet_put(kept);
	netdev_ready(&refusing);
	assert_int_equal(guests[0].ready, 0); /* it waits no more */
}

static void test_bad_names(void **state)
{
	static const char *const names[] = {"mac:zz:54:00:12:34:56",
					    "mac:52:54:00:12:34",
					    "mac:52:54:00:12:34:56:78",
					    "nic0x",
					    "nic99999",
					    "nic"};
	struct network_config config = {.name = "other"};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		strcpy(config.uplink, names[i]);
		assert_int_equal(network_create(&config, why), 0);
		assert_true(why[0] != '\0'); /* it has no uplink */
		assert_int_equal(network_remove("other", why), 0);
	}
}

/* ---- the table --------------------------------------------------------------------------- */

/* Of 128 given addresses many share places: each is found, whichever others have gone. And one
 * that was learned elsewhere before it was given is where it was given to. */
static void test_given_addresses_share_places(void **state)
{
	static struct table table;
	uint8_t mac[6] = {2, 0, 0, 0, 0, 0};

	(void)state;
	table_init(&table, 12345);
	for (uint16_t i = 1; i <= 128; i++) {
		mac[5] = (uint8_t)i;
		table_learn(&table, mac, i == 1 ? 2 : 1, 1000, 1);
		table_fix(&table, mac, i);
	}
	assert_int_equal(table.counts[1], 0);
	for (uint16_t gone = 1; gone <= 128; gone++) {
		table_forget(&table, gone);
		for (uint16_t i = 1; i <= 128; i++) {
			mac[5] = (uint8_t)i;
			assert_int_equal(table_find(&table, mac, 1),
					 i <= gone ? TABLE_NOWHERE : i);
		}
	}
}

#define check(name) cmocka_unit_test_teardown(name, unplug_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		check(test_for_nobody), check(test_sums_for_all),
		check(test_cut_ipv6),	check(test_refusals),
		check(test_bad_names),	check(test_given_addresses_share_places),
	};

	return cmocka_run_group_tests(tests, fake_switch_start, fake_net_fini);
}

/* See fake_switch.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/switch/switch.h"
#include "tests/unit/fake_switch.h"

const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
const uint8_t outside[6] = {0xfc, 0, 0, 0, 0, 1};
char why[NETWORK_WHY_BYTES];
struct fake_guest guests[GUESTS];

/* ---- guests ---------------------------------------------------------------------------- */

static void arrived(void *arg)
{
	((struct fake_guest *)arg)->arrived++;
}

static void ready(void *arg)
{
	((struct fake_guest *)arg)->ready++;
}

struct network_port_config port_config(unsigned i, const char *network)
{
	struct network_port_config config = {.mac = {2, 0, 0, 0, 0, (uint8_t)(i + 1)}};

	snprintf(config.name, sizeof config.name, "g%u.0", i);
	snprintf(config.network, sizeof config.network, "%s", network);
	return config;
}

void plug(unsigned i, const struct network_port_config *config, uint32_t accepts)
{
	struct fake_guest *guest = &guests[i];
	struct netdev_consumer consumer = {.arrived = arrived, .ready = ready, .arg = guest};

	*guest = (struct fake_guest){0};
	memcpy(guest->mac, config->mac, 6);
	assert_int_equal(network_attach(config, &guest->dev, why), 0);
	netdev_consume(guest->dev, &consumer);
	guest->dev->ops->listen(guest->dev, true, accepts);
}

/* Guests without filter, which accept everything. */
void plug_all(const char *network, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct network_port_config config = port_config(i, network);

		plug(i, &config, NETDEV_ACCEPTS);
	}
}

void unplug(unsigned i)
{
	if (guests[i].dev)
		guests[i].dev->ops->close(guests[i].dev);
	guests[i].dev = NULL;
}

int unplug_all(void **state)
{
	(void)state;
	for (unsigned i = 0; i < GUESTS; i++)
		unplug(i);
	assert_int_equal(fake_timers_armed(), 0);
	assert_int_equal(fake_packets_out(), 0);
	return 0;
}

struct packet *frame(const void *to, const void *from, uint32_t mark)
{
	struct fake_frame f;

	fake_ethernet(&f, to, from, 0x88b5);
	fake_put32(&f, mark);
	fake_zeros(&f, 42);
	return fake_packet(f.bytes, f.count);
}

struct packet *tso(const uint8_t *to, const uint8_t *from, uint32_t payload)
{
	static uint8_t bytes[PACKET_BYTES_MAX];
	struct fake_frame f;
	struct packet *packet;

	fake_ethernet(&f, to, from, 0x0800);
	fake_ipv4(&f, 6, 1, 2, 20 + payload);
	fake_tcp(&f, 100, 0x18);
	memcpy(bytes, f.bytes, f.count);
	packet = fake_packet(bytes, f.count + payload);
	packet->gso = PACKET_GSO_TCP4;
	packet->gso_bytes = 1460;
	packet->needs_csum = true;
	packet->csum_start = 34;
	packet->csum_offset = 16;
	return packet;
}

int send(unsigned i, struct packet *packet)
{
	int err = guests[i].dev->ops->transmit(guests[i].dev, packet);

	if (err)
		packet_put(packet);
	return err;
}

int send_mark(unsigned i, unsigned to, uint32_t mark)
{
	return send(i, frame(guests[to].mac, guests[i].mac, mark));
}

/* The mark of the next frame, or -1. */
int64_t take(unsigned i)
{
	struct packet *packet = guests[i].dev->ops->poll(guests[i].dev);
	uint8_t b[4];

	if (!packet)
		return -1;
	packet_read(packet, 14, b, 4);
	packet_put(packet);
	return (int64_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
}

void refuse(unsigned i)
{
	struct netdev *dev = guests[i].dev;
	struct packet *packet = dev->ops->poll(dev);

	assert_non_null(packet);
	dev->ops->unpoll(dev, packet);
}

/* ---- what is told ---------------------------------------------------------------------- */

struct network_port_info port_info;
struct network_info network_info;
unsigned stations;
static const char *wanted;

static void see_network(void *arg, const struct network_info *info)
{
	(void)arg;
	if (!strcmp(info->name, wanted))
		network_info = *info;
}

static void see_port(void *arg, const struct network_port_info *info)
{
	(void)arg;
	if (!strcmp(info->name, wanted))
		port_info = *info;
}

static void see_station(void *arg, const struct network_station_info *info)
{
	(void)arg, (void)info;
	stations++;
}

void look(const char *name)
{
	const struct network_visitor visitor = {see_network, see_port, see_station, NULL};

	stations = 0;
	wanted = name;
	network_visit(&visitor);
}

uint64_t drops(unsigned i, enum network_drop drop)
{
	look(guests[i].dev->name);
	return port_info.drops[drop];
}

/* ---- a NIC ----------------------------------------------------------------------------- */

struct netdev nic = {.name = "nic0",
		     .location = "pci:00:04.0",
		     .mac = {0x52, 0x54, 0, 0x12, 0x34, 0x56},
		     .mtu = 1500,
		     .link_up = true};
struct packet *wire[WIRE_MAX];
unsigned wire_count, wire_room = WIRE_MAX, commits;
bool promiscuous;

static int nic_transmit(struct netdev *dev, struct packet *packet)
{
	(void)dev;
	if (!nic.link_up)
		return -ENETDOWN;
	if (wire_count >= wire_room)
		return -EAGAIN;
	wire[wire_count++] = packet;
	return 0;
}

static void nic_commit(struct netdev *dev)
{
	(void)dev;
	commits++;
}

static int nic_promiscuous(struct netdev *dev, bool on)
{
	(void)dev;
	promiscuous = on;
	return 0;
}

static const struct netdev_ops nic_ops = {
	.transmit = nic_transmit, .commit = nic_commit, .set_promiscuous = nic_promiscuous};

void sent(void)
{
	for (unsigned i = 0; i < wire_count; i++)
		packet_put(wire[i]);
	wire_count = 0;
}

void from_wire(struct packet *packet)
{
	struct list packets;

	list_init(&packets);
	list_push_back(&packets, &packet->link);
	netdev_receive(&nic, &packets);
}

int fake_switch_start(void **state)
{
	const struct network_config networks[] = {
		{.name = "lan"},
		{.name = "wan", .uplink = "nic0"},
		{.name = "wan5", .uplink = "mac:52:54:00:12:34:56", .vlan = 5},
	};

	(void)state;
	fake_now_ns = NSEC_PER_SEC;
	nic.ops = &nic_ops;
	netdev_register(&nic);
	switch_init();
	for (unsigned i = 0; i < ARRAY_SIZE(networks); i++)
		if (network_create(&networks[i], why))
			return -1;
	return 0;
}

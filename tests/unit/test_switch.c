/*
 * The switch among its ports: who gets which frame, what is learned, what is dropped and
 * counted.
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
#include <stdio.h>
#include <string.h>

#include "tests/unit/fake_switch.h"

static const char *found_lacks, *found_uplink;

static void find_more(void *arg, const struct network_info *info)
{
	static char lacks[NETWORK_WHY_BYTES];

	(void)arg;
	if (strcmp(info->name, "more") != 0)
		return;
	snprintf(lacks, sizeof(lacks), "%s", info->lacks);
	found_lacks = lacks;
	found_uplink = info->uplink;
}

/* It is there, and says what it lacks; guests can be plugged into it. */
static void create_without(struct network_config *config, const char *uplink, const char *text)
{
	static const struct network_visitor visitor = {.network = find_more};
	struct network_port_config port = port_config(0, "more");
	struct netdev *dev;

	strcpy(config->uplink, uplink);
	assert_int_equal(network_create(config, why), 0);
	assert_non_null(strstr(why, text));
	network_visit(&visitor);
	assert_string_equal(found_lacks, why);
	assert_null(found_uplink);
	port.mac[0] = 2;
	assert_int_equal(network_attach(&port, &dev, why), 0);
	dev->ops->close(dev);
	assert_int_equal(network_remove("more", why), 0);
}

static void test_creation(void **state)
{
	struct network_config config = {.name = "lan"};
	struct network_port_config port = port_config(0, "none");
	struct netdev *dev;

	(void)state;
	assert_int_equal(network_create(&config, why), -EEXIST);
	strcpy(config.name, "more");
	create_without(&config, "nic1", "nic0 (pci:00:04.0)");
	assert_true(promiscuous);
	create_without(&config, "nic0", "can't have VLAN 0 of nic0, which is another");
	config.vlan = 5;
	create_without(&config, "pci:00:04.0", "can't have VLAN 5 of nic0, which is another");
	create_without(&config, "pci:00:05.0", "which is no NIC of this machine");
	config.vlan = 6;
	strcpy(config.uplink, "nic0");
	assert_int_equal(network_create(&config, why), 0);
	assert_string_equal(why, "");
	assert_int_equal(network_remove("more", why), 0);

	assert_int_equal(network_attach(&port, &dev, why), -ENOENT);
	strcpy(port.network, "lan");
	port.tx_bytes_per_s = 1000;
	assert_int_equal(network_attach(&port, &dev, why), -EINVAL);
	port.tx_bytes_per_s = 0;
	port.mac[0] = 1;
	assert_int_equal(network_attach(&port, &dev, why), -EINVAL);
	plug_all("lan", 1);
	port.mac[0] = 2;
	assert_int_equal(network_attach(&port, &dev, why), -EEXIST);
	unplug(0);
	plug_all("lan", 1); /* the place and the address are free again */
}

/* As many ports as there are places, and one more once one has left. */
static void test_places_are_bounded(void **state)
{
	struct network_config lan = {.name = "full"};
	struct network_port_config port = port_config(0, "full");
	struct netdev *devs[128], *more = NULL;

	(void)state;
	assert_int_equal(network_create(&lan, why), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(devs); i++) {
		port.mac[4] = (uint8_t)i;
		assert_int_equal(network_attach(&port, &devs[i], why), 0);
	}
	port.mac[4] = 128;
	assert_int_equal(network_attach(&port, &more, why), -ENOMEM);
	assert_string_equal(why, "finds no free port, or no memory");
	devs[127]->ops->close(devs[127]);
	assert_int_equal(network_attach(&port, &devs[127], why), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(devs); i++)
		devs[i]->ops->close(devs[i]);
	assert_int_equal(network_remove("full", why), 0);
}

struct seen {
	char names[256];
	unsigned remove_at; /* the network to be removed in the course of a visit; 0: none */
};

static void see(void *arg, const struct network_info *info)
{
	struct seen *seen = arg;

	strcat(strcat(seen->names, info->name), " ");
	if (seen->remove_at && !--seen->remove_at)
		assert_int_equal(network_remove("three", why), 0);
}

static void see_all(struct seen *seen, const char *expected)
{
	const struct network_visitor visitor = {.network = see, .arg = seen};
	char *known;

	seen->names[0] = '\0';
	network_visit(&visitor);
	known = strstr(seen->names, "one ");
	assert_non_null(known);
	assert_string_equal(known, expected);
}

static void test_removal(void **state)
{
	struct network_config config = {.name = "one"};
	struct seen seen = {.remove_at = 0};

	(void)state;
	assert_int_equal(network_remove("one", why), -ENOENT);
	assert_string_equal(why, "is not there");
	assert_int_equal(network_create(&config, why), 0);
	strcpy(config.name, "two");
	strcpy(config.uplink, "nic0");
	config.vlan = 77;
	assert_int_equal(network_create(&config, why), 0);
	plug_all("two", 1);
	assert_int_equal(network_remove("two", why), -EBUSY);
	assert_non_null(strstr(why, "is in use: "));
	assert_non_null(strstr(why, " is plugged into it"));
	unplug(0);
	/* its name, uplink and VLAN are free with it, and the others stay in their order */
	assert_int_equal(network_remove("two", why), 0);
	see_all(&seen, "one ");
	strcpy(config.name, "three");
	assert_int_equal(network_create(&config, why), 0);
	strcpy(config.name, "two");
	config.vlan = 78;
	assert_int_equal(network_create(&config, why), 0);
	see_all(&seen, "one three two ");
	assert_int_equal(network_remove("one", why), 0);
	strcpy(config.name, "one");
	config.uplink[0] = '\0';
	config.vlan = 0;
	assert_int_equal(network_create(&config, why), 0);
	see_all(&seen, "one ");
	assert_int_equal(network_remove("two", why), 0);
	assert_int_equal(network_remove("three", why), 0);
	assert_int_equal(network_remove("one", why), 0);
	assert_int_equal(network_remove("one", why), -ENOENT);
}

/* One that goes while others are shown hides none of them. */
static void test_removal_while_shown(void **state)
{
	struct network_config config = {.name = "one"};
	struct seen seen = {.remove_at = 0};
	static const char *const names[] = {"one", "three", "four"};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		strcpy(config.name, names[i]);
		assert_int_equal(network_create(&config, why), 0);
	}
	see_all(&seen, "one three four ");
	seen.remove_at = 4; /* when "one" is shown, behind the three that are always there */
	see_all(&seen, "one four ");
	assert_int_equal(network_remove("one", why), 0);
	assert_int_equal(network_remove("four", why), 0);
}

static int late_promiscuous(struct netdev *dev, bool on)
{
	(void)dev, (void)on;
	return 0;
}

/* The n-th allocation fails, for every n: the caller hears of it, and what was asked for can be
 * had afterwards as if nothing had been. */
static void test_without_memory(void **state)
{
	static const struct netdev_ops ops = {.set_promiscuous = late_promiscuous};
	static struct netdev late = {
		.ops = &ops, .name = "late", .location = "pci:00:09.0", .mtu = 1500};
	struct network_config config = {.name = "late", .uplink = "pci:00:09.0"};
	struct network_port_config port = port_config(0, "lan");
	struct netdev *dev = NULL;
	unsigned n;
	int err;

	(void)state;
	netdev_register(&late);
	for (n = 0, err = -1; err; n++) {
		fake_heap_left = n;
		err = network_create(&config, why);
		fake_heap_left = FAKE_HEAP_ALL;
		assert_true(err == 0 || (err == -ENOMEM && strstr(why, "memory")));
		assert_int_equal(late.consumed, err == 0);
	}
	assert_int_equal(n, 5); /* network, uplink, its pool and that one's pages */
	for (n = 0, err = -1; err; n++) {
		fake_heap_left = n;
		err = network_attach(&port, &dev, why);
		fake_heap_left = FAKE_HEAP_ALL;
		assert_true(err == 0 || (err == -ENOMEM && strstr(why, "memory")));
	}
	assert_int_equal(n, 4);
	dev->ops->close(dev);
	for (n = 0, err = -1; err; n++) {
		unsigned before = fake_frames_left;

		fake_frames_left = n;
		err = network_attach(&port, &dev, why);
		assert_true(err == 0 || (err == -ENOMEM && fake_frames_left == n));
		fake_frames_left = err ? before : before - (n - fake_frames_left);
	}
	assert_int_equal(n, 97);
	dev->ops->close(dev);
}

static void test_unicast(void **state)
{
	(void)state;
	plug_all("lan", 3);
	assert_int_equal(send_mark(0, 1, 42), 0);
	assert_int_equal(guests[1].arrived, 1);
	assert_int_equal(take(1), 42);
	assert_int_equal(take(1), -1);
	assert_int_equal(take(2), -1);
	assert_int_equal(send_mark(0, 0, 1), 0); /* to itself */
	assert_int_equal(take(0), -1);
	assert_int_equal(drops(0, NETWORK_DROP_ELSEWHERE), 1);
	assert_int_equal(guests[0].dev->counters.tx_packets, 2);
	assert_int_equal(guests[1].dev->counters.rx_packets, 1);
	assert_int_equal(guests[1].dev->counters.rx_bytes, 60);
}

static void test_broadcast(void **state)
{
	(void)state;
	plug_all("lan", 4);
	send(0, frame(everybody, guests[0].mac, 9));
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(take(i), 9);
	assert_int_equal(take(0), -1);
	guests[2].dev->ops->listen(guests[2].dev, false, 0);
	send(0, frame(everybody, guests[0].mac, 10));
	assert_int_equal(take(1), 10);
	assert_int_equal(take(2), -1);
	assert_int_equal(drops(2, NETWORK_DROP_NOT_LISTENING), 1);
}

/* Addresses that no configuration gave are learned, move, and are forgotten; one that was given
 * is nobody else's. */
static void test_learning(void **state)
{
	static const uint8_t nested[] = {2, 7, 7, 7, 7, 7};

	(void)state;
	plug_all("lan", 3);
	send(0, frame(nested, guests[0].mac, 1)); /* not known: to all */
	assert_int_equal(take(1), 1);
	assert_int_equal(take(2), 1);
	send(1, frame(guests[0].mac, nested, 2));
	assert_int_equal(take(0), 2);
	send(0, frame(nested, guests[0].mac, 3));
	assert_int_equal(take(1), 3);
	assert_int_equal(take(2), -1);
	look("lan");
	assert_int_equal(stations, 1);
	send(2, frame(guests[0].mac, nested, 4)); /* it has moved */
	assert_int_equal(take(0), 4);
	send(0, frame(nested, guests[0].mac, 5));
	assert_int_equal(take(1), -1);
	assert_int_equal(take(2), 5);
	fake_run_until(fake_now_ns + 301 * NSEC_PER_SEC);
	send(0, frame(nested, guests[0].mac, 6));
	assert_int_equal(take(1), 6);
	assert_int_equal(take(2), 6);

	send(2, frame(guests[0].mac, guests[1].mac, 7)); /* stolen */
	assert_int_equal(take(0), -1);
	assert_int_equal(drops(2, NETWORK_DROP_SPOOFED_MAC), 1);
	send(0, frame(guests[1].mac, guests[0].mac, 8));
	assert_int_equal(take(1), 8);
}

/* A port that sends from ever more addresses fills its share, and no other's. */
static void test_table_is_bounded(void **state)
{
	uint8_t mac[] = {2, 8, 0, 0, 0, 0}, honest[] = {2, 9, 0, 0, 0, 0};

	(void)state;
	plug_all("lan", 3);
	for (unsigned i = 0; i < 5000; i++) {
		mac[4] = (uint8_t)(i >> 8);
		mac[5] = (uint8_t)i;
		send(0, frame(guests[1].mac, mac, 1));
		take(1);
	}
	look("lan");
	assert_int_equal(stations, 32);
	send(2, frame(guests[1].mac, honest, 1));
	take(1);
	send(1, frame(honest, guests[1].mac, 2));
	assert_int_equal(take(2), 2);
	assert_int_equal(take(0), -1);
	/* Old ones make room. */
	fake_run_until(fake_now_ns + 301 * NSEC_PER_SEC);
	send(0, frame(guests[1].mac, mac, 1));
	take(1);
	look("lan");
	assert_int_equal(stations, 1);
	unplug(0);
	look("lan");
	assert_int_equal(stations, 0);
}

static void unplug_the_second(void *arg, const struct network_port_info *info)
{
	unsigned *seen = arg;

	(void)info;
	if ((*seen)++ == 0)
		unplug(1);
}

/* Ports come and go while somebody is still writing down what he was told. */
static void test_change_amid_visit(void **state)
{
	unsigned seen = 0;
	const struct network_visitor visitor = {.port = unplug_the_second, .arg = &seen};

	(void)state;
	plug_all("lan", 3);
	network_visit(&visitor);
	assert_int_equal(seen, 2);
}

static void test_filtered(void **state)
{
	struct network_port_config config = port_config(2, "lan");
	static const uint8_t nobody[] = {2, 5, 5, 5, 5, 5};

	(void)state;
	plug_all("lan", 2);
	config.filter_mac = true;
	plug(2, &config, 0);
	send(2, frame(guests[0].mac, nobody, 1));
	assert_int_equal(take(0), -1);
	assert_int_equal(drops(2, NETWORK_DROP_SPOOFED_MAC), 1);
	send(2, frame(guests[0].mac, guests[2].mac, 2));
	assert_int_equal(take(0), 2);
	/* It has one address: what is for one unknown is not for it. */
	send(0, frame(nobody, guests[0].mac, 3));
	assert_int_equal(take(1), 3);
	assert_int_equal(take(2), -1);
	send(0, frame(everybody, guests[0].mac, 4));
	assert_int_equal(take(2), 4);
}

/* A guest can't make the others listen to any number of broadcasts. */
static void test_flood_limit(void **state)
{
	unsigned got = 0;

	(void)state;
	plug_all("lan", 2);
	for (unsigned i = 0; i < 5000; i++) {
		send(0, frame(everybody, guests[0].mac, 1));
		guests[0].dev->ops->commit(guests[0].dev);
		got += take(1) == 1;
	}
	assert_int_equal(got, 1000);
	assert_int_equal(drops(0, NETWORK_DROP_FLOOD), 4000);
	send_mark(0, 1, 2); /* what is for one still goes */
	assert_int_equal(take(1), 2);
	fake_run_until(fake_now_ns + 100 * MS);
	for (unsigned i = 0; i < 5000; i++) {
		send(0, frame(everybody, guests[0].mac, 1));
		guests[0].dev->ops->commit(guests[0].dev);
		got += take(1) == 1;
	}
	assert_int_equal(got, 1200);
}

static void test_oversize(void **state)
{
	static uint8_t bytes[9100];
	struct packet *packet;

	(void)state;
	plug_all("lan", 2);
	memcpy(bytes, guests[1].mac, 6);
	memcpy(bytes + 6, guests[0].mac, 6);
	bytes[12] = 0x88;
	packet = fake_packet(bytes, 1514);
	send(0, packet);
	assert_int_equal(take(1), 0);
	packet = fake_packet(bytes, 1515);
	send(0, packet);
	assert_int_equal(take(1), -1);
	assert_int_equal(drops(0, NETWORK_DROP_OVERSIZE), 1);
}

static void test_offloads_between_guests(void **state)
{
	struct packet *packet;
	unsigned count = 0;

	(void)state;
	plug_all("lan", 2);
	send(0, tso(guests[1].mac, guests[0].mac, 20000));
	packet = guests[1].dev->ops->poll(guests[1].dev);
	assert_int_equal(packet->gso, PACKET_GSO_TCP4);
	assert_int_equal(packet->bytes, 20054);
	packet_put(packet);

	guests[1].dev->ops->listen(guests[1].dev, true, NETDEV_TX_CSUM);
	send(0, tso(guests[1].mac, guests[0].mac, 20000));
	while ((packet = guests[1].dev->ops->poll(guests[1].dev))) {
		assert_int_equal(packet->gso, PACKET_GSO_NONE);
		assert_true(packet->needs_csum);
		packet_put(packet);
		count++;
	}
	assert_int_equal(count, 14);

	guests[1].dev->ops->listen(guests[1].dev, true, 0);
	packet = tso(guests[1].mac, guests[0].mac, 1000);
	packet->gso = PACKET_GSO_NONE;
	send(0, packet);
	packet = guests[1].dev->ops->poll(guests[1].dev);
	assert_false(packet->needs_csum);
	packet_put(packet);
}

#define check(name) cmocka_unit_test_teardown(name, unplug_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		check(test_creation),	      check(test_places_are_bounded),
		check(test_removal),	      check(test_removal_while_shown),
		check(test_without_memory),   check(test_unicast),
		check(test_broadcast),	      check(test_learning),
		check(test_table_is_bounded), check(test_change_amid_visit),
		check(test_filtered),	      check(test_flood_limit),
		check(test_oversize),	      check(test_offloads_between_guests),
	};

	return cmocka_run_group_tests(tests, fake_switch_start, fake_net_fini);
}

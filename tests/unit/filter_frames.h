/*
 * Frames that guests might send, and three ports that they leave by: without filter, with one
 * of the MAC address, and with one of addresses too.
 */
#ifndef TESTS_UNIT_FILTER_FRAMES_H
#define TESTS_UNIT_FILTER_FRAMES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "net/switch/filter.h"
#include "tests/unit/fake_net.h"

#define PASS   NETWORK_DROPS
#define MINE   0x0a000005u
#define THEIRS 0x0a000006u

static const uint8_t mac[] = {0x52, 0x54, 0, 1, 2, 3}, other[] = {0x52, 0x54, 0, 9, 9, 9};
static const uint8_t everybody[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t any6[16];
static const uint8_t mine6[16] = {0x20, 1, 0xd, 0xb8, [15] = 5};
static const uint8_t theirs6[16] = {0x20, 1, 0xd, 0xb8, [15] = 6};
static const uint8_t local6[16] = {0xfe, 0x80, [8] = 0x50, 0x54, 0, 0xff, 0xfe, 1, 2, 3};
static const uint8_t group6[16] = {0xff, 2, [15] = 1};

static struct filter open_port = {.mac = {0x52, 0x54, 0, 1, 2, 3}};
static struct filter mac_port = {.mac = {0x52, 0x54, 0, 1, 2, 3}, .on = true};
static struct filter ip_port = {
	.mac = {0x52, 0x54, 0, 1, 2, 3},
	.on = true,
	.address_count = 2,
	.addresses = {{.bytes = {10, 0, 0, 5}},
		      {.v6 = true, .bytes = {0x20, 1, 0xd, 0xb8, [15] = 5}}},
};

static struct fake_frame f;

static inline enum network_drop verdict(const struct filter *filter,
					const struct packet *packet)
{
	struct frame frame;

	if (frame_parse(&frame, packet))
		return NETWORK_DROP_MALFORMED;
	return filter_check(filter, &frame, packet);
}

static inline void is(const struct filter *filter, enum network_drop want)
{
	struct packet *packet = fake_packet(f.bytes, f.count);

	assert_int_equal(verdict(filter, packet), want);
	packet_put(packet);
}

/* Open, MAC filter, addresses. */
static inline void all_are(enum network_drop a, enum network_drop b, enum network_drop c)
{
	is(&open_port, a);
	is(&mac_port, b);
	is(&ip_port, c);
}

static inline void udp4(uint32_t from, unsigned from_port, unsigned to_port)
{
	fake_ethernet(&f, other, mac, 0x0800);
	fake_ipv4(&f, 17, from, THEIRS, 12);
	fake_udp(&f, from_port, to_port, 4);
	fake_put32(&f, 0x01020304);
}

static inline void udp6(const void *from, unsigned from_port, unsigned to_port)
{
	fake_ethernet(&f, other, mac, 0x86dd);
	fake_ipv6(&f, 17, from, theirs6, 12);
	fake_udp(&f, from_port, to_port, 4);
	fake_put32(&f, 0x01020304);
}

static inline void arp(unsigned op, const void *sender, uint32_t ip)
{
	fake_ethernet(&f, everybody, mac, 0x0806);
	fake_arp(&f, op, sender, ip, THEIRS);
}

/* ICMPv6 of `type` with 4 more bytes, a target if any, and an option of a MAC address. */
static inline void nd(unsigned type, const void *from, const void *target, unsigned option,
		      const void *option_mac)
{
	unsigned bytes = 8 + (target ? 16 : 0) + (option ? 8 : 0);

	fake_ethernet(&f, everybody, mac, 0x86dd);
	fake_ipv6(&f, 58, from, group6, bytes);
	fake_put8(&f, type);
	fake_zeros(&f, 7);
	if (target)
		fake_put(&f, target, 16);
	if (option) {
		fake_put8(&f, option);
		fake_put8(&f, 1);
		fake_put(&f, option_mac, 6);
	}
}

#endif

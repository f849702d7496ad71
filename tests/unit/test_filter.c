/*
 * What may leave a port: one frame per rule, each with what is done with it by a port without
 * filter, with one of the MAC address, and with one of addresses too. Frames that are not what
 * they say are test_filter_form.c's.
 */
/* links: net/switch/filter.c net/switch/frame.c kernel/io/packet.c kernel/io/netdev.c */
/* links: tests/unit/fake_net.c tests/unit/fake_vmm.c kernel/vmm/bus.c */
#include "tests/unit/filter_frames.h"

static void test_every_port(void **state)
{
	(void)state;
	udp4(MINE, 1000, 2000);
	all_are(PASS, PASS, PASS);
	f.count = 13;
	all_are(NETWORK_DROP_MALFORMED, NETWORK_DROP_MALFORMED, NETWORK_DROP_MALFORMED);

	for (unsigned i = 0; i < 3; i++) {
		static const uint16_t tags[] = {0x8100, 0x88a8, 0x9100};

		fake_ethernet(&f, other, mac, tags[i]);
		fake_put32(&f, 0x00050800);
		fake_zeros(&f, 40);
		all_are(NETWORK_DROP_TAGGED, NETWORK_DROP_TAGGED, NETWORK_DROP_TAGGED);
	}
	udp4(MINE, 1000, 2000);
	memcpy(f.bytes, "\x01\x80\xc2\x00\x00\x0e", 6);
	all_are(NETWORK_DROP_RESERVED, NETWORK_DROP_RESERVED, NETWORK_DROP_RESERVED);
	f.bytes[5] = 0x10;
	all_are(PASS, PASS, PASS);
	memcpy(f.bytes + 6, "\x53\x54\x00\x01\x02\x03", 6); /* a group's as source */
	all_are(NETWORK_DROP_MALFORMED, NETWORK_DROP_MALFORMED, NETWORK_DROP_MALFORMED);
}

static void test_source(void **state)
{
	(void)state;
	udp4(THEIRS, 1000, 2000);
	all_are(PASS, PASS, NETWORK_DROP_SPOOFED_ADDRESS);
	udp4(MINE, 1000, 2000);
	memcpy(f.bytes + 6, other, 6);
	all_are(PASS, NETWORK_DROP_SPOOFED_MAC, NETWORK_DROP_SPOOFED_MAC);
	udp6(mine6, 1000, 2000);
	all_are(PASS, PASS, PASS);
	udp6(theirs6, 1000, 2000);
	all_are(PASS, PASS, NETWORK_DROP_SPOOFED_ADDRESS);
	udp6(local6, 1000, 2000);
	all_are(PASS, PASS, PASS);
	udp6(any6, 1000, 2000);
	all_are(PASS, NETWORK_DROP_SPOOFED_ADDRESS, NETWORK_DROP_SPOOFED_ADDRESS);
}

static void test_dhcp(void **state)
{
	(void)state;
	udp4(0, 68, 67);
	all_are(PASS, PASS, PASS);
	udp4(0, 1000, 67);
	all_are(PASS, NETWORK_DROP_SPOOFED_ADDRESS, NETWORK_DROP_SPOOFED_ADDRESS);
	udp4(MINE, 67, 68);
	all_are(PASS, NETWORK_DROP_FORBIDDEN, NETWORK_DROP_FORBIDDEN);
	udp4(MINE, 1000, 68);
	all_are(PASS, NETWORK_DROP_FORBIDDEN, NETWORK_DROP_FORBIDDEN);
	udp6(local6, 546, 547);
	all_are(PASS, PASS, PASS);
	udp6(local6, 547, 546);
	all_are(PASS, NETWORK_DROP_FORBIDDEN, NETWORK_DROP_FORBIDDEN);
	udp6(local6, 1000, 546);
	all_are(PASS, NETWORK_DROP_FORBIDDEN, NETWORK_DROP_FORBIDDEN);
}

static void test_arp(void **state)
{
	(void)state;
	for (unsigned op = 1; op <= 2; op++) {
		arp(op, mac, MINE);
		all_are(PASS, PASS, PASS);
		arp(op, mac, THEIRS);
		all_are(PASS, PASS, NETWORK_DROP_SPOOFED_ADDRESS);
		arp(op, other, MINE);
		all_are(PASS, NETWORK_DROP_SPOOFED_ADDRESS, NETWORK_DROP_SPOOFED_ADDRESS);
	}
	arp(1, mac, 0); /* a probe, RFC 5227 */
	all_are(PASS, PASS, PASS);
	arp(2, mac, 0);
	all_are(PASS, PASS, NETWORK_DROP_SPOOFED_ADDRESS);
	arp(1, mac, MINE);
	f.bytes[14 + 5] = 16; /* bytes of an address */
	all_are(PASS, NETWORK_DROP_MALFORMED, NETWORK_DROP_MALFORMED);
	arp(1, mac, MINE);
	f.count--;
	all_are(PASS, NETWORK_DROP_MALFORMED, NETWORK_DROP_MALFORMED);
}

static void test_discovery(void **state)
{
	const enum network_drop spoofed = NETWORK_DROP_SPOOFED_ADDRESS;
	const enum network_drop forbidden = NETWORK_DROP_FORBIDDEN;

	(void)state;
	nd(136, mine6, mine6, 2, mac);
	all_are(PASS, PASS, PASS);
	nd(136, mine6, mine6, 0, NULL);
	all_are(PASS, PASS, PASS);
	nd(136, mine6, mine6, 2, other);
	all_are(PASS, spoofed, spoofed);
	nd(136, mine6, theirs6, 2, mac);
	all_are(PASS, PASS, spoofed);
	nd(136, local6, local6, 2, mac);
	all_are(PASS, PASS, PASS);

	nd(135, mine6, theirs6, 1, mac);
	all_are(PASS, PASS, PASS);
	nd(135, mine6, theirs6, 1, other);
	all_are(PASS, spoofed, spoofed);
	nd(135, any6, mine6, 0, NULL); /* claims its own address, */
	all_are(PASS, PASS, PASS);
	nd(135, any6, theirs6, 0, NULL); /* ... and another's */
	all_are(PASS, PASS, spoofed);

	nd(133, any6, NULL, 0, NULL);
	all_are(PASS, PASS, PASS);
	nd(133, local6, NULL, 1, other);
	all_are(PASS, spoofed, spoofed);
	nd(134, local6, NULL, 1, mac);
	all_are(PASS, forbidden, forbidden);
	nd(137, local6, mine6, 0, NULL);
	all_are(PASS, forbidden, forbidden);
	nd(130, local6, NULL, 0, NULL);
	all_are(PASS, forbidden, forbidden);
	nd(143, any6, NULL, 0, NULL);
	all_are(PASS, PASS, PASS);
	nd(128, mine6, NULL, 0, NULL);
	all_are(PASS, PASS, PASS);
	nd(128, any6, NULL, 0, NULL);
	all_are(PASS, spoofed, spoofed);
}

static void test_icmp4(void **state)
{
	static const struct {
		uint32_t from;
		unsigned protocol, type;
		enum network_drop want;
	} cases[] = {
		{MINE, 1, 8, PASS},
		{MINE, 1, 5, NETWORK_DROP_FORBIDDEN},
		{MINE, 1, 9, NETWORK_DROP_FORBIDDEN},
		{MINE, 2, 0x16, PASS},
		{MINE, 2, 0x11, NETWORK_DROP_FORBIDDEN},
		{0, 1, 8, NETWORK_DROP_SPOOFED_ADDRESS},
		{0, 2, 0x16, PASS},
		{0, 2, 0x17, PASS},
		{0, 2, 0x11, NETWORK_DROP_FORBIDDEN},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		fake_ethernet(&f, other, mac, 0x0800);
		fake_ipv4(&f, cases[i].protocol, cases[i].from, THEIRS, 8);
		fake_put8(&f, cases[i].type);
		fake_zeros(&f, 7);
		all_are(PASS, cases[i].want, cases[i].want);
	}
}

static void test_other_protocols(void **state)
{
	(void)state;
	fake_ethernet(&f, other, mac, 0x88b5); /* for experiments */
	fake_zeros(&f, 46);
	all_are(PASS, PASS, NETWORK_DROP_FORBIDDEN);
	fake_ethernet(&f, everybody, mac, 0x8035);
	fake_arp(&f, 3, mac, MINE, MINE);
	all_are(PASS, NETWORK_DROP_FORBIDDEN, NETWORK_DROP_FORBIDDEN);
	fake_ethernet(&f, other, mac, 46); /* LLC */
	fake_zeros(&f, 46);
	all_are(PASS, NETWORK_DROP_MALFORMED, NETWORK_DROP_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_port),
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_dhcp),
		cmocka_unit_test(test_arp),
		cmocka_unit_test(test_discovery),
		cmocka_unit_test(test_icmp4),
		cmocka_unit_test(test_other_protocols),
	};

	return cmocka_run_group_tests(tests, NULL, fake_net_fini);
}

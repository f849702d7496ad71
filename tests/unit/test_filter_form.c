/*
 * Frames that would get around the filter by their form: lengths that lie, fragments, extension
 * headers, offloads; and frames cut short everywhere.
 */
/* links: net/switch/filter.c net/switch/frame.c kernel/io/packet.c kernel/io/netdev.c */
/* links: tests/unit/fake_net.c tests/unit/fake_vmm.c kernel/vmm/bus.c */
#include <stdlib.h>

#include "tests/unit/filter_frames.h"

static void test_discovery_malformed(void **state)
{
	const enum network_drop bad = NETWORK_DROP_MALFORMED;

	(void)state;
	nd(136, mine6, mine6, 2, mac);
	f.bytes[f.count - 7] = 0; /* an option of no bytes, */
	all_are(PASS, bad, bad);
	f.bytes[f.count - 7] = 2; /* ... and one that is cut */
	all_are(PASS, bad, bad);
	nd(136, mine6, NULL, 0, NULL);
	all_are(PASS, bad, bad);
	/* An option of the right bytes, but longer. */
	nd(136, mine6, mine6, 2, mac);
	f.bytes[f.count - 7] = 2;
	fake_zeros(&f, 8);
	f.bytes[19] += 8;
	all_are(PASS, NETWORK_DROP_SPOOFED_ADDRESS, NETWORK_DROP_SPOOFED_ADDRESS);
}

static void test_ip_malformed(void **state)
{
	const enum network_drop bad = NETWORK_DROP_MALFORMED;

	(void)state;
	udp4(MINE, 1, 2);
	f.bytes[14] = 0x44; /* a header of 16 bytes */
	all_are(PASS, bad, bad);
	f.bytes[14] = 0x65; /* version 6 */
	all_are(PASS, bad, bad);
	udp4(MINE, 1, 2);
	f.bytes[17]++; /* longer than the frame */
	all_are(PASS, bad, bad);
	f.bytes[17] = 19; /* shorter than its header */
	all_are(PASS, bad, bad);
	f.bytes[17] = 27; /* no room for UDP's */
	all_are(PASS, bad, bad);
	udp4(MINE, 1, 2);
	fake_zeros(&f, 20); /* padding */
	all_are(PASS, PASS, PASS);
	udp6(mine6, 1, 2);
	f.bytes[19]++;
	all_are(PASS, bad, bad);
	udp6(mine6, 1, 2);
	f.bytes[14] = 0x40;
	all_are(PASS, bad, bad);
}

/* ---- fragments and extension headers ----------------------------------------------------- */

static void test_fragments4(void **state)
{
	(void)state;
	udp4(MINE, 67, 68);
	f.bytes[20] = 0x20; /* the first of some: ports are seen */
	all_are(PASS, NETWORK_DROP_FORBIDDEN, NETWORK_DROP_FORBIDDEN);
	f.bytes[20] = 0;
	f.bytes[21] = 1; /* a later one: there are none */
	all_are(PASS, PASS, PASS);
	udp4(0, 68, 67);
	f.bytes[21] = 1;
	all_are(PASS, NETWORK_DROP_SPOOFED_ADDRESS, NETWORK_DROP_SPOOFED_ADDRESS);
}

/* IPv6 with a chain of headers before an advertisement of somebody else's MAC address. */
static void chain(const uint8_t *kinds, unsigned count, unsigned fragment_offset)
{
	fake_ethernet(&f, everybody, mac, 0x86dd);
	fake_ipv6(&f, kinds[0], mine6, group6, count * 8 + 32);
	for (unsigned i = 0; i < count; i++) {
		fake_put8(&f, i + 1 < count ? kinds[i + 1] : 58);
		fake_put8(&f, 0);
		fake_put16(&f, kinds[i] == 44 ? fragment_offset << 3 | 1 : 0);
		fake_put32(&f, 0);
	}
	fake_put8(&f, 136);
	fake_zeros(&f, 7);
	fake_put(&f, mine6, 16);
	fake_put8(&f, 2);
	fake_put8(&f, 1);
	fake_put(&f, other, 6);
}

static void test_extension_headers(void **state)
{
	static const uint8_t kinds[] = {0, 60, 43, 60, 60, 60, 60, 60, 60};
	static const uint8_t fragment[] = {0, 44, 60};

	(void)state;
	for (unsigned count = 1; count <= 8; count++) {
		chain(kinds, count, 0);
		all_are(PASS, NETWORK_DROP_SPOOFED_ADDRESS, NETWORK_DROP_SPOOFED_ADDRESS);
	}
	chain(kinds, 9, 0); /* more than anybody needs */
	all_are(PASS, NETWORK_DROP_MALFORMED, NETWORK_DROP_MALFORMED);
	chain(fragment, 3, 0); /* RFC 6980 */
	all_are(PASS, NETWORK_DROP_MALFORMED, NETWORK_DROP_MALFORMED);
	chain(fragment, 3, 1); /* a later fragment says nothing */
	all_are(PASS, PASS, PASS);
	/* The chain ends with the datagram: whatever the next header is, it is elsewhere. */
	chain(fragment, 3, 0);
	f.bytes[18] = 0;
	f.bytes[19] = 3 * 8;
	all_are(PASS, NETWORK_DROP_MALFORMED, NETWORK_DROP_MALFORMED);
	f.bytes[19] = 2 * 8 + 4;
	all_are(PASS, NETWORK_DROP_MALFORMED, NETWORK_DROP_MALFORMED);
}

/* ---- offloads ---------------------------------------------------------------------------- */

static struct packet *tcp4(void)
{
	struct packet *packet;

	fake_ethernet(&f, other, mac, 0x0800);
	fake_ipv4(&f, 6, MINE, THEIRS, 20 + 1000);
	fake_tcp(&f, 1, 0x10);
	fake_zeros(&f, 1000);
	packet = fake_packet(f.bytes, f.count);
	packet->needs_csum = true;
	packet->csum_start = 34;
	packet->csum_offset = 16;
	packet->gso = PACKET_GSO_TCP4;
	packet->gso_bytes = 500;
	return packet;
}

static void offload_is(struct packet *packet, enum network_drop open, enum network_drop closed)
{
	assert_int_equal(verdict(&open_port, packet), open);
	assert_int_equal(verdict(&mac_port, packet), closed);
	assert_int_equal(verdict(&ip_port, packet), closed);
	packet_put(packet);
}

#define with(change, open, closed)                \
	do {                                      \
		struct packet *packet = tcp4();   \
		change;                           \
		offload_is(packet, open, closed); \
	} while (0)

static void test_gso(void **state)
{
	const enum network_drop bad = NETWORK_DROP_MALFORMED;
	uint8_t byte;

	(void)state;
	with((void)0, PASS, PASS);
	with(packet->gso_bytes = 0, bad, bad);
	with(packet->gso_bytes = 47, bad, bad);
	with(packet->gso_bytes = 48, PASS, PASS);
	with(packet->gso = PACKET_GSO_TCP6, bad, bad);
	with(packet->gso = PACKET_GSO_UDP, bad, bad);
	with(packet->gso = 77, bad, bad);
	with(packet->needs_csum = false, bad, bad);
	with(packet->csum_start = 33, bad, bad);
	with(packet->csum_offset = 6, bad, bad);
	with((byte = 0xf0, packet_write(packet, 46, &byte, 1)), PASS, PASS); /* options */
	with((byte = 0x40, packet_write(packet, 46, &byte, 1)), bad, bad);
	with((byte = 17, packet_write(packet, 23, &byte, 1)), bad, bad);
	with((byte = 0x20, packet_write(packet, 20, &byte, 1)), bad, bad); /* a fragment */
	with(packet->bytes--, bad, bad);
}

/* The sum is written where the sender says, after the check. */
static void test_checksum_place(void **state)
{
	const enum network_drop bad = NETWORK_DROP_MALFORMED;

	(void)state;
	with((packet->gso = 0, packet->csum_offset = 17), PASS, PASS);
	with((packet->gso = 0, packet->csum_start = 13), bad, bad);
	with((packet->gso = 0, packet->csum_start = (uint16_t)packet->bytes), bad, bad);
	with((packet->gso = 0, packet->csum_offset = (uint16_t)(packet->bytes - 34 - 2)), PASS,
	     PASS);
	with((packet->gso = 0, packet->csum_offset = (uint16_t)(packet->bytes - 34 - 1)), bad,
	     bad);
	with((packet->gso = 0, packet->csum_offset = 0xffff), bad, bad);
	/* Into IP's source address, or over the ports. */
	with((packet->gso = 0, packet->csum_start = 14, packet->csum_offset = 12), PASS, bad);
	with((packet->gso = 0, packet->csum_offset = 3), PASS, bad);
	with((packet->gso = 0, packet->csum_offset = 4), PASS, PASS);

	nd(136, mine6, mine6, 2, mac);
	struct packet *packet = fake_packet(f.bytes, f.count);

	packet->needs_csum = true;
	packet->csum_start = 54;
	packet->csum_offset = 30; /* the option's MAC address */
	offload_is(packet, PASS, bad);
	arp(1, mac, MINE);
	packet = fake_packet(f.bytes, f.count);
	packet->needs_csum = true;
	packet->csum_start = 14;
	packet->csum_offset = 14;
	offload_is(packet, PASS, bad);
}

/* Whatever is cut off, nothing outside of the frame is read (the sanitizer sees to that, as the
 * page ends where the frame does). */
static void test_cut(void **state)
{
	struct packet packet = {.refs = 1, .page_count = 1};
	static const uint8_t kinds[] = {0, 44, 60, 43};
	uint8_t *exact;

	(void)state;
	for (unsigned kind = 0; kind < 6; kind++) {
		switch (kind) {
		case 0: udp4(MINE, 1, 2); break;
		case 1: udp6(mine6, 1, 2); break;
		case 2: arp(1, mac, MINE); break;
		case 3: nd(136, mine6, mine6, 2, mac); break;
		case 4: chain(kinds, 4, 0); break;
		default: packet_put(tcp4()); break;
		}
		for (uint32_t bytes = 0; bytes <= f.count; bytes++) {
			exact = malloc(bytes);
			memcpy(exact, f.bytes, bytes);
			packet.pages[0] = directmap_phys(exact);
			packet.bytes = bytes;
			verdict(&open_port, &packet);
			verdict(&mac_port, &packet);
			verdict(&ip_port, &packet);
			free(exact);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_discovery_malformed),
		cmocka_unit_test(test_ip_malformed),
		cmocka_unit_test(test_fragments4),
		cmocka_unit_test(test_extension_headers),
		cmocka_unit_test(test_gso),
		cmocka_unit_test(test_checksum_place),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, fake_net_fini);
}

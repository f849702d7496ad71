/*
 * Checksums, segments and tags, against sums and frames that the test makes byte by byte.
 */
/* links: net/switch/offload.c net/switch/frame.c kernel/io/packet.c kernel/io/netdev.c */
/* links: tests/unit/fake_net.c tests/unit/fake_vmm.c kernel/vmm/bus.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "net/switch/offload.h"
#include "tests/unit/fake_net.h"

#define SEQUENCE 0xfffff000u /* wraps on the way */

static const uint8_t a_mac[] = {2, 0, 0, 0, 0, 1}, b_mac[] = {2, 0, 0, 0, 0, 2};
static const uint8_t a6[16] = {0x20, 1, [15] = 1}, b6[16] = {0x20, 1, [15] = 2};

static struct packet_pool *pool;

/* A 16-bit one's complement sum, the slow and sure way. */
static unsigned sum(const uint8_t *bytes, uint32_t count, unsigned start)
{
	for (uint32_t i = 0; i < count; i++) {
		start += i % 2 ? bytes[i] : (unsigned)bytes[i] << 8;
		start = (start & 0xffff) + (start >> 16);
	}
	return start;
}

static uint8_t payload_byte(uint32_t i)
{
	return (uint8_t)(i * 7 + i / 255);
}

/* The pseudo-header's sum: RFC 9293, 3.1; RFC 8200, 8.1. */
static unsigned pseudo(const uint8_t *frame, bool v6, uint32_t l4_bytes, unsigned protocol)
{
	unsigned s = v6 ? sum(frame + 22, 32, 0) : sum(frame + 26, 8, 0);

	s += (l4_bytes >> 16) + (l4_bytes & 0xffff) + protocol;
	return (s & 0xffff) + (s >> 16);
}

/* A TCP packet as a guest with TSO sends it; IPv6 with a header of options before TCP. */
static struct packet *tcp_packet(bool v6, uint32_t payload, uint16_t mss, unsigned flags)
{
	struct fake_frame f;
	uint32_t l4 = v6 ? 14 + 40 + 8 : 34;
	uint8_t *bytes = calloc(1, l4 + 20 + payload);
	struct packet *packet;
	uint16_t check;

	fake_ethernet(&f, b_mac, a_mac, v6 ? 0x86dd : 0x0800);
	if (v6) {
		fake_ipv6(&f, 60, a6, b6, 8 + 20 + payload);
		fake_put32(&f, 0x06000104);
		fake_put32(&f, 0);
	} else {
		fake_ipv4(&f, 6, 0x0a000001, 0x0a000002, 20 + payload);
	}
	fake_tcp(&f, SEQUENCE, flags);
	check = (uint16_t)pseudo(f.bytes, v6, 20 + payload, 6);
	f.bytes[l4 + 16] = (uint8_t)(check >> 8);
	f.bytes[l4 + 17] = (uint8_t)check;
	memcpy(bytes, f.bytes, f.count);
	for (uint32_t i = 0; i < payload; i++)
		bytes[f.count + i] = payload_byte(i);
	packet = fake_packet(bytes, f.count + payload);
	free(bytes);
	packet->needs_csum = true;
	packet->csum_start = (uint16_t)l4;
	packet->csum_offset = 16;
	packet->gso = v6 ? PACKET_GSO_TCP6 : PACKET_GSO_TCP4;
	packet->gso_bytes = mss;
	packet->hash = 77;
	return packet;
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

/* One segment: everything in it, from its place in the payload. */
static void check_segment(const struct packet *segment, bool v6, uint32_t at, uint32_t payload,
			  uint32_t index, unsigned flags)
{
	static uint8_t bytes[PAGE_BYTES * 2];
	uint32_t l4 = v6 ? 62 : 34, headers = l4 + 20;

	assert_int_equal(segment->bytes, headers + payload);
	assert_int_equal(segment->gso, PACKET_GSO_NONE);
	assert_int_equal(segment->hash, 77);
	packet_read(segment, 0, bytes, segment->bytes);
	if (v6) {
		assert_int_equal(get16(bytes + 18), 8 + 20 + payload);
	} else {
		assert_int_equal(get16(bytes + 16), 40 + payload);
		assert_int_equal(get16(bytes + 18), 0x1234 + index);
		assert_int_equal(sum(bytes + 14, 20, 0), 0xffff);
	}
	assert_int_equal(get32(bytes + l4 + 4), (uint32_t)(SEQUENCE + at));
	assert_int_equal(bytes[l4 + 13], flags);
	for (uint32_t i = 0; i < payload; i++)
		assert_int_equal(bytes[headers + i], payload_byte(at + i));
	assert_int_equal(sum(bytes + l4, 20 + payload, pseudo(bytes, v6, 20 + payload, 6)),
			 0xffff);
}

static void segment_all(bool v6, uint32_t payload, uint16_t mss, unsigned flags)
{
	struct packet *packet = tcp_packet(v6, payload, mss, flags);
	struct frame frame;
	uint32_t done = 0, index = 0;

	assert_int_equal(frame_parse(&frame, packet), 0);
	frame_parse_ip(&frame, packet);
	assert_int_equal(offload_segment_bytes(packet, &frame),
			 (v6 ? 82 : 54) + MIN((uint32_t)mss, payload));
	for (uint32_t at = 0; at < payload; index++) {
		uint32_t part = MIN((uint32_t)mss, payload - at);
		unsigned want = flags;
		struct packet *segment;

		assert_true(offload_segments_left(packet, &frame, done));
		segment = offload_segment(packet, &frame, &done, pool);
		if (at + part < payload)
			want &= ~0x09u;
		if (at)
			want &= ~0x80u;
		assert_true(segment->needs_csum);
		offload_checksum(segment);
		assert_false(segment->needs_csum);
		check_segment(segment, v6, at, part, index, want);
		packet_put(segment);
		at += part;
		assert_int_equal(done, at);
	}
	assert_false(offload_segments_left(packet, &frame, done));
	packet_put(packet);
}

static void test_segments(void **state)
{
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		segment_all(v6, 2920, 1460, 0x18);
		segment_all(v6, 2921, 1460, 0x99);
		segment_all(v6, 100, 1460, 0x89);
		segment_all(v6, 60000, 1448, 0x10);
		segment_all(v6, 9000, 4073, 0x19);
		segment_all(v6, 1001, 48, 0x98);
		segment_all(v6, 4097, 533, 0x11);
	}
}

/* No memory: nothing has changed, and the same segment comes the next time. */
static void test_segment_waits(void **state)
{
	struct packet *packet = tcp_packet(false, 3000, 1000, 0x18), *held[8];
	struct packet_pool *small = packet_pool_create(8, 8, NULL);
	struct frame frame;
	uint32_t done = 0;

	(void)state;
	frame_parse(&frame, packet);
	frame_parse_ip(&frame, packet);
	for (unsigned i = 0; i < 8; i++)
		held[i] = packet_alloc(small, 1);
	assert_null(offload_segment(packet, &frame, &done, small));
	assert_int_equal(done, 0);
	for (unsigned i = 0; i < 8; i++)
		packet_put(held[i]);
	held[0] = offload_segment(packet, &frame, &done, small);
	assert_int_equal(done, 1000);
	packet_put(held[0]);
	packet_put(packet);
	packet_pool_destroy(small);
}

/* ---- checksums --------------------------------------------------------------------------- */

/* UDP of every length, and so with its sum in every place against pages and words. */
static void test_checksum(void **state)
{
	static uint8_t bytes[PAGE_BYTES * 2 + 100], got[sizeof bytes];
	struct fake_frame f;

	(void)state;
	for (uint32_t payload = 0; payload < 9000; payload += payload < 70 ? 1 : 127) {
		struct packet *packet;
		uint16_t check;

		if (42 + payload > sizeof bytes)
			break;
		fake_ethernet(&f, b_mac, a_mac, 0x0800);
		fake_ipv4(&f, 17, 0x0a000001, 0x0a000002, 8 + payload);
		fake_udp(&f, 5, 6, payload);
		check = (uint16_t)pseudo(f.bytes, false, 8 + payload, 17);
		memcpy(bytes, f.bytes, f.count);
		bytes[40] = (uint8_t)(check >> 8);
		bytes[41] = (uint8_t)check;
		for (uint32_t i = 0; i < payload; i++)
			bytes[42 + i] = payload_byte(i);
		packet = fake_packet(bytes, 42 + payload);
		packet->needs_csum = true;
		packet->csum_start = 34;
		packet->csum_offset = 6;
		offload_checksum(packet);
		packet_read(packet, 0, got, packet->bytes);
		assert_int_equal(
			sum(got + 34, 8 + payload, pseudo(got, false, 8 + payload, 17)),
			0xffff);
		got[40] = bytes[40];
		got[41] = bytes[41];
		assert_memory_equal(got, bytes, 42 + payload);
		packet_put(packet);
	}
}

/* A sum of zero is sent as ones. */
static void test_checksum_zero(void **state)
{
	uint8_t bytes[60] = {[36] = 0xff, [37] = 0xff}, got[2];
	struct packet *packet = fake_packet(bytes, sizeof bytes);

	(void)state;
	packet->needs_csum = true;
	packet->csum_start = 34;
	packet->csum_offset = 6;
	offload_checksum(packet);
	packet_read(packet, 40, got, 2);
	assert_int_equal(get16(got), 0xffff);
	packet_put(packet);
}

/* ---- tags and copies --------------------------------------------------------------------- */

static void test_tags(void **state)
{
	static const uint32_t sizes[] = {14, 60, 61, 75, 1514, 4096 - 4, 8192 - 4};
	static uint8_t bytes[8192], got[8196];

	(void)state;
	for (uint32_t i = 0; i < sizeof bytes; i++)
		bytes[i] = payload_byte(i);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct packet *packet = fake_packet(bytes, sizes[i]);

		packet->csum_start = 34;
		assert_true(offload_has_room(packet));
		offload_insert_tag(packet, 0x2005);
		assert_int_equal(packet->bytes, sizes[i] + 4);
		assert_int_equal(packet->csum_start, 38);
		packet_read(packet, 0, got, packet->bytes);
		assert_memory_equal(got, bytes, 12);
		assert_int_equal(get32(got + 12), 0x81002005);
		assert_memory_equal(got + 16, bytes + 12, sizes[i] - 12);
		assert_int_equal(offload_remove_tag(packet), 0x2005);
		assert_int_equal(packet->bytes, sizes[i]);
		assert_int_equal(packet->csum_start, 34);
		packet_read(packet, 0, got, packet->bytes);
		assert_memory_equal(got, bytes, sizes[i]);
		packet_put(packet);
	}
}

static void test_no_room(void **state)
{
	static uint8_t bytes[PAGE_BYTES], got[PAGE_BYTES];
	struct packet *full = packet_alloc(pool, PAGE_BYTES), *copy;

	(void)state;
	for (uint32_t i = 0; i < sizeof bytes; i++)
		bytes[i] = payload_byte(i);
	packet_write(full, 0, bytes, PAGE_BYTES);
	full->needs_csum = true;
	full->csum_start = 34;
	full->csum_offset = 16;
	assert_false(offload_has_room(full));
	copy = offload_copy(full, pool);
	assert_true(offload_has_room(copy));
	assert_int_equal(copy->bytes, PAGE_BYTES);
	assert_true(copy->needs_csum);
	assert_int_equal(copy->csum_start, 34);
	assert_int_equal(copy->csum_offset, 16);
	packet_read(copy, 0, got, PAGE_BYTES);
	assert_memory_equal(got, bytes, PAGE_BYTES);
	packet_put(copy);
	packet_put(full);
}

static int start(void **state)
{
	(void)state;
	pool = packet_pool_create(16, 64, NULL);
	return 0;
}

static int stop(void **state)
{
	packet_pool_destroy(pool);
	return fake_net_fini(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segments), cmocka_unit_test(test_segment_waits),
		cmocka_unit_test(test_checksum), cmocka_unit_test(test_checksum_zero),
		cmocka_unit_test(test_tags),	 cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, start, stop);
}

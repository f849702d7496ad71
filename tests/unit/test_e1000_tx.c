/* Packets as the descriptors of Intel's gigabit controllers, read by a model of the controller:
 * what it would put on the wire has the right bytes and the right sums. */
/* links: drivers/net/e1000_tx.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "drivers/net/e1000_tx.h"
#include "kernel/mem/frames.h"

#define TCP_BYTES 20

static uint8_t memory[PACKET_PAGES_MAX][PAGE_BYTES] __attribute__((aligned(4096)));
static uint8_t header[E1000_TX_HEADER_BYTES];
static struct packet packet;
static union e1000_tx_desc descs[E1000_TX_DESCS_MAX];
static uint32_t copied;

void packet_read(const struct packet *p, uint32_t at, void *buf, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++)
		((uint8_t *)buf)[i] = memory[(at + i) / PAGE_BYTES][(at + i) % PAGE_BYTES];
	assert_true(at + bytes <= p->bytes);
}

static void put16(uint8_t *p, unsigned value)
{
	p[0] = value >> 8;
	p[1] = value;
}

/* The Internet's checksum, RFC 1071, of bytes and a start. */
static uint16_t sum(const uint8_t *p, unsigned bytes, uint32_t start)
{
	for (unsigned i = 0; i < bytes; i++)
		start += i % 2 ? p[i] : p[i] << 8;
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return start;
}

static int describe(void)
{
	return e1000_tx_describe(&packet, header, directmap_phys(header), descs, &copied);
}

/* A packet of `bytes`, each byte another than its neighbours; no offloads. */
static void make(uint32_t bytes)
{
	memset(&packet, 0, sizeof(packet));
	memset(memory, 0, sizeof(memory));
	packet.bytes = bytes;
	packet.page_count = (bytes + PAGE_BYTES - 1) / PAGE_BYTES;
	for (unsigned i = 0; i < packet.page_count; i++)
		packet.pages[i] = directmap_phys(memory[i]);
	for (uint32_t i = 0; i < bytes; i++)
		memory[i / PAGE_BYTES][i % PAGE_BYTES] = i * 7 + i / 251;
}

/* The bytes that data descriptors from descs[first] on lead to. */
static uint32_t gather(int first, int n, uint8_t *wire)
{
	uint32_t bytes = 0;

	for (int i = first; i < n; i++) {
		uint32_t part = descs[i].command & 0xfffff;

		assert_true(descs[i].command & E1000_TX_DATA);
		assert_true(descs[i].command & E1000_TX_DEXT);
		assert_true(part > 0 && part <= PAGE_BYTES);
		assert_int_equal(!!(descs[i].command & E1000_TX_EOP), i == n - 1);
		assert_int_equal(!!(descs[i].command & E1000_TX_RS), i == n - 1);
		memcpy(wire + bytes, directmap(descs[i].address), part);
		bytes += part;
	}
	return bytes;
}

static void test_plain(void **state)
{
	static uint8_t wire[PACKET_BYTES_MAX], expected[PACKET_BYTES_MAX];
	const uint32_t sizes[] = {60, 1514, 4096, 4097, PACKET_BYTES_MAX};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		make(sizes[i]);
		assert_int_equal(describe(), packet.page_count);
		assert_int_equal(gather(0, packet.page_count, wire), sizes[i]);
		packet_read(&packet, 0, expected, sizes[i]);
		assert_memory_equal(wire, expected, sizes[i]);
		assert_int_equal(descs[0].options, 0);
		assert_int_equal(copied, 0);
	}
}

static void test_checksum(void **state)
{
	static uint8_t wire[PACKET_BYTES_MAX];

	(void)state;
	make(1000);
	packet.needs_csum = true;
	packet.csum_start = 34;
	packet.csum_offset = 6;
	put16(memory[0] + 40, 0x1234); /* of the pseudo-header */
	assert_int_equal(describe(), 2);
	assert_int_equal(descs[0].context_command & E1000_TX_DATA, 0);
	assert_true(descs[0].context_command & E1000_TX_DEXT);
	assert_int_equal(descs[0].tu_start, 34);
	assert_int_equal(descs[0].tu_sum, 40);
	assert_int_equal(descs[0].tu_end, 0);
	assert_int_equal(descs[1].options, E1000_TX_TXSM);
	assert_int_equal(gather(1, 2, wire), 1000);

	packet.csum_start = 250; /* the last that fits in 8 bits is 255 */
	packet.csum_offset = 6;
	assert_int_equal(describe(), -EOPNOTSUPP);
	packet.csum_start = 249;
	assert_int_equal(describe(), 2);
}

/* TCP over IP at `ip` with `payload` bytes, to be segmented. */
static void make_segmented(bool v4, unsigned ip, uint32_t payload, uint16_t mss)
{
	unsigned tcp = ip + (v4 ? 20 : 40);
	uint8_t *p = memory[0];

	make(tcp + TCP_BYTES + payload);
	packet.gso = v4 ? PACKET_GSO_TCP4 : PACKET_GSO_TCP6;
	packet.needs_csum = true;
	packet.csum_start = tcp;
	packet.csum_offset = 16;
	packet.gso_bytes = mss;
	packet.header_bytes = tcp + TCP_BYTES;
	put16(p + 12, ip == 18 ? 0x8100 : v4 ? 0x0800 : 0x86dd);
	if (v4) {
		p[ip] = 0x45;
		put16(p + ip + 2, packet.bytes - ip);
		p[ip + 9] = 6;
		put16(p + ip + 10, 0xbeef); /* left over: must not count */
	} else {
		put16(p + ip + 4, TCP_BYTES + payload);
		p[ip + 6] = 6;
	}
	put16(p + tcp + 16, 0xdead); /* what the sender has put there is not relied on */
}

/* What the controller does with each segment (317453, 3.5.6): lengths, then sums. Then whether
 * a receiver would take it. */
static void check_segment(const union e1000_tx_desc *context, const uint8_t *headers,
			  const uint8_t *payload, uint32_t bytes, bool v4)
{
	static uint8_t wire[2048];
	unsigned ip = context->ip_start, tcp = context->tu_start, all;
	uint32_t pseudo;

	memcpy(wire, headers, context->header_bytes);
	memcpy(wire + context->header_bytes, payload, bytes);
	all = context->header_bytes + bytes;
	if (v4) {
		assert_int_equal(context->ip_end, tcp - 1);
		put16(wire + ip + 2, all - ip);
		put16(wire + context->ip_sum, ~sum(wire + ip, context->ip_end + 1 - ip, 0));
		assert_int_equal(sum(wire + ip, 20, 0), 0xffff);
	} else {
		put16(wire + ip + 4, all - tcp);
	}
	put16(wire + context->tu_sum,
	      sum(wire + context->tu_sum, 2, all - tcp)); /* length to the pseudo-header */
	put16(wire + context->tu_sum, ~sum(wire + tcp, all - tcp, 0));

	pseudo = v4 ? sum(wire + ip + 12, 8, 6) : sum(wire + ip + 8, 32, 6);
	assert_int_equal(sum(wire + tcp, all - tcp, pseudo + (all - tcp)), 0xffff);
}

static void check_segmented(bool v4, unsigned ip, uint32_t payload)
{
	static uint8_t wire[PACKET_BYTES_MAX], expected[PACKET_BYTES_MAX];
	const unsigned mss = 1460;
	int n;

	make_segmented(v4, ip, payload, mss);
	n = describe();
	assert_in_range(n, 3, E1000_TX_DESCS_MAX);
	assert_int_equal(descs[0].context_command & 0xfffff, payload);
	assert_int_equal(descs[0].mss, mss);
	assert_int_equal(descs[0].header_bytes, packet.header_bytes);
	assert_int_equal(!!(descs[0].context_command & E1000_TX_TUCMD_IPV4), v4);
	assert_int_equal(gather(1, n, wire), packet.bytes);
	assert_true((descs[1].command & 0xfffff) > packet.header_bytes);
	assert_int_equal(copied, descs[1].command & 0xfffff);
	for (int i = 1; i < n; i++) {
		assert_true(descs[i].command & E1000_TX_TSE);
		assert_int_equal(descs[i].options,
				 v4 ? E1000_TX_TXSM | E1000_TX_IXSM : E1000_TX_TXSM);
	}
	packet_read(&packet, 0, expected, packet.bytes);
	assert_memory_equal(wire + packet.header_bytes, expected + packet.header_bytes,
			    payload);
	for (uint32_t at = 0; at < payload; at += mss)
		check_segment(&descs[0], wire, wire + packet.header_bytes + at,
			      MIN(mss, payload - at), v4);
}

static void test_segmented(void **state)
{
	(void)state;
	check_segmented(true, 14, 5000);
	check_segmented(true, 18, 60000);
	check_segmented(false, 14, 64000);
	check_segmented(false, 18, 2000);
}

/* The packet may be somebody else's too: it is not changed. */
static void test_packet_is_not_changed(void **state)
{
	uint8_t before[100];

	(void)state;
	make_segmented(true, 14, 5000, 1460);
	memcpy(before, memory[0], sizeof(before));
	assert_true(describe() > 0);
	assert_memory_equal(memory[0], before, sizeof(before));
}

/* Packets whose fields contradict each other come from guests. */
static void test_refused(void **state)
{
	(void)state;
	make_segmented(true, 14, 5000, 0);
	assert_int_equal(describe(), -EOPNOTSUPP);
	make_segmented(true, 14, 5000, 1460);
	packet.gso = PACKET_GSO_UDP;
	assert_int_equal(describe(), -EOPNOTSUPP);
	make_segmented(true, 14, 5000, 1460);
	packet.header_bytes = 253;
	assert_int_equal(describe(), -EOPNOTSUPP);
	packet.header_bytes = 252;
	assert_true(describe() > 0);
	make_segmented(true, 14, 5000, 1460);
	packet.csum_start = 33; /* no room for an IPv4 header */
	assert_int_equal(describe(), -EOPNOTSUPP);
	make_segmented(true, 14, 5000, 1460);
	packet.header_bytes = 53; /* nor for TCP's */
	assert_int_equal(describe(), -EOPNOTSUPP);
	make_segmented(true, 14, 5000, 1460);
	packet.csum_offset = 6;
	assert_int_equal(describe(), -EOPNOTSUPP);
	make_segmented(true, 14, 4, 1460); /* shorter than what is pulled */
	assert_int_equal(describe(), -EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),	  cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_segmented), cmocka_unit_test(test_packet_is_not_changed),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

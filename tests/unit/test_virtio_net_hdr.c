/* Offloads of packets and of virtio-net's header: there and back, and what no device should
 * say. */
/* links: drivers/net/virtio_net_hdr.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "drivers/net/virtio_net_hdr.h"

static uint8_t frame[PACKET_BYTES_MAX];

void packet_read(const struct packet *packet, uint32_t at, void *buf, uint32_t bytes)
{
	assert_true(at + bytes <= packet->bytes && at + bytes <= sizeof(frame));
	memcpy(buf, frame + at, bytes);
}

static void test_there_and_back(void **state)
{
	const struct packet packets[] = {
		{.bytes = 60},
		{.bytes = 100, .needs_csum = true, .csum_start = 34, .csum_offset = 6},
		{.bytes = 5000,
		 .needs_csum = true,
		 .csum_start = 34,
		 .csum_offset = 16,
		 .gso = PACKET_GSO_TCP4,
		 .gso_bytes = 1460,
		 .header_bytes = 66},
		{.bytes = 5000,
		 .needs_csum = true,
		 .csum_start = 54,
		 .csum_offset = 16,
		 .gso = PACKET_GSO_TCP6,
		 .gso_bytes = 1440,
		 .header_bytes = 74},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(packets); i++) {
		const struct packet *sent = &packets[i];
		struct packet got = {.bytes = sent->bytes, .gso = PACKET_GSO_UDP};
		struct virtio_net_hdr h;

		if (sent->gso)
			frame[sent->csum_start + 12] =
				(sent->header_bytes - sent->csum_start) * 4;
		virtio_net_hdr_from(&h, sent);
		h.hdr_len = 14; /* the receiver counts for himself */
		assert_int_equal(virtio_net_hdr_to(&h, &got), 0);
		assert_int_equal(got.needs_csum, sent->needs_csum);
		assert_int_equal(got.csum_start, sent->csum_start);
		assert_int_equal(got.csum_offset, sent->csum_offset);
		assert_int_equal(got.gso, sent->gso);
		assert_int_equal(got.gso_bytes, sent->gso_bytes);
		assert_int_equal(got.header_bytes, sent->header_bytes);
		assert_false(got.csum_valid);
	}
}

static void test_valid(void **state)
{
	const struct virtio_net_hdr h = {.flags = 2};
	struct packet packet = {.bytes = 60};

	(void)state;
	assert_int_equal(virtio_net_hdr_to(&h, &packet), 0);
	assert_true(packet.csum_valid);
	assert_false(packet.needs_csum);
}

static const struct virtio_net_hdr segmented = {
	.flags = 1, .gso_type = 1, .gso_size = 100, .csum_start = 34, .csum_offset = 16};

static int to(struct virtio_net_hdr h, uint32_t bytes)
{
	struct packet packet = {.bytes = bytes};

	return virtio_net_hdr_to(&h, &packet);
}

static void test_nonsense(void **state)
{
	struct virtio_net_hdr h = {.flags = 1, .csum_start = 50, .csum_offset = 8};

	(void)state;
	assert_int_equal(to(h, 60), 0);
	assert_int_equal(to(h, 59), -EINVAL);
	h.csum_start = h.csum_offset = 0xffff;
	assert_int_equal(to(h, 60), -EINVAL);

	frame[34 + 12] = 0x50;
	assert_int_equal(to(segmented, 200), 0);
	assert_int_equal(to(segmented, 53), -EINVAL); /* shorter than its headers */
	frame[34 + 12] = 0x40;
	assert_int_equal(to(segmented, 200), -EINVAL);
	frame[34 + 12] = 0xf0;
	assert_int_equal(to(segmented, 93), -EINVAL);
	h = segmented;
	h.csum_start = 65490; /* headers end where 16 bits do not reach */
	frame[65490 + 12] = 0xb0;
	assert_int_equal(to(h, PACKET_BYTES_MAX), 0);
	frame[65490 + 12] = 0xc0;
	assert_int_equal(to(h, PACKET_BYTES_MAX), -EINVAL);
	frame[34 + 12] = 0x50;
	h = segmented;
	h.flags = 0;
	assert_int_equal(to(h, 200), -EINVAL);
	h = segmented;
	h.gso_size = 0;
	assert_int_equal(to(h, 200), -EINVAL);
	h = segmented;
	h.csum_offset = 6;
	assert_int_equal(to(h, 200), -EINVAL);
	h = segmented;
	h.gso_type = 3; /* UDP: not agreed on */
	assert_int_equal(to(h, 200), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_valid),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

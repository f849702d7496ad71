/*
 * Frames made of anything, with offloads made of anything, through the filters: they read
 * nothing outside of the frame, and what they let through stays let through once its checksum
 * is written and once it is cut into segments, whose payload is the frame's.
 */
/* links: net/switch/filter.c net/switch/frame.c net/switch/offload.c kernel/io/packet.c */
/* links: kernel/io/netdev.c tests/unit/fake_net.c tests/unit/fake_vmm.c kernel/vmm/bus.c */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/switch/filter.h"
#include "net/switch/offload.h"
#include "tests/unit/fake_net.h"

#define SEGMENTS_MAX 64 /* looked at, of one frame */

/* What an input begins with; the frame follows, repeated `times`. */
struct offloads {
	uint8_t port, gso, flags, times;
	uint16_t csum_start, csum_offset, gso_bytes;
};

static const struct filter ports[] = {
	{.mac = {2, 0, 0, 0, 0, 1}},
	{.mac = {2, 0, 0, 0, 0, 1}, .on = true},
	{.mac = {2, 0, 0, 0, 0, 1},
	 .on = true,
	 .address_count = 2,
	 .addresses = {{.bytes = {10, 0, 0, 5}},
		       {.v6 = true, .bytes = {0x20, 1, 0xd, 0xb8, [15] = 5}}}},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* A packet in pages of its own, each as long as what is in it. */
static void make(struct packet *packet, const uint8_t *frame, uint32_t bytes, unsigned times)
{
	uint32_t total = MIN(bytes * times, (uint32_t)PACKET_BYTES_MAX);

	*packet = (struct packet){.refs = 1, .bytes = total};
	for (uint32_t at = 0; at < total; at++) {
		uint8_t *page;

		if (at % PAGE_BYTES == 0)
			packet->pages[packet->page_count++] =
				directmap_phys(malloc(MIN(total - at, (uint32_t)PAGE_BYTES)));
		page = directmap(packet->pages[at / PAGE_BYTES]);
		page[at % PAGE_BYTES] = frame[at % bytes];
	}
}

static void release(struct packet *packet)
{
	for (unsigned i = 0; i < packet->page_count; i++)
		free(directmap(packet->pages[i]));
}

static bool passes(const struct filter *port, const struct packet *packet, struct frame *frame)
{
	return frame_parse(frame, packet) == 0 &&
	       filter_check(port, frame, packet) == NETWORK_DROPS;
}

static void same_bytes(const struct packet *a, uint32_t a_at, const struct packet *b,
		       uint32_t b_at, uint32_t bytes)
{
	static uint8_t a_bytes[PACKET_BYTES_MAX], b_bytes[PACKET_BYTES_MAX];

	packet_read(a, a_at, a_bytes, bytes);
	packet_read(b, b_at, b_bytes, bytes);
	must(!memcmp(a_bytes, b_bytes, bytes));
}

static void cut(const struct filter *port, const struct packet *packet,
		const struct frame *frame, struct packet_pool *pool)
{
	uint32_t header = offload_header_bytes(frame), done = 0;

	for (unsigned i = 0; i < SEGMENTS_MAX && offload_segments_left(packet, frame, done);
	     i++) {
		uint32_t before = done;
		struct packet *segment = offload_segment(packet, frame, &done, pool);
		struct frame parsed;

		must(segment && done > before && done - before <= packet->gso_bytes);
		must(segment->bytes == header + done - before);
		same_bytes(segment, header, packet, header + before, done - before);
		must(passes(port, segment, &parsed));
		offload_checksum(segment);
		must(passes(port, segment, &parsed));
		packet_put(segment);
	}
}

static void tag(const struct packet *packet, struct packet_pool *pool)
{
	struct packet *copy = offload_copy(packet, pool);

	must(copy);
	if (offload_has_room(copy)) {
		offload_insert_tag(copy, 5);
		must(offload_remove_tag(copy) == 5);
	}
	must(copy->bytes == packet->bytes && copy->csum_start == packet->csum_start);
	same_bytes(copy, 0, packet, 0, packet->bytes);
	packet_put(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct packet_pool *pool;
	const struct filter *port;
	struct offloads offloads;
	struct packet packet;
	struct frame frame;

	if (!pool)
		pool = packet_pool_create(4, 2 * PACKET_PAGES_MAX, NULL);
	if (bytes <= sizeof offloads || bytes > PACKET_BYTES_MAX)
		return 0;
	memcpy(&offloads, data, sizeof offloads);
	port = &ports[offloads.port % ARRAY_SIZE(ports)];
	make(&packet, data + sizeof offloads, (uint32_t)(bytes - sizeof offloads),
	     offloads.times % 64 + 1);
	packet.needs_csum = offloads.flags & 1;
	packet.gso = offloads.gso % (PACKET_GSO_UDP + 1);
	packet.csum_start = offloads.csum_start;
	packet.csum_offset = offloads.csum_offset;
	packet.gso_bytes = offloads.gso_bytes;
	if (passes(port, &packet, &frame)) {
		(void)frame_flow(&frame);
		tag(&packet, pool);
		if (packet.gso)
			cut(port, &packet, &frame, pool);
		else if (packet.needs_csum) {
			offload_checksum(&packet);
			must(passes(port, &packet, &frame));
		}
	}
	release(&packet);
	return 0;
}

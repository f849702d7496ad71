/* Offloads in software. Sums: RFC 1071; TCP segments: RFC 9293; their IP headers: RFC 791,
 * 8200. */
#include "net/switch/offload.h"

#include <string.h>

#define IP_TOTAL_AT	16 /* of the frame: IPv4's total length ... */
#define IP_ID_AT	18
#define IP_CSUM_AT	24
#define IP6_PAYLOAD_AT	18
#define TCP_SEQUENCE_AT 4 /* of the TCP header */
#define TCP_OFFSET_AT	12
#define TCP_FLAGS_AT	13
#define TCP_CSUM_AT	16
#define TCP_FIN		0x01
#define TCP_PSH		0x08
#define TCP_CWR		0x80
#define TAG_AT		(2 * NET_MAC_BYTES)

/* ---- checksums ------------------------------------------------------------------------- */

/* Adds bytes to a sum of big-endian 16-bit words. `odd`: the first byte is a word's second. */
static uint64_t sum_bytes(uint64_t sum, const uint8_t *at, uint32_t bytes, bool odd)
{
	if (odd && bytes) {
		sum += *at++;
		bytes--;
	}
	/* In the CPU's byte order the sum is the same but for its bytes (RFC 1071, 2 (B)). */
	uint64_t swapped = 0;

	for (; bytes >= 4; at += 4, bytes -= 4) {
		uint32_t word;

		memcpy(&word, at, sizeof word);
		swapped += word;
	}
	while (swapped >> 16)
		swapped = (swapped & 0xffff) + (swapped >> 16);
	sum += __builtin_bswap16((uint16_t)swapped);
	for (; bytes >= 2; at += 2, bytes -= 2)
		sum += load16(at);
	return bytes ? sum + ((uint64_t)*at << 8) : sum;
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint64_t sum_packet(const struct packet *packet, uint32_t from, uint32_t to)
{
	uint64_t sum = 0;
	uint32_t at = from;

	while (at < to) {
		uint32_t offset = at % PAGE_BYTES;
		uint32_t part = MIN(to - at, (uint32_t)PAGE_BYTES - offset);
		const uint8_t *page = directmap(packet->pages[at / PAGE_BYTES]);

		sum = sum_bytes(sum, page + offset, part, (at - from) % 2);
		at += part;
	}
	return sum;
}

/* The field holds the sum of the pseudo-header, which so is part of what is summed. A sum of
 * zero is sent as ones: UDP has another meaning for zero (RFC 768), to TCP they are the same.
 */
void offload_checksum(struct packet *packet)
{
	uint16_t sum = (uint16_t)~fold(sum_packet(packet, packet->csum_start, packet->bytes));
	uint8_t field[2];

	store16(field, sum ? sum : 0xffff);
	packet_write(packet, (uint32_t)packet->csum_start + packet->csum_offset, field,
		     sizeof field);
	packet->needs_csum = false;
	packet->csum_valid = true;
}

/* ---- segments -------------------------------------------------------------------------- */

/* Bytes of all headers. filter_check() has seen that they are in the first page. */
uint16_t offload_header_bytes(const struct frame *frame)
{
	return (uint16_t)(frame->l4 + (frame->head[frame->l4 + TCP_OFFSET_AT] >> 4) * 4u);
}

uint32_t offload_segment_bytes(const struct packet *packet, const struct frame *frame)
{
	return MIN((uint32_t)offload_header_bytes(frame) + packet->gso_bytes, packet->bytes);
}

uint32_t offload_segments_left(const struct packet *packet, const struct frame *frame,
			       uint32_t done)
{
	uint32_t gone = offload_header_bytes(frame) + done;

	if (gone >= packet->bytes)
		return 0;
	return (packet->bytes - gone + packet->gso_bytes - 1) / packet->gso_bytes;
}

static void fix_ipv4(uint8_t *head, uint32_t segment_bytes, uint32_t index)
{
	uint32_t header = (head[NET_HEADER_BYTES] & 0xfu) * 4;

	store16(head + IP_TOTAL_AT, segment_bytes - NET_HEADER_BYTES);
	store16(head + IP_ID_AT, load16(head + IP_ID_AT) + index);
	store16(head + IP_CSUM_AT, 0);
	store16(head + IP_CSUM_AT,
		(uint16_t)~fold(sum_bytes(0, head + NET_HEADER_BYTES, header, false)));
}

static void fix_tcp(uint8_t *tcp, uint32_t tcp_bytes, uint32_t whole_bytes, uint32_t done,
		    bool last)
{
	/* The sum of the pseudo-header, with the length exchanged (RFC 1624, eqn. 3). */
	uint64_t pseudo = load16(tcp + TCP_CSUM_AT);

	pseudo += (uint16_t)~whole_bytes + (uint64_t)tcp_bytes;
	store16(tcp + TCP_CSUM_AT, fold(pseudo));
	store32(tcp + TCP_SEQUENCE_AT, load32(tcp + TCP_SEQUENCE_AT) + done);
	if (!last)
		tcp[TCP_FLAGS_AT] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (done)
		tcp[TCP_FLAGS_AT] &= (uint8_t)~TCP_CWR;
}

static void copy_part(struct packet *to, uint32_t to_at, const struct packet *from,
		      uint32_t from_at, uint32_t bytes)
{
	while (bytes) {
		uint32_t offset = from_at % PAGE_BYTES;
		uint32_t part = MIN(bytes, (uint32_t)PAGE_BYTES - offset);
		const uint8_t *page = directmap(from->pages[from_at / PAGE_BYTES]);

		packet_write(to, to_at, page + offset, part);
		to_at += part;
		from_at += part;
		bytes -= part;
	}
}

struct packet *offload_segment(const struct packet *packet, const struct frame *frame,
			       uint32_t *done, struct packet_pool *pool)
{
	uint32_t headers = offload_header_bytes(frame);
	uint32_t payload = MIN((uint32_t)packet->gso_bytes, packet->bytes - headers - *done);
	bool last = headers + *done + payload == packet->bytes;
	struct packet *segment = packet_alloc(pool, headers + payload + VLAN_TAG_BYTES);
	uint8_t *head;

	if (!segment)
		return NULL;
	segment->bytes = headers + payload;
	copy_part(segment, 0, packet, 0, headers);
	copy_part(segment, headers, packet, headers + *done, payload);
	head = directmap(segment->pages[0]);
	if (frame->ip == FRAME_IPV4)
		fix_ipv4(head, segment->bytes, *done / packet->gso_bytes);
	else
		store16(head + IP6_PAYLOAD_AT, segment->bytes - NET_HEADER_BYTES - IPV6_BYTES);
	fix_tcp(head + frame->l4, segment->bytes - frame->l4, packet->bytes - frame->l4, *done,
		last);
	segment->needs_csum = true;
	segment->csum_start = packet->csum_start;
	segment->csum_offset = packet->csum_offset;
	segment->hash = packet->hash;
	*done += payload;
	return segment;
}

/* ---- copies and tags ------------------------------------------------------------------- */

struct packet *offload_copy(const struct packet *packet, struct packet_pool *pool)
{
	uint32_t room = MIN(packet->bytes + VLAN_TAG_BYTES, (uint32_t)PACKET_BYTES_MAX);
	struct packet *copy = packet_alloc(pool, room);

	if (!copy)
		return NULL;
	copy->bytes = packet->bytes;
	copy->needs_csum = packet->needs_csum;
	copy->csum_valid = packet->csum_valid;
	copy->gso = packet->gso;
	copy->csum_start = packet->csum_start;
	copy->csum_offset = packet->csum_offset;
	copy->gso_bytes = packet->gso_bytes;
	copy->header_bytes = packet->header_bytes;
	copy->hash = packet->hash;
	copy_part(copy, 0, packet, 0, packet->bytes);
	return copy;
}

/* Moves bytes [at, end) of the frame by `distance`, page by page from the end that is free. */
static void shift_up(struct packet *packet, uint32_t at, uint32_t end, uint32_t distance)
{
	uint8_t part[64];

	while (end > at) {
		uint32_t bytes = MIN(end - at, (uint32_t)sizeof part);

		end -= bytes;
		packet_read(packet, end, part, bytes);
		packet_write(packet, end + distance, part, bytes);
	}
}

static void shift_down(struct packet *packet, uint32_t at, uint32_t end, uint32_t distance)
{
	uint8_t part[64];

	while (at < end) {
		uint32_t bytes = MIN(end - at, (uint32_t)sizeof part);

		packet_read(packet, at, part, bytes);
		packet_write(packet, at - distance, part, bytes);
		at += bytes;
	}
}

bool offload_has_room(const struct packet *packet)
{
	return packet->bytes + VLAN_TAG_BYTES <= packet->page_count * PAGE_BYTES &&
	       packet->bytes + VLAN_TAG_BYTES <= PACKET_BYTES_MAX;
}

void offload_insert_tag(struct packet *packet, uint16_t tag)
{
	uint8_t bytes[VLAN_TAG_BYTES];

	shift_up(packet, TAG_AT, packet->bytes, VLAN_TAG_BYTES);
	store16(bytes, ETHERTYPE_VLAN);
	store16(bytes + 2, tag);
	packet_write(packet, TAG_AT, bytes, sizeof bytes);
	packet->bytes += VLAN_TAG_BYTES;
	packet->csum_start += VLAN_TAG_BYTES;
	packet->header_bytes += VLAN_TAG_BYTES;
}

uint16_t offload_remove_tag(struct packet *packet)
{
	uint8_t bytes[VLAN_TAG_BYTES];

	packet_read(packet, TAG_AT, bytes, sizeof bytes);
	shift_down(packet, TAG_AT + VLAN_TAG_BYTES, packet->bytes, VLAN_TAG_BYTES);
	packet->bytes -= VLAN_TAG_BYTES;
	packet->csum_start -= VLAN_TAG_BYTES;
	packet->header_bytes -= VLAN_TAG_BYTES;
	return load16(bytes + 2);
}

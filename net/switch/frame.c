/* Finding headers in frames: Ethernet, IPv4 (RFC 791), IPv6 with extension headers (RFC 8200).
 */
#include "net/switch/frame.h"

#include <errno.h>

#define TYPE_AT		    12
#define FRAGMENT_OFFSET	    0x1fff /* of IPv4: in units of 8 bytes */
#define FRAGMENT_MORE	    0x2000
#define FRAGMENT6_OFFSET    0xfff8
#define FRAGMENT6_BYTES	    8
#define EXTENSION_BYTES_MIN 8
#define EXTENSIONS_MAX	    8
#define IPV4_SOURCE_AT	    12
#define IPV4_ADDRESS_BYTES  8 /* source and destination */
#define IPV6_SOURCE_AT	    8
#define IPV6_ADDRESS_BYTES  32

int frame_parse(struct frame *frame, const struct packet *packet)
{
	*frame = (struct frame){0};
	if (packet->bytes < NET_HEADER_BYTES)
		return -EINVAL;
	frame->head = directmap(packet->pages[0]);
	frame->head_bytes = MIN(packet->bytes, (uint32_t)PAGE_BYTES);
	frame->type = load16(frame->head + TYPE_AT);
	return 0;
}

static enum frame_ip parse_ipv4(struct frame *frame, uint32_t frame_bytes)
{
	const uint8_t *ip = frame->head + NET_HEADER_BYTES;
	uint32_t header, total;
	uint16_t fragment;

	if (frame->head_bytes < NET_HEADER_BYTES + IPV4_BYTES_MIN || ip[0] >> 4 != 4)
		return FRAME_MALFORMED;
	header = (ip[0] & 0xfu) * 4;
	total = load16(ip + 2);
	if (header < IPV4_BYTES_MIN || total < header ||
	    NET_HEADER_BYTES + total > frame_bytes ||
	    NET_HEADER_BYTES + header > frame->head_bytes)
		return FRAME_MALFORMED;
	fragment = load16(ip + 6);
	frame->fragment = fragment & (FRAGMENT_OFFSET | FRAGMENT_MORE);
	frame->protocol = ip[9];
	frame->l4 = fragment & FRAGMENT_OFFSET ? 0 : NET_HEADER_BYTES + header;
	frame->end = NET_HEADER_BYTES + total;
	return FRAME_IPV4;
}

static bool is_extension(uint8_t kind)
{
	return kind == IP_HOP_BY_HOP || kind == IP_ROUTING || kind == IP_DESTINATION ||
	       kind == IP_AUTH || kind == IP_FRAGMENT;
}

static uint32_t extension_bytes(uint8_t kind, const uint8_t *at)
{
	if (kind == IP_FRAGMENT)
		return FRAGMENT6_BYTES;
	if (kind == IP_AUTH)
		return (at[1] + 2u) * 4; /* RFC 4302, 2.2 */
	return (at[1] + 1u) * 8;
}

static enum frame_ip parse_ipv6(struct frame *frame, uint32_t frame_bytes)
{
	const uint8_t *ip = frame->head + NET_HEADER_BYTES;
	uint32_t at = NET_HEADER_BYTES + IPV6_BYTES;

	if (frame->head_bytes < at || ip[0] >> 4 != 6)
		return FRAME_MALFORMED;
	frame->end = at + load16(ip + 4);
	if (frame->end > frame_bytes)
		return FRAME_MALFORMED;
	frame->protocol = ip[6];
	for (unsigned i = 0; i <= EXTENSIONS_MAX; i++) {
		const uint8_t *next = frame->head + at;
		uint32_t room = MIN(frame->end, frame->head_bytes) - at;

		if (!is_extension(frame->protocol)) {
			frame->l4 = at;
			return FRAME_IPV6;
		}
		if (room < EXTENSION_BYTES_MIN || extension_bytes(frame->protocol, next) > room)
			return FRAME_MALFORMED;
		at += extension_bytes(frame->protocol, next);
		if (frame->protocol == IP_FRAGMENT) {
			frame->fragment = true;
			if (load16(next + 2) & FRAGMENT6_OFFSET) {
				frame->protocol = next[0];
				return FRAME_IPV6;
			}
		}
		frame->protocol = next[0];
	}
	return FRAME_MALFORMED;
}

void frame_parse_ip(struct frame *frame, const struct packet *packet)
{
	if (frame->type == ETHERTYPE_IPV4)
		frame->ip = parse_ipv4(frame, packet->bytes);
	else if (frame->type == ETHERTYPE_IPV6)
		frame->ip = parse_ipv6(frame, packet->bytes);
	else
		frame->ip = FRAME_NOT_IP;
}

/* FNV-1a, as 32 bits: not against enemies, who would only crowd a queue of their own peer. */
static uint32_t mix(uint32_t hash, const uint8_t *bytes, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	return hash;
}

uint32_t frame_flow(const struct frame *frame)
{
	const uint8_t *ip = frame->head + NET_HEADER_BYTES;
	uint32_t hash = 2166136261u;

	if (frame->ip == FRAME_IPV4)
		hash = mix(hash, ip + IPV4_SOURCE_AT, IPV4_ADDRESS_BYTES);
	else if (frame->ip == FRAME_IPV6)
		hash = mix(hash, ip + IPV6_SOURCE_AT, IPV6_ADDRESS_BYTES);
	else
		return mix(hash, frame->head, 2 * NET_MAC_BYTES);
	/* Ports; not of fragments, which would part from the rest of their datagram. */
	if (frame->l4 && !frame->fragment && frame->l4 + 4 <= frame->head_bytes &&
	    (frame->protocol == IP_TCP || frame->protocol == IP_UDP))
		hash = mix(hash, frame->head + frame->l4, 4);
	return hash ^ hash >> 16;
}

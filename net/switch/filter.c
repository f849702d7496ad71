/* Filters of ports. The rules are in filter.h and docs/architecture.md; here is how each is
 * told. */
#include "net/switch/filter.h"

#include <string.h>

#define ARP_BYTES	  28 /* of IPv4 over Ethernet, RFC 826 */
#define ARP_ETHERNET	  1
#define ARP_REQUEST	  1
#define ARP_SENDER_MAC_AT 8
#define ARP_SENDER_IP_AT  14

#define DHCP_SERVER	  67
#define DHCP_CLIENT	  68
#define DHCP6_CLIENT	  546
#define DHCP6_SERVER	  547

#define ICMP_REDIRECT	  5
#define ICMP_ROUTER	  9 /* advertisement, RFC 1256 */
#define IGMP_QUERY	  0x11

#define OFFSET_TCP_CSUM	  16
#define PORTS_BYTES	  4
/* The smallest payload of a TCP segment that we make: with less, a guest would have us send
 * more headers than data. Linux takes no peer's MSS below this either. */
#define GSO_BYTES_MIN 48

enum icmp6 { /* RFC 4861, 4; RFC 2710; RFC 3810 */
	     MLD_QUERY = 130,
	     MLD_REPORT = 131,
	     MLD_DONE = 132,
	     ND_ROUTER_SOLICITATION = 133,
	     ND_ROUTER_ADVERTISEMENT = 134,
	     ND_SOLICITATION = 135,
	     ND_ADVERTISEMENT = 136,
	     ND_REDIRECT = 137,
	     MLD2_REPORT = 143,
};
#define ND_TARGET_AT	 8
#define ND_OPTION_SOURCE 1
#define ND_OPTION_TARGET 2
#define ND_OPTION_UNIT	 8

static const uint8_t unspecified[16];

/* ---- offloads -------------------------------------------------------------------------- */

/* Segments get copies of the headers, with lengths and sums that we compute. */
static bool gso_is_sane(const struct frame *frame, const struct packet *packet)
{
	enum frame_ip wanted = packet->gso == PACKET_GSO_TCP4 ? FRAME_IPV4 : FRAME_IPV6;
	uint32_t header;

	if (packet->gso != PACKET_GSO_TCP4 && packet->gso != PACKET_GSO_TCP6)
		return false;
	if (frame->ip != wanted || frame->fragment || frame->protocol != IP_TCP || !frame->l4 ||
	    frame->l4 + TCP_BYTES_MIN > MIN(frame->end, frame->head_bytes))
		return false;
	header = (frame->head[frame->l4 + 12] >> 4) * 4u;
	return header >= TCP_BYTES_MIN &&
	       frame->l4 + header <= MIN(frame->end, frame->head_bytes) &&
	       frame->end == packet->bytes && packet->gso_bytes >= GSO_BYTES_MIN &&
	       packet->needs_csum && packet->csum_start == frame->l4 &&
	       packet->csum_offset == OFFSET_TCP_CSUM;
}

static bool csum_is_sane(const struct packet *packet)
{
	return packet->csum_start >= NET_HEADER_BYTES && packet->csum_start < packet->bytes &&
	       (uint32_t)packet->csum_start + packet->csum_offset + 2 <= packet->bytes;
}

static bool offloads_are_sane(const struct frame *frame, const struct packet *packet)
{
	return (!packet->needs_csum || csum_is_sane(packet)) &&
	       (!packet->gso || gso_is_sane(frame, packet));
}

/* 01:80:c2:00:00:00 to :0f: bridges do not pass them on (802.1Q-2018, 8.6.3). */
static bool is_for_bridges(const uint8_t *mac)
{
	static const uint8_t prefix[5] = {0x01, 0x80, 0xc2, 0x00, 0x00};

	return !memcmp(mac, prefix, sizeof prefix) && mac[5] <= 0x0f;
}

enum network_drop filter_check_wire(struct frame *frame, const struct packet *packet)
{
	if (mac_is_multicast(frame_source(frame)))
		return NETWORK_DROP_MALFORMED;
	if (frame_is_tagged(frame))
		return NETWORK_DROP_TAGGED;
	if (is_for_bridges(frame_destination(frame)))
		return NETWORK_DROP_RESERVED;
	frame_parse_ip(frame, packet);
	return offloads_are_sane(frame, packet) ? NETWORK_DROPS : NETWORK_DROP_MALFORMED;
}

/* A sum is written after the frame was checked: not where the check looked. */
static bool csum_hits_headers(const struct frame *frame, const struct packet *packet)
{
	if (!packet->needs_csum)
		return false;
	return !frame->l4 || frame->protocol == IP_ICMP || frame->protocol == IP_ICMPV6 ||
	       (uint32_t)packet->csum_start + packet->csum_offset < frame->l4 + PORTS_BYTES;
}

/* ---- whose addresses ------------------------------------------------------------------- */

static bool may_use(const struct filter *filter, bool v6, const uint8_t *address)
{
	for (uint32_t i = 0; i < filter->address_count; i++)
		if (filter->addresses[i].v6 == v6 &&
		    !memcmp(filter->addresses[i].bytes, address, v6 ? 16 : 4))
			return true;
	return filter->address_count == 0;
}

/* The link-local address that comes with the MAC address (RFC 4291, appendix A). */
static bool is_own_link_local(const struct filter *filter, const uint8_t *address)
{
	const uint8_t *mac = filter->mac;
	const uint8_t own[16] = {0xfe, 0x80,   0,	    0,	    0,	    0,
				 0,    0,      mac[0] ^ 2u, mac[1], mac[2], 0xff,
				 0xfe, mac[3], mac[4],	    mac[5]};

	return !memcmp(address, own, sizeof own);
}

static bool may_use6(const struct filter *filter, const uint8_t *address)
{
	return may_use(filter, true, address) || is_own_link_local(filter, address);
}

static enum network_drop check_arp(const struct filter *filter, const struct frame *frame)
{
	const uint8_t *arp = frame->head + NET_HEADER_BYTES;
	bool probe;

	if (frame->head_bytes < NET_HEADER_BYTES + ARP_BYTES || load16(arp) != ARP_ETHERNET ||
	    load16(arp + 2) != ETHERTYPE_IPV4 || arp[4] != NET_MAC_BYTES || arp[5] != 4)
		return NETWORK_DROP_MALFORMED;
	if (memcmp(arp + ARP_SENDER_MAC_AT, filter->mac, NET_MAC_BYTES) != 0)
		return NETWORK_DROP_SPOOFED_ADDRESS;
	probe = load16(arp + 6) == ARP_REQUEST && load32(arp + ARP_SENDER_IP_AT) == 0;
	return probe || may_use(filter, false, arp + ARP_SENDER_IP_AT)
		       ? NETWORK_DROPS
		       : NETWORK_DROP_SPOOFED_ADDRESS;
}

/* Answers to DHCP clients come from port 67, or go to port 68 whatever they come from. */
static bool is_dhcp_server(const struct frame *frame)
{
	uint16_t from = load16(frame->head + frame->l4);
	uint16_t to = load16(frame->head + frame->l4 + 2);

	if (frame->ip == FRAME_IPV4)
		return from == DHCP_SERVER || to == DHCP_CLIENT;
	return from == DHCP6_SERVER || to == DHCP6_CLIENT;
}

static bool is_dhcp_request(const struct frame *frame)
{
	return frame->protocol == IP_UDP && frame->l4 &&
	       load16(frame->head + frame->l4) == DHCP_CLIENT &&
	       load16(frame->head + frame->l4 + 2) == DHCP_SERVER;
}

/* All options that name a MAC address name the port's. */
static enum network_drop check_nd_options(const struct filter *filter,
					  const struct frame *frame, uint32_t at)
{
	while (at < frame->end) {
		const uint8_t *option = frame->head + at;
		uint32_t room = frame->end - at, bytes;

		if (room < ND_OPTION_UNIT || at + ND_OPTION_UNIT > frame->head_bytes)
			return NETWORK_DROP_MALFORMED;
		bytes = option[1] * (uint32_t)ND_OPTION_UNIT;
		if (bytes == 0 || bytes > room)
			return NETWORK_DROP_MALFORMED;
		if ((option[0] == ND_OPTION_SOURCE || option[0] == ND_OPTION_TARGET) &&
		    (bytes != ND_OPTION_UNIT ||
		     memcmp(option + 2, filter->mac, NET_MAC_BYTES) != 0))
			return NETWORK_DROP_SPOOFED_ADDRESS;
		at += bytes;
	}
	return NETWORK_DROPS;
}

/* Solicitation and advertisement: the target is whom it speaks for in an advertisement, and in
 * a solicitation without source address, which is how an address is claimed (RFC 4862, 5.4). */
static enum network_drop check_nd(const struct filter *filter, const struct frame *frame,
				  bool claims)
{
	const uint8_t *nd = frame->head + frame->l4;
	uint32_t header = ND_TARGET_AT + 16;

	if (frame->l4 + header > MIN(frame->end, frame->head_bytes))
		return NETWORK_DROP_MALFORMED;
	if (claims && !may_use6(filter, nd + ND_TARGET_AT))
		return NETWORK_DROP_SPOOFED_ADDRESS;
	return check_nd_options(filter, frame, frame->l4 + header);
}

static enum network_drop check_icmp6(const struct filter *filter, const struct frame *frame,
				     bool from_nobody)
{
	uint8_t type = frame->head[frame->l4];
	bool nd = type >= ND_ROUTER_SOLICITATION && type <= ND_REDIRECT;

	if (nd && frame->fragment)
		return NETWORK_DROP_MALFORMED; /* RFC 6980, 5 */
	switch (type) {
	case MLD_REPORT:
	case MLD_DONE:
	case MLD2_REPORT: return NETWORK_DROPS;
	case ND_ROUTER_SOLICITATION:
		return check_nd_options(filter, frame, frame->l4 + ND_TARGET_AT);
	case ND_SOLICITATION: return check_nd(filter, frame, from_nobody);
	case ND_ADVERTISEMENT: return check_nd(filter, frame, true);
	case MLD_QUERY:
	case ND_ROUTER_ADVERTISEMENT:
	case ND_REDIRECT: return NETWORK_DROP_FORBIDDEN;
	default: return from_nobody ? NETWORK_DROP_SPOOFED_ADDRESS : NETWORK_DROPS;
	}
}

/* What a datagram's first fragment must hold for the checks (RFC 7112 demands more). */
static uint32_t transport_bytes(uint8_t protocol)
{
	switch (protocol) {
	case IP_UDP: return UDP_BYTES;
	case IP_ICMP:
	case IP_IGMP:
	case IP_ICMPV6: return 8;
	default: return 0;
	}
}

static bool is_routers(uint8_t protocol, uint8_t type)
{
	if (protocol == IP_IGMP)
		return type == IGMP_QUERY;
	return protocol == IP_ICMP && (type == ICMP_REDIRECT || type == ICMP_ROUTER);
}

/* Who has no address yet, or none any more, asks for one and reports its groups (RFC 3376,
 * 4.2.13). */
static enum network_drop check_ipv4(const struct filter *filter, const struct frame *frame)
{
	const uint8_t *source = frame->head + NET_HEADER_BYTES + 12;

	if (load32(source) == 0) {
		if (!is_dhcp_request(frame) && frame->protocol != IP_IGMP)
			return NETWORK_DROP_SPOOFED_ADDRESS;
	} else if (!may_use(filter, false, source)) {
		return NETWORK_DROP_SPOOFED_ADDRESS;
	}
	return frame->l4 && is_routers(frame->protocol, frame->head[frame->l4])
		       ? NETWORK_DROP_FORBIDDEN
		       : NETWORK_DROPS;
}

static enum network_drop check_ipv6(const struct filter *filter, const struct frame *frame)
{
	const uint8_t *source = frame->head + NET_HEADER_BYTES + 8;
	bool from_nobody = !memcmp(source, unspecified, sizeof unspecified);

	if (!from_nobody && !may_use6(filter, source))
		return NETWORK_DROP_SPOOFED_ADDRESS;
	if (frame->l4 && frame->protocol == IP_ICMPV6)
		return check_icmp6(filter, frame, from_nobody);
	return from_nobody ? NETWORK_DROP_SPOOFED_ADDRESS : NETWORK_DROPS;
}

static enum network_drop check_ip(const struct filter *filter, const struct frame *frame,
				  const struct packet *packet)
{
	if (frame->ip == FRAME_MALFORMED ||
	    (frame->l4 &&
	     frame->l4 + transport_bytes(frame->protocol) > MIN(frame->end, frame->head_bytes)))
		return NETWORK_DROP_MALFORMED;
	if (csum_hits_headers(frame, packet))
		return NETWORK_DROP_MALFORMED;
	if (frame->l4 && frame->protocol == IP_UDP && is_dhcp_server(frame))
		return NETWORK_DROP_FORBIDDEN;
	return frame->ip == FRAME_IPV4 ? check_ipv4(filter, frame) : check_ipv6(filter, frame);
}

/* Of the rest nothing is known. Where addresses are given, nothing else may carry them. */
static enum network_drop check_other(const struct filter *filter, const struct frame *frame,
				     const struct packet *packet)
{
	if (packet->needs_csum || frame->type < ETHERTYPE_MIN)
		return NETWORK_DROP_MALFORMED;
	return filter->address_count || frame->type == ETHERTYPE_RARP ? NETWORK_DROP_FORBIDDEN
								      : NETWORK_DROPS;
}

enum network_drop filter_check(const struct filter *filter, struct frame *frame,
			       const struct packet *packet)
{
	enum network_drop drop = filter_check_wire(frame, packet);

	if (drop != NETWORK_DROPS || !filter->on)
		return drop;
	if (memcmp(frame_source(frame), filter->mac, NET_MAC_BYTES) != 0)
		return NETWORK_DROP_SPOOFED_MAC;
	if (frame->ip != FRAME_NOT_IP)
		return check_ip(filter, frame, packet);
	if (frame->type == ETHERTYPE_ARP)
		return packet->needs_csum ? NETWORK_DROP_MALFORMED : check_arp(filter, frame);
	return check_other(filter, frame, packet);
}

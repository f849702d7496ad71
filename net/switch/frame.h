/*
 * What a frame is: its Ethernet header, and where its IP and transport headers lie. Reads the
 * packet's own copy, in which nothing changes any more, and trusts no length in it. Who may
 * send what is filter.c's business.
 */
#ifndef NET_SWITCH_FRAME_H
#define NET_SWITCH_FRAME_H

#include "kernel/io/netdev.h"
#include "kernel/mem/frames.h"

enum ethertype { /* IEEE 802 Numbers, of IANA */
		 ETHERTYPE_IPV4 = 0x0800,
		 ETHERTYPE_ARP = 0x0806,
		 ETHERTYPE_RARP = 0x8035,
		 ETHERTYPE_VLAN = 0x8100, /* 802.1Q: C-tag */
		 ETHERTYPE_IPV6 = 0x86dd,
		 ETHERTYPE_SVLAN = 0x88a8, /* S-tag, and what was used before it */
		 ETHERTYPE_QINQ = 0x9100,
};
#define ETHERTYPE_MIN 0x600 /* below: a length, 802.3, 3.2.6 */

enum ip_protocol {
	IP_ICMP = 1,
	IP_IGMP = 2,
	IP_TCP = 6,
	IP_UDP = 17,
	IP_ICMPV6 = 58,
	IP_HOP_BY_HOP = 0, /* the rest: extension headers of IPv6, RFC 8200 4 */
	IP_ROUTING = 43,
	IP_FRAGMENT = 44,
	IP_AUTH = 51,
	IP_DESTINATION = 60,
};

#define VLAN_TAG_BYTES 4
#define VLAN_ID_MASK   0xfff
#define IPV4_BYTES_MIN 20
#define IPV6_BYTES     40
#define TCP_BYTES_MIN  20
#define UDP_BYTES      8

enum frame_ip { FRAME_NOT_IP, FRAME_IPV4, FRAME_IPV6, FRAME_MALFORMED };

struct frame {
	const uint8_t *head; /* the frame's first bytes */
	uint32_t head_bytes; /* which are this many: all, or a page */
	uint16_t type;	     /* EtherType or, below ETHERTYPE_MIN, a length */
	/* By frame_parse_ip(): */
	enum frame_ip ip;
	uint8_t protocol; /* of what is at l4 */
	bool fragment;	  /* of a datagram, the first too */
	uint32_t l4;	  /* offset of the transport header; 0: in another fragment */
	uint32_t end;	  /* offset behind the datagram; padding may follow */
};

/* 0, or -EINVAL when not even an Ethernet header is there. */
int frame_parse(struct frame *frame, const struct packet *packet);
/* Fills in the rest. A datagram whose headers don't fit in each other, in the frame, and in its
 * first page is FRAME_MALFORMED. */
void frame_parse_ip(struct frame *frame, const struct packet *packet);

/* The same for all packets of a connection in one direction; for spreading over queues. After
 * frame_parse_ip(). */
uint32_t frame_flow(const struct frame *frame);

static inline const uint8_t *frame_destination(const struct frame *frame)
{
	return frame->head;
}

static inline const uint8_t *frame_source(const struct frame *frame)
{
	return frame->head + NET_MAC_BYTES;
}

static inline bool mac_is_multicast(const uint8_t *mac)
{
	return mac[0] & 1; /* the broadcast address too */
}

static inline uint16_t load16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline void store16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline uint32_t load32(const uint8_t *at)
{
	return (uint32_t)load16(at) << 16 | load16(at + 2);
}

static inline void store32(uint8_t *at, uint32_t value)
{
	store16(at, value >> 16);
	store16(at + 2, value & 0xffff);
}

static inline bool frame_is_tagged(const struct frame *frame)
{
	return frame->type == ETHERTYPE_VLAN || frame->type == ETHERTYPE_SVLAN ||
	       frame->type == ETHERTYPE_QINQ;
}

#endif

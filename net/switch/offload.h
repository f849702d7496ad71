/*
 * What a NIC or a guest that has no offloads is spared: checksums and TCP segmentation in
 * software, and VLAN tags in frames. Packets have been through filter_check(), so their
 * offloads are sane.
 */
#ifndef NET_SWITCH_OFFLOAD_H
#define NET_SWITCH_OFFLOAD_H

#include "net/switch/frame.h"

/* Writes the checksum that the packet still needs. The caller holds it alone. */
void offload_checksum(struct packet *packet);

/*
 * Makes the segment of a TCP packet that begins at byte *done of its payload, and moves *done
 * on: offload_segments_left() says how many are to come. Headers are the packet's with
 * lengths, IP identification, sequence number and flags as the segment's own (FIN and PSH in
 * the last, CWR in the first), and the checksum of IPv4. TCP's is left to be done (needs_csum).
 * NULL when the pool has no packet for now, or `frame` is not what it says.
 */
struct packet *offload_segment(const struct packet *packet, const struct frame *frame,
			       uint32_t *done, struct packet_pool *pool);
/* Of a TCP packet: bytes of all its headers, and of its largest segment. */
uint16_t offload_header_bytes(const struct frame *frame);
uint32_t offload_segment_bytes(const struct packet *packet, const struct frame *frame);
/* How many segments make up what is behind byte `done` of its payload; 0: there is no more. */
uint32_t offload_segments_left(const struct packet *packet, const struct frame *frame,
			       uint32_t done);

/* A copy that its holder may change, with room for a tag; NULL when the pool has none. */
struct packet *offload_copy(const struct packet *packet, struct packet_pool *pool);

/* Puts an 802.1Q tag into the frame, where there is room for it, and takes the one that is
 * there out and returns it. The caller holds the packet alone. */
bool offload_has_room(const struct packet *packet);
void offload_insert_tag(struct packet *packet, uint16_t tag);
uint16_t offload_remove_tag(struct packet *packet);

#endif

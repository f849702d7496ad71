/*
 * Where frames go. A frame is checked, its sender learned, its receiver found; then it is
 * handed over as it is, or with its checksum done, or in segments, as the receiver takes it.
 */
#include <errno.h>
#include <string.h>

#include "kernel/cpu/clock.h"
#include "kernel/log/log.h"
#include "net/switch/internal.h"
#include "net/switch/offload.h"

#define LEARN_PORT_MAX	 32  /* addresses behind a port, */
#define LEARN_UPLINK_MAX 768 /* ... and behind an uplink */
/* Of one frame for all, or for nobody known: 64 KiB in Ethernet's usual size are 46. */
#define FLOOD_SEGMENTS_MAX 64

/* One frame on its way. */
struct passage {
	struct network *network;
	struct port *from; /* NULL: the wire */
	struct packet *packet;
	struct frame frame;
};

enum route { ROUTE_NONE, ROUTE_PORT, ROUTE_UPLINK, ROUTE_ALL, ROUTE_UNKNOWN };

/* ---- may it? --------------------------------------------------------------------------- */

static void refuse(const struct passage *p, enum network_drop drop)
{
	struct drops *drops = p->from ? &p->from->drops : &p->network->drops;
	const uint8_t *mac = p->frame.head ? frame_source(&p->frame) : NULL;

	if (p->from && mac && drop >= NETWORK_DROP_SPOOFED_MAC &&
	    drop <= NETWORK_DROP_FORBIDDEN && !drops->counts[drop])
		log_warn("net",
			 "%s: dropped a frame (%s; from %02x:%02x:%02x:%02x:%02x:%02x, "
			 "EtherType %04x); more of them are only counted: `networks`",
			 p->from->dev.name, network_drop_name(drop), mac[0], mac[1], mac[2],
			 mac[3], mac[4], mac[5], p->frame.type);
	count_drop(drops, drop);
	packet_put(p->packet);
}

static bool is_oversize(const struct passage *p)
{
	uint32_t bytes = p->packet->bytes;

	if (p->packet->gso)
		bytes = offload_segment_bytes(p->packet, &p->frame);
	return bytes > (uint32_t)p->network->mtu + NET_HEADER_BYTES;
}

static enum network_drop check(struct passage *p)
{
	enum network_drop drop;

	if (frame_parse(&p->frame, p->packet))
		return NETWORK_DROP_MALFORMED;
	if (!p->from)
		return filter_check_wire(&p->frame, p->packet);
	drop = filter_check(&p->from->filter, &p->frame, p->packet);
	if (drop == NETWORK_DROPS && is_oversize(p))
		return NETWORK_DROP_OVERSIZE;
	return drop;
}

/* ---- where to? ------------------------------------------------------------------------- */

/* The address that a port was given is nobody else's, on the wire neither: a frame from there
 * would be our own come back, or somebody's who pretends. network->lock is held, as below. */
static bool learn(const struct passage *p, uint64_t now_ns)
{
	struct table *table = &p->network->table;
	const uint8_t *source = frame_source(&p->frame);
	uint16_t own = p->from ? p->from->owner : OWNER_UPLINK;
	uint16_t fixed = table_fixed(table, source);

	if (fixed == TABLE_NOWHERE)
		table_learn(table, source, own, p->from ? LEARN_PORT_MAX : LEARN_UPLINK_MAX,
			    now_ns);
	return fixed == TABLE_NOWHERE || fixed == own;
}

/* Frames for all, and for nobody known, are limited, as each costs everybody; one that is to be
 * cut is as many as it would become. What is for nobody known still goes to the wire, where it
 * would go if it were known. */
static enum route flood(const struct passage *p, bool multicast, uint64_t now_ns)
{
	struct bucket *bucket = p->from ? &p->from->flood : &p->network->flood;
	uint32_t frames = p->packet->gso ? offload_segments_left(p->packet, &p->frame, 0) : 1;

	if (!multicast && !p->network->open_ports)
		return p->from && p->network->uplink ? ROUTE_UPLINK : ROUTE_NONE;
	if (frames <= FLOOD_SEGMENTS_MAX && !bucket_ready_ns(bucket, frames, now_ns)) {
		bucket_take(bucket, frames, now_ns);
		return multicast ? ROUTE_ALL : ROUTE_UNKNOWN;
	}
	return !multicast && p->from && p->network->uplink ? ROUTE_UPLINK : ROUTE_NONE;
}

static enum network_drop find_route(const struct passage *p, enum route *route,
				    struct port **to)
{
	struct network *network = p->network;
	const uint8_t *destination = frame_destination(&p->frame);
	uint64_t now_ns = clock_now_ns();
	uint16_t owner = TABLE_NOWHERE;

	if (!learn(p, now_ns))
		return NETWORK_DROP_SPOOFED_MAC;
	if (!mac_is_multicast(destination))
		owner = table_find(&network->table, destination, now_ns);
	if (owner == (p->from ? p->from->owner : OWNER_UPLINK))
		return NETWORK_DROP_ELSEWHERE;
	if (owner == OWNER_UPLINK) {
		*route = ROUTE_UPLINK;
	} else if (owner != TABLE_NOWHERE) {
		*route = ROUTE_PORT;
		*to = port_get(network->ports[owner]);
	} else {
		*route = flood(p, mac_is_multicast(destination), now_ns);
	}
	if (*route != ROUTE_NONE)
		return NETWORK_DROPS;
	return p->from || mac_is_multicast(destination) ? NETWORK_DROP_FLOOD
							: NETWORK_DROP_ELSEWHERE;
}

/* ---- handing over ---------------------------------------------------------------------- */

static struct packet_pool *copies_of(const struct passage *p)
{
	return p->from ? p->from->copies : p->network->uplink->copies;
}

static uint32_t accepted(const struct passage *p, const struct port *to)
{
	return to ? atomic_load_explicit(&to->accepts, memory_order_relaxed)
		  : p->network->uplink->nic->features;
}

/* Why the receiver would drop whatever it gets, or NETWORK_DROPS. */
static enum network_drop refusal(const struct passage *p, struct port *to,
				 const struct port *sender)
{
	if (to)
		return queue_refusal(to, sender != NULL);
	return p->network->uplink->nic->link_up ? NETWORK_DROPS : NETWORK_DROP_NO_LINK;
}

static void count_turn(const struct passage *p)
{
	if (p->from)
		p->from->turn++;
}

static void count_segment(const struct passage *p)
{
	atomic_fetch_add_explicit(p->from ? &p->from->segments : &p->network->segments, 1,
				  memory_order_relaxed);
	count_turn(p);
}

/* `alone`: nobody else holds `packet`. `sender`: who waits if need be, or NULL. */
static int put(const struct passage *p, struct port *to, struct packet *packet, bool alone,
	       struct port *sender)
{
	if (to)
		return queue_put(to, packet, sender);
	if (p->from)
		p->from->uncommitted = true;
	return uplink_put(p->network, packet, alone, copies_of(p), sender);
}

/* One segment, with its checksum unless the receiver does that; and moves *done on, unless the
 * sender must wait. 0, -EAGAIN, DROPPED(). */
static int put_segment(const struct passage *p, struct port *to, uint32_t *done,
		       struct port *sender)
{
	uint32_t next = *done;
	struct packet *segment = offload_segment(p->packet, &p->frame, &next, copies_of(p));
	int err;

	if (!segment && sender)
		return -EAGAIN;
	if (!segment)
		return DROPPED(
			NETWORK_DROP_NO_MEMORY); /* of this one too: it is counted below */
	count_segment(p);
	if (!(accepted(p, to) & NETDEV_TX_CSUM))
		offload_checksum(segment);
	err = put(p, to, segment, true, sender);
	if (err == -EAGAIN)
		packet_put(segment);
	else
		*done = next;
	return err;
}

/* In segments. What has gone is kept in *done, so that a sender that must wait goes on from
 * there. For who would drop them none is made, and after one that was dropped no more: they are
 * counted as if they had been. */
static int put_segments(const struct passage *p, struct port *to, uint32_t *done,
			struct port *sender)
{
	enum network_drop drop = refusal(p, to, sender);
	uint32_t left;

	while ((left = offload_segments_left(p->packet, &p->frame, *done)) &&
	       drop == NETWORK_DROPS) {
		int err = sender && port_turn_over(sender) ? -EAGAIN
							   : put_segment(p, to, done, sender);

		if (err < 0)
			return err;
		if (err > 0)
			drop = (enum network_drop)(err - DROPPED(0));
	}
	if (left)
		count_drops(to ? &to->drops : &p->network->drops, drop, left);
	packet_put(p->packet);
	return 0;
}

/* The packet, or one reference to it, as the receiver takes it. NULL: to the wire. */
static int hand_over(const struct passage *p, struct port *to, bool alone, uint32_t *done)
{
	struct packet *packet = p->packet;
	struct port *sender = alone ? p->from : NULL;
	uint32_t takes = accepted(p, to);

	/* What has begun in segments ends so, whoever is the receiver by now. */
	if (*done || (packet->gso == PACKET_GSO_TCP4 && !(takes & NETDEV_TX_TSO4)) ||
	    (packet->gso == PACKET_GSO_TCP6 && !(takes & NETDEV_TX_TSO6)))
		return put_segments(p, to, done, sender);
	if (alone && !packet->gso && packet->needs_csum && !(takes & NETDEV_TX_CSUM))
		offload_checksum(packet);
	return MIN(put(p, to, packet, alone, sender), 0);
}

static struct port *next_port(struct network *network, uint16_t *owner)
{
	uint64_t flags = spin_lock_irqsave(&network->lock);
	struct port *port = NULL;

	while (!port && ++*owner <= NETWORK_PORTS_MAX)
		port = network->ports[*owner];
	if (port)
		port_get(port);
	spin_unlock_irqrestore(&network->lock, flags);
	return port;
}

static void hand_to_one(const struct passage *p, struct port *to)
{
	uint32_t done = p->packet->segmented;

	packet_get(p->packet);
	count_turn(p);
	(void)hand_over(p, to, false, &done);
}

/* Nobody waits: what a receiver can't have now it loses. A port with a filter has one address,
 * so what is for nobody known is not for it. */
static void hand_to_all(const struct passage *p, bool unknown)
{
	uint16_t owner = 0;
	struct port *to;

	if (p->packet->needs_csum && !p->packet->gso)
		offload_checksum(p->packet); /* while it is held alone */
	while ((to = next_port(p->network, &owner))) {
		if (to != p->from && !(unknown && to->filter.on))
			hand_to_one(p, to);
		port_put(to);
	}
	if (p->from && p->network->uplink)
		hand_to_one(p, NULL);
	packet_put(p->packet);
}

int forward(struct network *network, struct port *from, struct packet *packet)
{
	struct passage p = {.network = network, .from = from, .packet = packet};
	enum network_drop drop = check(&p);
	enum route route = ROUTE_NONE;
	struct port *to = NULL;
	int err = 0;

	if (drop == NETWORK_DROPS) {
		uint64_t flags = spin_lock_irqsave(&network->lock);

		packet->hash = frame_flow(&p.frame);
		if (packet->gso)
			packet->header_bytes = offload_header_bytes(&p.frame);
		drop = find_route(&p, &route, &to);
		spin_unlock_irqrestore(&network->lock, flags);
	}
	if (drop != NETWORK_DROPS)
		refuse(&p, drop);
	else if (route == ROUTE_ALL || route == ROUTE_UNKNOWN)
		hand_to_all(&p, route == ROUTE_UNKNOWN);
	else
		err = hand_over(&p, to, true, &packet->segmented);
	if (to)
		port_put(to);
	return err;
}

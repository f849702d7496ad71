/*
 * What may leave a port: frames that are well-formed and, where the port is filtered, do not
 * pretend to be somebody else's: source MAC and IP addresses, ARP, neighbour discovery, and
 * what only routers and DHCP servers say. Keeps no state; changes nothing.
 */
#ifndef NET_SWITCH_FILTER_H
#define NET_SWITCH_FILTER_H

#include "kernel/io/network.h"
#include "net/switch/frame.h"

struct filter {
	uint8_t mac[NET_MAC_BYTES];
	bool on; /* else only what no guest may send is refused */
	uint32_t address_count;
	struct network_address addresses[NETWORK_ADDRESSES_MAX];
};

/*
 * NETWORK_DROPS, or why the frame may not pass. What every port is held to: an Ethernet header,
 * a source that is one station, no VLAN tag (a network is untagged; tags are its uplink's, and
 * would lead into another), no frame for bridges alone (802.1Q, table 8-1), and offloads that
 * mean what they say. `frame` is frame_parse()d; its rest is filled in.
 */
enum network_drop filter_check(const struct filter *filter, struct frame *frame,
			       const struct packet *packet);

/* The part that is not about the port, which holds for the wire too, once its tag is off. */
enum network_drop filter_check_wire(struct frame *frame, const struct packet *packet);

#endif

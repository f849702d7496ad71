/* The machine's NICs, networks, the guests' ports on them, and the stations there. */
#ifndef GUESTS_VIEWS_NETWORKS_H
#define GUESTS_VIEWS_NETWORKS_H

#include "guests/views/view.h"

#define VIEW_DROPS_MAX 16 /* reasons */

struct nic_view {
	char name[32];
	char location[32]; /* "pci:00:04.0" */
	char mac[VIEW_MAC_BYTES];
	uint32_t link_up, gone;
	uint64_t rx_packets, rx_bytes, rx_dropped, rx_errors;
	uint64_t tx_packets, tx_bytes, tx_dropped, tx_errors;
	uint64_t doorbells, interrupts, resets, bytes_copied;
};

struct network_view {
	char name[32];
	char uplink[32];    /* a NIC; "": guests among themselves */
	uint32_t vlan, mtu; /* vlan 0: untagged */
	uint32_t link_up, stations;
	uint32_t isolated, drop_count;
	char lacks[160]; /* why it is isolated, if it should not be */
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes; /* from and to the uplink */
	uint64_t segments;
	struct view_count drops[VIEW_DROPS_MAX];
};

struct port_view {
	char network[32];
	char name[32]; /* "web.0" */
	char mac[VIEW_MAC_BYTES];
	char state[16]; /* of port_view_states */
	uint32_t filtered, addresses;
	uint32_t queued, drop_count;
	uint64_t tx_limit_bytes_per_second, rx_limit_bytes_per_second; /* 0: none */
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes; /* as the guest sees it */
	uint64_t segments;
	struct view_count drops[VIEW_DROPS_MAX];
};

struct station_view {
	char network[32];
	char mac[VIEW_MAC_BYTES];
	char port[32]; /* "": the uplink */
	uint64_t age_ns;
};

extern const char *const port_view_states[];
extern const struct view_table nic_table, network_table, port_table, station_table;

#endif

/* What the views of networks hold. docs/counters.md is made of it. */
#include "guests/views/networks.h"

const char *const port_view_states[] = {"up", "down", "stalled", NULL};

#define GAUGE(member, unit, help)   VIEW_FIELD(VIEW, member, VIEW_GAUGE, unit, help)
#define COUNTER(member, unit, help) VIEW_FIELD(VIEW, member, VIEW_COUNTER, unit, help)
#define INFO(member, help)	    VIEW_FIELD(VIEW, member, VIEW_INFO, VIEW_NONE, help)

#define VIEW			    nic_view
static const struct view_field nic_fields[] = {
	VIEW_NAMED(VIEW, name, "nic", "Name of the NIC."),
	INFO(location, "Where it is plugged in."),
	INFO(mac, "Its MAC address."),
	GAUGE(link_up, VIEW_FLAG, "Whether it has a link."),
	GAUGE(gone, VIEW_FLAG, "Whether it was given up."),
	COUNTER(rx_packets, VIEW_NONE, "Packets received."),
	COUNTER(rx_bytes, VIEW_BYTES, "Data received."),
	COUNTER(rx_dropped, VIEW_NONE, "Packets received that found no room."),
	COUNTER(rx_errors, VIEW_NONE, "Packets received damaged."),
	COUNTER(tx_packets, VIEW_NONE, "Packets sent."),
	COUNTER(tx_bytes, VIEW_BYTES, "Data sent."),
	COUNTER(tx_dropped, VIEW_NONE, "Packets to be sent that were lost."),
	COUNTER(tx_errors, VIEW_NONE, "Packets that could not be sent."),
	COUNTER(doorbells, VIEW_NONE, "Times that it was told of packets or buffers."),
	COUNTER(interrupts, VIEW_NONE, "Interrupts that it sent."),
	COUNTER(resets, VIEW_NONE, "Times that it was reset."),
	COUNTER(bytes_copied, VIEW_BYTES, "Data that the CPU had to copy."),
};
const struct view_table nic_table =
	VIEW_TABLE(VIEW, "nics", "nic", nic_fields, "A network card of the machine.");

#undef VIEW
#define VIEW network_view
static const struct view_field network_fields[] = {
	VIEW_NAMED(VIEW, name, "network", "Name of the network."),
	INFO(uplink, "The NIC that it is on; empty: guests among themselves."),
	GAUGE(isolated, VIEW_FLAG, "Whether it has no uplink."),
	VIEW_FIELD(VIEW, lacks, VIEW_NOTE, VIEW_NONE,
		   "Why it has no uplink, where the configuration gives it one."),
	GAUGE(link_up, VIEW_FLAG, "Whether its uplink has a link."),
	GAUGE(vlan, VIEW_NONE, "VLAN on its uplink; 0: untagged."),
	GAUGE(mtu, VIEW_NONE, "Bytes of a frame behind its header, at most."),
	GAUGE(stations, VIEW_NONE, "Addresses that it has learned."),
	COUNTER(rx_packets, VIEW_NONE, "Packets from the uplink."),
	COUNTER(rx_bytes, VIEW_BYTES, "Data from the uplink."),
	COUNTER(tx_packets, VIEW_NONE, "Packets to the uplink."),
	COUNTER(tx_bytes, VIEW_BYTES, "Data to the uplink."),
	COUNTER(segments, VIEW_NONE,
		"Segments that packets from the uplink were cut into for ports that take none "
		"whole."),
	VIEW_SIZE_OF(VIEW, drop_count),
	VIEW_COUNT_BY(VIEW, drops, drop_count, "reason",
		      "Packets from the uplink, or to it, that went no further."),
};
const struct view_table network_table =
	VIEW_TABLE(VIEW, "networks", "network", network_fields, "A network.");

#undef VIEW
#define VIEW port_view
static const struct view_field port_fields[] = {
	VIEW_NAMED(VIEW, network, "network", "Name of the network."),
	VIEW_NAMED(VIEW, name, "port",
		   "Name of the port: the guest's, and the place of the NIC."),
	INFO(mac, "Its MAC address."),
	VIEW_ONE_OF(VIEW, state, port_view_states,
		    "Whether the guest takes packets; `stalled`: it should, but takes none."),
	GAUGE(filtered, VIEW_FLAG, "Whether only its own MAC address may send."),
	GAUGE(addresses, VIEW_NONE, "IP addresses that may send; 0 with a filter: any."),
	GAUGE(tx_limit_bytes_per_second, VIEW_RATE, "What it may send; 0: no limit."),
	GAUGE(rx_limit_bytes_per_second, VIEW_RATE, "What it may receive; 0: no limit."),
	GAUGE(queued, VIEW_NONE, "Packets that wait for the guest."),
	COUNTER(rx_packets, VIEW_NONE, "Packets that the guest received."),
	COUNTER(rx_bytes, VIEW_BYTES, "Data that the guest received."),
	COUNTER(tx_packets, VIEW_NONE, "Packets that the guest sent."),
	COUNTER(tx_bytes, VIEW_BYTES, "Data that the guest sent."),
	COUNTER(segments, VIEW_NONE,
		"Segments that its packets were cut into for ports that take none whole."),
	VIEW_SIZE_OF(VIEW, drop_count),
	VIEW_COUNT_BY(VIEW, drops, drop_count, "reason",
		      "Packets from the guest, or to it, that went no further."),
};
const struct view_table port_table =
	VIEW_TABLE(VIEW, "ports", "port", port_fields, "A guest's place on a network.");

#undef VIEW
#define VIEW station_view
static const struct view_field station_fields[] = {
	VIEW_NAMED(VIEW, network, "network", "Name of the network."),
	VIEW_NAMED(VIEW, mac, "mac", "MAC address of the station."),
	INFO(port, "The port that it is behind; empty: the uplink."),
	GAUGE(age_ns, VIEW_NS, "Time since it was heard last."),
};
const struct view_table station_table = VIEW_TABLE(VIEW, "stations", NULL, station_fields,
						   "An address that a network has learned.");

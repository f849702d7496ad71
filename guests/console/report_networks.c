/* NICs, networks and their ports for people. */
#include "guests/console/report_networks.h"

#include <stdio.h>
#include <string.h>

#include "guests/console/text.h"
#include "guests/views/networks.h"
#include "kernel/lib/plural.h"

typedef unsigned long long ull;

static void say_nic(struct sink *to, const struct nic_view *nic)
{
	sink_print(to, "%s at %s: %s, link %s%s\n", nic->name, nic->location, nic->mac,
		   nic->link_up ? "up" : "down", nic->gone ? ", GONE" : "");
	sink_print(to,
		   "  received %llu (%s), dropped %llu, errors %llu; sent %llu (%s), dropped "
		   "%llu, errors %llu\n",
		   (ull)nic->rx_packets, text_size(nic->rx_bytes).bytes, (ull)nic->rx_dropped,
		   (ull)nic->rx_errors, (ull)nic->tx_packets, text_size(nic->tx_bytes).bytes,
		   (ull)nic->tx_dropped, (ull)nic->tx_errors);
	sink_print(to, "  doorbells %llu, interrupts %llu, resets %llu, copied %s\n",
		   (ull)nic->doorbells, (ull)nic->interrupts, (ull)nic->resets,
		   text_size(nic->bytes_copied).bytes);
}

static void say_drops(struct sink *to, const struct view_count *drops, uint32_t count)
{
	bool any = false;

	for (uint32_t i = 0; i < count; i++) {
		if (!drops[i].count)
			continue;
		sink_print(to, "%s %s %llu", any ? "," : "    dropped:", drops[i].name,
			   (ull)drops[i].count);
		any = true;
	}
	if (any)
		sink_text(to, "\n");
}

static void say_network(struct sink *to, const struct network_view *network)
{
	char vlan[12] = "none";

	if (network->vlan)
		snprintf(vlan, sizeof vlan, "%u", (unsigned)network->vlan);
	if (network->isolated)
		sink_print(to, "%s: isolated", network->name);
	else
		sink_print(to, "%s: on %s, link %s, VLAN %s", network->name, network->uplink,
			   network->link_up ? "up" : "down", vlan);
	sink_print(to, ", MTU %u, %u station%s\n", (unsigned)network->mtu,
		   (unsigned)network->stations, plural(network->stations));
	if (network->lacks[0])
		sink_print(to, "    without its uplink: it %s\n", network->lacks);
	if (!network->isolated)
		sink_print(to,
			   "    from outside %llu (%s), cut into %llu segment%s; to it %llu "
			   "(%s)\n",
			   (ull)network->rx_packets, text_size(network->rx_bytes).bytes,
			   (ull)network->segments, plural(network->segments),
			   (ull)network->tx_packets, text_size(network->tx_bytes).bytes);
	say_drops(to, network->drops, network->drop_count);
}

static void say_limit(struct sink *to, const char *what, uint64_t bytes_per_s)
{
	if (bytes_per_s)
		sink_print(to, ", %s %s/s at most", what, text_size(bytes_per_s).bytes);
}

static void say_port(struct sink *to, const struct port_view *port)
{
	sink_print(to, "  %s: %s, %s", port->name, port->mac, port->state);
	if (port->filtered && port->addresses)
		sink_print(to, ", filter of %u address%s", (unsigned)port->addresses,
			   port->addresses == 1 ? "" : "es");
	else
		sink_text(to, port->filtered ? ", filter" : ", no filter");
	say_limit(to, "sends", port->tx_limit_bytes_per_second);
	say_limit(to, "receives", port->rx_limit_bytes_per_second);
	sink_print(to,
		   "\n    received %llu (%s), sent %llu (%s), waiting %u, cut into %llu "
		   "segment%s\n",
		   (ull)port->rx_packets, text_size(port->rx_bytes).bytes,
		   (ull)port->tx_packets, text_size(port->tx_bytes).bytes,
		   (unsigned)port->queued, (ull)port->segments, plural(port->segments));
	say_drops(to, port->drops, port->drop_count);
}

void report_networks(struct sink *to, const struct view_rows *nics,
		     const struct view_rows *networks, const struct view_rows *ports)
{
	for (uint32_t i = 0; i < nics->count; i++)
		say_nic(to, nics->rows[i]);
	for (uint32_t i = 0; i < networks->count; i++) {
		const struct network_view *network = networks->rows[i];

		say_network(to, network);
		for (uint32_t n = 0; n < ports->count; n++) {
			const struct port_view *port = ports->rows[n];

			if (!strcmp(port->network, network->name))
				say_port(to, port);
		}
	}
}

void report_stations(struct sink *to, const struct view_rows *networks,
		     const struct view_rows *stations)
{
	for (uint32_t i = 0; i < networks->count; i++) {
		const struct network_view *network = networks->rows[i];

		sink_print(to, "%s:\n", network->name);
		for (uint32_t n = 0; n < stations->count; n++) {
			const struct station_view *station = stations->rows[n];

			if (!strcmp(station->network, network->name))
				sink_print(to, "  %s at %s, seen %llu s ago\n", station->mac,
					   station->port[0] ? station->port : "the uplink",
					   (ull)(station->age_ns / NSEC_PER_SEC));
		}
	}
}

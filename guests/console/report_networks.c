/* What the operator is told of networks. */
#include "guests/console/report_networks.h"

#include <stdio.h>

#include "guests/console/operator.h"
#include "guests/console/report.h"
#include "guests/devices.h"
#include "kernel/io/network.h"

typedef unsigned long long ull;

static ull value(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static struct text mac_text(const uint8_t mac[6])
{
	struct text t;

	snprintf(t.bytes, sizeof t.bytes, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
		 mac[2], mac[3], mac[4], mac[5]);
	return t;
}

/* ---- a guest's interface --------------------------------------------------------------- */

void report_nic(const struct device_nic_info *nic, unsigned index)
{
	const struct virtio_net_info *p = &nic->packets;

	operator_say("  nic %u: %s on %s\n", index, mac_text(nic->mac).bytes, nic->network);
	operator_say("    received %llu (%s), sent %llu (%s), not wanted %llu, too large %llu, "
		     "not sendable %llu\n",
		     (ull)p->rx_packets, report_size(p->rx_bytes).bytes, (ull)p->tx_packets,
		     report_size(p->tx_bytes).bytes, (ull)p->rx_unwanted, (ull)p->rx_dropped,
		     (ull)p->tx_errors);
	operator_say("    kicks %llu, interrupts %llu, copied %s\n", (ull)p->kicks,
		     (ull)p->interrupts, report_size(p->bytes_copied).bytes);
}

void report_nic_counters(const char *name, const struct device_nic_info *nic, unsigned index)
{
	const struct virtio_net_info *p = &nic->packets;

	operator_say("counters %s nic=%u rx_packets=%llu rx_bytes=%llu tx_packets=%llu "
		     "tx_bytes=%llu rx_unwanted=%llu rx_dropped=%llu tx_errors=%llu "
		     "bytes_copied=%llu kicks=%llu interrupts=%llu\n",
		     name, index, (ull)p->rx_packets, (ull)p->rx_bytes, (ull)p->tx_packets,
		     (ull)p->tx_bytes, (ull)p->rx_unwanted, (ull)p->rx_dropped,
		     (ull)p->tx_errors, (ull)p->bytes_copied, (ull)p->kicks,
		     (ull)p->interrupts);
}

/* ---- the machine's --------------------------------------------------------------------- */

static void say_machine_nic(struct netdev *nic)
{
	const struct netdev_counters *c = &nic->counters;

	operator_say("%s at %s: %s, link %s%s\n", nic->name, nic->location,
		     mac_text(nic->mac).bytes, nic->link_up ? "up" : "down",
		     nic->gone ? ", GONE" : "");
	operator_say("  received %llu (%s), dropped %llu, errors %llu; sent %llu (%s), dropped "
		     "%llu, errors %llu\n",
		     value(&c->rx_packets), report_size(value(&c->rx_bytes)).bytes,
		     value(&c->rx_dropped), value(&c->rx_errors), value(&c->tx_packets),
		     report_size(value(&c->tx_bytes)).bytes, value(&c->tx_dropped),
		     value(&c->tx_errors));
	operator_say("  doorbells %llu, interrupts %llu, resets %llu, copied %s\n",
		     value(&c->doorbells), value(&c->interrupts), value(&c->resets),
		     report_size(value(&c->bytes_copied)).bytes);
}

static void say_drops(const uint64_t drops[NETWORK_DROPS])
{
	bool any = false;

	for (unsigned i = 0; i < NETWORK_DROPS; i++) {
		if (!drops[i])
			continue;
		operator_say("%s %s %llu", any ? "," : "    dropped:", network_drop_name(i),
			     (ull)drops[i]);
		any = true;
	}
	if (any)
		operator_say("\n");
}

static void say_network(void *arg, const struct network_info *info)
{
	(void)arg;
	if (info->uplink)
		operator_say("%s: on %s, link %s, VLAN %u, MTU %u, %u stations\n", info->name,
			     info->uplink, info->link_up ? "up" : "down", info->vlan, info->mtu,
			     info->stations);
	else
		operator_say("%s: isolated, MTU %u, %u stations\n", info->name, info->mtu,
			     info->stations);
	if (info->uplink)
		operator_say(
			"    from outside %llu (%s), cut into %llu segments; to it %llu (%s)\n",
			(ull)info->rx_packets, report_size(info->rx_bytes).bytes,
			(ull)info->segments, (ull)info->tx_packets,
			report_size(info->tx_bytes).bytes);
	say_drops(info->drops);
}

static void say_limit(const char *what, uint64_t bytes_per_s)
{
	if (bytes_per_s)
		operator_say(", %s %s/s at most", what, report_size(bytes_per_s).bytes);
}

static void say_port(void *arg, const struct network_port_info *info)
{
	(void)arg;
	operator_say("  %s: %s, %s", info->name, mac_text(info->mac).bytes,
		     info->stalled     ? "stalled"
		     : info->listening ? "up"
				       : "down");
	if (info->filtered && info->address_count)
		operator_say(", filter of %u addresses", info->address_count);
	else
		operator_say(info->filtered ? ", filter" : ", no filter");
	say_limit("sends", info->tx_bytes_per_s);
	say_limit("receives", info->rx_bytes_per_s);
	operator_say("\n    received %llu (%s), sent %llu (%s), waiting %u, cut into %llu "
		     "segments\n",
		     (ull)info->rx_packets, report_size(info->rx_bytes).bytes,
		     (ull)info->tx_packets, report_size(info->tx_bytes).bytes, info->queued,
		     (ull)info->segments);
	say_drops(info->drops);
}

void report_networks(void)
{
	static const struct network_visitor visitor = {.network = say_network,
						       .port = say_port};
	struct netdev *nic;

	for (unsigned i = 0; (nic = netdev_at(i)); i++)
		say_machine_nic(nic);
	network_visit(&visitor);
}

static void say_station(void *arg, const struct network_station_info *info)
{
	(void)arg;
	operator_say("  %s at %s, seen %llu s ago\n", mac_text(info->mac).bytes,
		     info->port[0] ? info->port : "the uplink",
		     (ull)(info->age_ns / NSEC_PER_SEC));
}

static void name_network(void *arg, const struct network_info *info)
{
	(void)arg;
	operator_say("%s:\n", info->name);
}

void report_stations(void)
{
	static const struct network_visitor visitor = {.network = name_network,
						       .station = say_station};

	network_visit(&visitor);
}

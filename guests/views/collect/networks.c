/* NICs, networks and what is on them as views. */
#include <stdatomic.h>
#include <stdio.h>

#include "guests/views/collect/collect.h"
#include "guests/views/networks.h"
#include "kernel/io/network.h"

#define SET_TEXT(to, from) snprintf(to, sizeof(to), "%s", from)

static uint64_t value(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add_nic(struct view_rows *rows, struct netdev *nic)
{
	const struct netdev_counters *c = &nic->counters;
	struct nic_view view = {
		.link_up = atomic_load(&nic->link_up),
		.gone = atomic_load(&nic->gone),
		.rx_packets = value(&c->rx_packets),
		.rx_bytes = value(&c->rx_bytes),
		.rx_dropped = value(&c->rx_dropped),
		.rx_errors = value(&c->rx_errors),
		.tx_packets = value(&c->tx_packets),
		.tx_bytes = value(&c->tx_bytes),
		.tx_dropped = value(&c->tx_dropped),
		.tx_errors = value(&c->tx_errors),
		.doorbells = value(&c->doorbells),
		.interrupts = value(&c->interrupts),
		.resets = value(&c->resets),
		.bytes_copied = value(&c->bytes_copied),
	};

	SET_TEXT(view.name, nic->name);
	SET_TEXT(view.location, nic->location);
	view_set_mac(view.mac, nic->mac);
	view_rows_add(rows, &view);
}

void collect_nics(struct view_rows *rows)
{
	struct netdev *nic;

	for (unsigned i = 0; (nic = netdev_at(i)); i++)
		add_nic(rows, nic);
}

/* Returns how many there are. */
static uint32_t set_drops(struct view_count to[VIEW_DROPS_MAX],
			  const uint64_t drops[NETWORK_DROPS])
{
	_Static_assert(NETWORK_DROPS <= VIEW_DROPS_MAX, "there is a place for each");
	for (unsigned i = 0; i < NETWORK_DROPS; i++)
		view_set_count(&to[i], network_drop_name(i), drops[i]);
	return NETWORK_DROPS;
}

static void add_network(void *arg, const struct network_info *info)
{
	struct network_view view = {
		.vlan = info->vlan,
		.mtu = info->mtu,
		.link_up = info->link_up,
		.stations = info->stations,
		.isolated = !info->uplink,
		.rx_packets = info->rx_packets,
		.rx_bytes = info->rx_bytes,
		.tx_packets = info->tx_packets,
		.tx_bytes = info->tx_bytes,
		.segments = info->segments,
	};

	SET_TEXT(view.name, info->name);
	SET_TEXT(view.uplink, info->uplink ? info->uplink : "");
	SET_TEXT(view.lacks, info->lacks ? info->lacks : "");
	view.drop_count = set_drops(view.drops, info->drops);
	view_rows_add(arg, &view);
}

void collect_networks(struct view_rows *rows)
{
	const struct network_visitor visitor = {.network = add_network, .arg = rows};

	network_visit(&visitor);
}

/* A port or station is told after its network. */
struct place {
	struct view_rows *rows;
	char network[NETWORK_NAME_MAX];
};

static void enter_network(void *arg, const struct network_info *info)
{
	struct place *place = arg;

	SET_TEXT(place->network, info->name);
}

static void add_port(void *arg, const struct network_port_info *info)
{
	const struct place *place = arg;
	struct port_view view = {
		.filtered = info->filtered,
		.addresses = info->address_count,
		.queued = info->queued,
		.tx_limit_bytes_per_second = info->tx_bytes_per_s,
		.rx_limit_bytes_per_second = info->rx_bytes_per_s,
		.rx_packets = info->rx_packets,
		.rx_bytes = info->rx_bytes,
		.tx_packets = info->tx_packets,
		.tx_bytes = info->tx_bytes,
		.segments = info->segments,
	};

	SET_TEXT(view.network, place->network);
	SET_TEXT(view.name, info->name);
	SET_TEXT(view.state, port_view_states[info->stalled ? 2 : !info->listening]);
	view_set_mac(view.mac, info->mac);
	view.drop_count = set_drops(view.drops, info->drops);
	view_rows_add(place->rows, &view);
}

void collect_ports(struct view_rows *rows)
{
	struct place place = {.rows = rows};
	const struct network_visitor visitor = {
		.network = enter_network, .port = add_port, .arg = &place};

	network_visit(&visitor);
}

static void add_station(void *arg, const struct network_station_info *info)
{
	const struct place *place = arg;
	struct station_view view = {.age_ns = info->age_ns};

	SET_TEXT(view.network, place->network);
	SET_TEXT(view.port, info->port);
	view_set_mac(view.mac, info->mac);
	view_rows_add(place->rows, &view);
}

void collect_stations(struct view_rows *rows)
{
	struct place place = {.rows = rows};
	const struct network_visitor visitor = {
		.network = enter_network, .station = add_station, .arg = &place};

	network_visit(&visitor);
}

/* Networks: which there are, which ports they have, and what is told of them. */
#include "net/switch/switch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/cpu/clock.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/sync.h"
#include "kernel/sched/thread.h"
#include "net/switch/internal.h"

#define MTU_ISOLATED	   1500
#define UPLINK_FLOOD_PER_S 20000
#define UPLINK_FLOOD_BURST 5000
#define RATE_MIN	   (64 * KIB) /* bytes per second: one packet of 64 KiB may be sent */

#define USERS_POLL_NS	   (100 * NSEC_PER_USEC)

static struct mutex lock;		       /* one change at a time; guards what follows */
static struct network *networks[NETWORKS_MAX]; /* in the order they were made */
static unsigned network_count;
static uint64_t last_number;

static struct network *find(const char *name)
{
	for (unsigned i = 0; i < network_count; i++)
		if (!strcmp(networks[i]->config.name, name))
			return networks[i];
	return NULL;
}

/* ---- networks -------------------------------------------------------------------------- */

static int find_uplink(const struct network_config *config, struct uplink **uplink,
		       char why[NETWORK_WHY_BYTES])
{
	int err = uplink_find(config->uplink, uplink, why);

	if (err || !uplink_has_vlan(*uplink, config->vlan))
		return err;
	snprintf(why, NETWORK_WHY_BYTES, "can't have VLAN %u of %s, which is another network's",
		 config->vlan, (*uplink)->nic->name);
	return -EBUSY;
}

/* A NIC that this machine lacks is no reason for guests not to start. 0 or -ENOMEM. */
static int plug_uplink(struct network *network, char why[NETWORK_WHY_BYTES])
{
	struct uplink *uplink;
	int err;

	network->mtu = MTU_ISOLATED;
	if (!network->config.uplink[0])
		return 0;
	err = find_uplink(&network->config, &uplink, why);
	if (err == -ENOMEM)
		return err;
	if (err) {
		snprintf(network->lacks, sizeof network->lacks, "%s", why);
		return 0;
	}
	network->uplink = uplink;
	network->mtu = uplink->nic->mtu;
	return 0;
}

static int create_locked(const struct network_config *config, char why[NETWORK_WHY_BYTES])
{
	struct network *network;
	int err;

	if (find(config->name)) {
		snprintf(why, NETWORK_WHY_BYTES, "is there already");
		return -EEXIST;
	}
	network = network_count < NETWORKS_MAX ? heap_zalloc(sizeof(*network), NULL) : NULL;
	if (!network) {
		snprintf(why, NETWORK_WHY_BYTES, "finds no room in memory");
		return -ENOMEM;
	}
	network->config = *config;
	spin_lock_init(&network->lock, "network");
	err = plug_uplink(network, why);
	if (err) {
		heap_free(network);
		return err;
	}
	table_init(&network->table, clock_now_ns());
	bucket_init(&network->flood, UPLINK_FLOOD_PER_S, UPLINK_FLOOD_BURST);
	network->number = ++last_number;
	networks[network_count++] = network;
	if (network->uplink)
		uplink_add(network->uplink, network);
	return 0;
}

static int create(const struct network_config *config, char why[NETWORK_WHY_BYTES])
{
	int err;

	mutex_lock(&lock);
	err = create_locked(config, why);
	mutex_unlock(&lock);
	return err;
}

/* ---- their end ------------------------------------------------------------------------- */

/* Who is plugged in, or NULL. Only attach() and network_leave() change that, in our lock. */
static const struct port *any_port(const struct network *network)
{
	for (unsigned owner = OWNER_UPLINK + 1; owner <= NETWORK_PORTS_MAX; owner++)
		if (network->ports[owner])
			return network->ports[owner];
	return NULL;
}

/* Takes it out of the list; nobody who has no use of it yet finds it. */
static int unlist(const char *name, struct network **found, char why[NETWORK_WHY_BYTES])
{
	struct network *network = find(name);
	const struct port *port = network ? any_port(network) : NULL;
	unsigned i = 0;

	if (!network) {
		snprintf(why, NETWORK_WHY_BYTES, "is not there");
		return -ENOENT;
	}
	if (port) {
		snprintf(why, NETWORK_WHY_BYTES, "is in use: %s is plugged into it",
			 port->dev.name);
		return -EBUSY;
	}
	while (networks[i] != network)
		i++;
	memmove(&networks[i], &networks[i + 1], (--network_count - i) * sizeof(networks[0]));
	if (network->uplink)
		uplink_remove(network->uplink, network);
	*found = network;
	return 0;
}

static int remove_network(const char *name, char why[NETWORK_WHY_BYTES])
{
	struct network *network;
	int err;

	mutex_lock(&lock);
	err = unlist(name, &network, why);
	mutex_unlock(&lock);
	if (err)
		return err;
	while (atomic_load_explicit(&network->users, memory_order_acquire))
		thread_sleep_ns(USERS_POLL_NS);
	heap_free(network);
	return 0;
}

/* ---- ports ----------------------------------------------------------------------------- */

static int check_port(struct network *network, const struct network_port_config *config,
		      char why[NETWORK_WHY_BYTES])
{
	if (mac_is_multicast(config->mac)) {
		snprintf(why, NETWORK_WHY_BYTES, "has a multicast address as its MAC address");
		return -EINVAL;
	}
	if ((config->tx_bytes_per_s && config->tx_bytes_per_s < RATE_MIN) ||
	    (config->rx_bytes_per_s && config->rx_bytes_per_s < RATE_MIN)) {
		snprintf(why, NETWORK_WHY_BYTES, "has a limit below %llu bytes per second",
			 (unsigned long long)RATE_MIN);
		return -EINVAL;
	}
	if (table_fixed(&network->table, config->mac) != TABLE_NOWHERE) {
		snprintf(why, NETWORK_WHY_BYTES, "has the MAC address of another one in '%s'",
			 network->config.name);
		return -EEXIST;
	}
	return 0;
}

static uint16_t free_place(const struct network *network)
{
	for (uint16_t i = OWNER_UPLINK + 1; i <= NETWORK_PORTS_MAX; i++)
		if (!network->ports[i])
			return i;
	return TABLE_NOWHERE;
}

static void enter(struct network *network, struct port *port, uint16_t owner)
{
	uint64_t flags = spin_lock_irqsave(&network->lock);

	port->owner = owner;
	network->ports[owner] = port;
	network->open_ports += !port->filter.on;
	table_fix(&network->table, port->filter.mac, owner);
	spin_unlock_irqrestore(&network->lock, flags);
}

void network_leave(struct port *port)
{
	struct network *network = port->network;
	uint64_t flags;

	mutex_lock(&lock);
	flags = spin_lock_irqsave(&network->lock);
	network->ports[port->owner] = NULL;
	network->open_ports -= !port->filter.on;
	table_forget(&network->table, port->owner);
	spin_unlock_irqrestore(&network->lock, flags);
	mutex_unlock(&lock);
}

static int attach_locked(const struct network_port_config *config, struct netdev **dev,
			 char why[NETWORK_WHY_BYTES])
{
	struct network *network = find(config->network);
	struct port *port;
	uint16_t owner;
	int err;

	if (!network) {
		snprintf(why, NETWORK_WHY_BYTES, "is plugged into '%s', which is no network",
			 config->network);
		return -ENOENT;
	}
	err = check_port(network, config, why);
	if (err)
		return err;
	owner = free_place(network);
	port = owner != TABLE_NOWHERE ? port_create(config, network) : NULL;
	if (!port) {
		snprintf(why, NETWORK_WHY_BYTES, "finds no free port, or no memory");
		return -ENOMEM;
	}
	enter(network_get(network), port, owner);
	*dev = &port->dev;
	return 0;
}

static int attach(const struct network_port_config *config, struct netdev **dev,
		  char why[NETWORK_WHY_BYTES])
{
	int err;

	mutex_lock(&lock);
	err = attach_locked(config, dev, why);
	mutex_unlock(&lock);
	return err;
}

/* ---- reports --------------------------------------------------------------------------- */

static void copy_drops(uint64_t to[NETWORK_DROPS], const struct drops *drops)
{
	for (unsigned i = 0; i < NETWORK_DROPS; i++)
		to[i] = drops->counts[i];
}

static unsigned count_stations(struct network *network)
{
	uint64_t flags = spin_lock_irqsave(&network->lock);
	unsigned count = 0;

	for (unsigned owner = 0; owner < TABLE_OWNERS; owner++)
		count += network->table.counts[owner];
	spin_unlock_irqrestore(&network->lock, flags);
	return count;
}

static void visit_network(struct network *network, const struct network_visitor *visitor)
{
	struct netdev *nic = network->uplink ? network->uplink->nic : NULL;
	struct network_info info = {
		.name = network->config.name,
		.uplink = nic ? nic->name : NULL,
		.lacks = network->lacks,
		.vlan = network->config.vlan,
		.mtu = network->mtu,
		.link_up = nic && nic->link_up,
		.rx_packets = network->rx_packets,
		.rx_bytes = network->rx_bytes,
		.tx_packets = network->tx_packets,
		.tx_bytes = network->tx_bytes,
		.segments = network->segments,
	};

	info.stations = count_stations(network);
	copy_drops(info.drops, &network->drops);
	visitor->network(visitor->arg, &info);
}

static struct network_port_info describe_port(struct port *port)
{
	const struct netdev_counters *counters = &port->dev.counters;
	uint64_t flags = spin_lock_irqsave(&port->lock);
	struct network_port_info info = {
		.filtered = port->filter.on,
		.listening = port->listening,
		.stalled = port->stalled,
		.address_count = port->filter.address_count,
		.tx_bytes_per_s = port->tx.per_second,
		.rx_bytes_per_s = port->rx.per_second,
		.queued = port->queued,
		.rx_packets = counters->rx_packets,
		.rx_bytes = counters->rx_bytes,
		.tx_packets = counters->tx_packets,
		.tx_bytes = counters->tx_bytes,
		.segments = port->segments,
	};

	spin_unlock_irqrestore(&port->lock, flags);
	memcpy(info.name, port->dev.name, sizeof info.name);
	memcpy(info.mac, port->filter.mac, sizeof info.mac);
	copy_drops(info.drops, &port->drops);
	return info;
}

/* No port goes while it has a user; it has none of us any more when the visitor is told, who
 * may wait for a terminal. */
static void visit_ports(struct network *network, const struct network_visitor *visitor)
{
	for (unsigned owner = OWNER_UPLINK + 1; owner <= NETWORK_PORTS_MAX; owner++) {
		uint64_t flags = spin_lock_irqsave(&network->lock);
		struct port *port = network->ports[owner];
		struct network_port_info info;

		if (port)
			port_get(port);
		spin_unlock_irqrestore(&network->lock, flags);
		if (!port)
			continue;
		info = describe_port(port);
		port_put(port);
		visitor->port(visitor->arg, &info);
	}
}

/* The same. The table may change between two entries: each is of its own moment. */
static void visit_stations(struct network *network, const struct network_visitor *visitor)
{
	uint64_t now_ns = clock_now_ns();

	for (unsigned i = 0; i < TABLE_SETS * TABLE_WAYS; i++) {
		uint64_t flags = spin_lock_irqsave(&network->lock);
		struct table_entry entry = network->table.sets[i / TABLE_WAYS][i % TABLE_WAYS];
		const struct port *port =
			entry.owner == TABLE_NOWHERE ? NULL : network->ports[entry.owner];
		struct network_station_info info = {.age_ns = now_ns - entry.seen_ns};

		if (port)
			memcpy(info.port, port->dev.name, sizeof info.port);
		spin_unlock_irqrestore(&network->lock, flags);
		if (entry.owner == TABLE_NOWHERE || info.age_ns > TABLE_AGE_NS)
			continue;
		memcpy(info.mac, entry.mac, sizeof info.mac);
		visitor->station(visitor->arg, &info);
	}
}

/* The first network made after that one, to be put; NULL behind the last. */
static struct network *network_after(uint64_t number)
{
	struct network *found = NULL;

	mutex_lock(&lock);
	for (unsigned i = 0; i < network_count && !found; i++)
		if (networks[i]->number > number)
			found = network_get(networks[i]);
	mutex_unlock(&lock);
	return found;
}

static void visit(const struct network_visitor *visitor)
{
	struct network *network;
	uint64_t number = 0;

	while ((network = network_after(number))) {
		number = network->number;
		if (visitor->network)
			visit_network(network, visitor);
		if (visitor->port)
			visit_ports(network, visitor);
		if (visitor->station)
			visit_stations(network, visitor);
		network_put(network);
	}
}

void switch_init(void)
{
	static const struct network_provider provider = {
		.create = create, .remove = remove_network, .attach = attach, .visit = visit};

	mutex_init(&lock, "networks");
	network_init(&provider);
}

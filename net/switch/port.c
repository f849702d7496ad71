/*
 * A port: what a guest's interface is plugged into. Sending, limits, and its life; what comes
 * to the guest is in queue.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/cpu/clock.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/thread.h"
#include "net/switch/internal.h"

#define COPIES	      64
#define COPY_PAGES    96
#define FLOOD_PER_S   2000 /* frames for all: ARP, announcements, a little video */
#define FLOOD_BURST   1000
#define USERS_POLL_NS NSEC_PER_MSEC

static int transmit(struct netdev *dev, struct packet *packet)
{
	struct port *port = container_of(dev, struct port, dev);
	uint32_t bytes = packet->bytes;
	uint64_t now_ns = clock_now_ns(), ready_ns = bucket_ready_ns(&port->tx, bytes, now_ns);
	int err;

	if (port_turn_over(port))
		return -EAGAIN;
	if (ready_ns) {
		atomic_fetch_add_explicit(&dev->counters.throttled, 1, memory_order_relaxed);
		timer_arm(&port->tx_timer, ready_ns);
		return -EAGAIN;
	}
	err = forward(port->network, port, packet);
	if (err)
		return err;
	bucket_take(&port->tx, bytes, now_ns);
	atomic_fetch_add_explicit(&dev->counters.tx_packets, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&dev->counters.tx_bytes, bytes, memory_order_relaxed);
	return 0;
}

static void commit(struct netdev *dev)
{
	struct port *port = container_of(dev, struct port, dev);

	bool more = port->turn_over;

	if (port->uncommitted)
		uplink_commit(port->network->uplink);
	port->uncommitted = port->turn_over = false;
	port->turn = 0;
	if (more)
		netdev_ready(dev);
}

static void tx_tokens(struct timer *timer)
{
	netdev_ready(&container_of(timer, struct port, tx_timer)->dev);
}

static void copies_freed(void *arg)
{
	netdev_ready(&((struct port *)arg)->dev);
}

static void close(struct netdev *dev)
{
	struct port *port = container_of(dev, struct port, dev);

	struct network *network = port->network;

	network_leave(port);
	port_destroy(port);
	network_put(network);
}

static const struct netdev_ops ops = {
	.transmit = transmit,
	.commit = commit,
	.listen = queue_listen,
	.poll = queue_poll,
	.unpoll = queue_unpoll,
	.close = close,
};

static void init_dev(struct port *port, const struct network_port_config *config)
{
	struct netdev *dev = &port->dev;

	dev->ops = &ops;
	memcpy(dev->name, config->name, sizeof dev->name);
	memcpy(dev->mac, config->mac, sizeof dev->mac);
	dev->mtu = port->network->mtu;
	dev->features = NETDEV_TX_CSUM | NETDEV_TX_TSO4 | NETDEV_TX_TSO6 | NETDEV_RX_CSUM |
			NETDEV_RX_GSO;
	dev->link_up = true;
}

static void init_filter(struct filter *filter, const struct network_port_config *config)
{
	memcpy(filter->mac, config->mac, sizeof filter->mac);
	filter->on = config->filter_mac || config->address_count;
	filter->address_count = MIN(config->address_count, (uint32_t)NETWORK_ADDRESSES_MAX);
	memcpy(filter->addresses, config->addresses, sizeof filter->addresses);
}

struct port *port_create(const struct network_port_config *config, struct network *network)
{
	struct port *port = heap_zalloc(sizeof(*port), config->account);

	if (!port)
		return NULL;
	port->copies = packet_pool_create(COPIES, COPY_PAGES, config->account);
	if (!port->copies) {
		heap_free(port);
		return NULL;
	}
	packet_pool_on_free(port->copies, copies_freed, port);
	spin_lock_init(&port->lock, "port");
	port->network = network;
	init_dev(port, config);
	init_filter(&port->filter, config);
	bucket_init(&port->tx, config->tx_bytes_per_s, config->burst_bytes);
	bucket_init(&port->flood, FLOOD_PER_S, FLOOD_BURST);
	timer_init(&port->tx_timer, tx_tokens);
	queue_init(port, config);
	return port;
}

void port_destroy(struct port *port)
{
	waiters_leave(port);
	while (atomic_load_explicit(&port->users, memory_order_acquire))
		thread_sleep_ns(USERS_POLL_NS);
	timer_cancel(&port->tx_timer);
	queue_fini(port);
	packet_pool_destroy(port->copies);
	heap_free(port);
}

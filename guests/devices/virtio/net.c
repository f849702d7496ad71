/* A guest's network interface: the device itself. Its thread is woken by the driver's kicks and
 * by the port, and serves both directions in turn. */
#include "guests/devices/virtio/net.h"

#include <errno.h>
#include <string.h>

#include "guests/devices/virtio/net_internal.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/board.h"

#define QUEUE_SIZE   256
#define POOL_PACKETS 256
#define POOL_PAGES   544 /* 32 of the largest, or 256 small ones and 16 large */

#define OFFLOADS                                                       \
	(BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) |       \
	 BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) | \
	 BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6))
#define FEATURES                                                                          \
	(OFFLOADS | BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | BIT(VIRTIO_NET_F_MTU) |       \
	 BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_STATUS) | \
	 BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_CTRL_RX) |                          \
	 BIT(VIRTIO_NET_F_CTRL_RX_EXTRA) | BIT(VIRTIO_NET_F_CTRL_MAC_ADDR))

static struct virtio_net *of(struct virtio *virtio)
{
	return container_of(virtio, struct virtio_net, virtio);
}

/* ---- the port's calls, in any context --------------------------------------------------- */

static void wake(void *arg)
{
	struct virtio_net *net = arg;
	uint64_t flags = spin_lock_irqsave(&net->wake_lock);

	if (!net->closing)
		virtio_wake(&net->virtio);
	spin_unlock_irqrestore(&net->wake_lock, flags);
}

static void link_changed(void *arg)
{
	struct virtio_net *net = arg;
	uint16_t status = net->port->link_up ? VIRTIO_NET_STATUS_LINK_UP : 0;
	uint64_t flags = spin_lock_irqsave(&net->wake_lock);

	if (!net->closing)
		virtio_config_set(&net->virtio, offsetof(struct virtio_net_config, status),
				  &status, sizeof status);
	spin_unlock_irqrestore(&net->wake_lock, flags);
}

/* ---- the device's thread ----------------------------------------------------------------- */

/* TSO without checksums makes no sense (5.1.3.1): such a driver gets neither. */
void net_listen(struct virtio_net *net)
{
	uint32_t accepts = 0;

	if (net->offloads & BIT(VIRTIO_NET_F_GUEST_CSUM)) {
		accepts |= NETDEV_TX_CSUM;
		if (net->offloads & BIT(VIRTIO_NET_F_GUEST_TSO4))
			accepts |= NETDEV_TX_TSO4;
		if (net->offloads & BIT(VIRTIO_NET_F_GUEST_TSO6))
			accepts |= NETDEV_TX_TSO6;
	}
	net->port->ops->listen(net->port, true, accepts);
}

static void start(struct virtio *virtio)
{
	struct virtio_net *net = of(virtio);

	net_reset_mode(net);
	memcpy(net->current_mac, net->mac, sizeof net->mac);
	net->offloads = virtio->features & OFFLOADS;
	net->next_tx = 0;
	net->tx_waiting = net->rx_asked = 0;
	for (unsigned pair = 0; pair < net->max_pairs; pair++)
		virtq_notify_off(&virtio->queues[net_rx_queue(pair)].q);
	net_listen(net);
}

static void stop(struct virtio *virtio)
{
	struct virtio_net *net = of(virtio);

	net->port->ops->listen(net->port, false, 0);
	if (net->pending)
		packet_put(net->pending);
	net->pending = NULL;
}

/* No frame is kept of any queue's but what was copied. */
static void queue_stop(struct virtio *virtio, unsigned queue)
{
	(void)virtio, (void)queue;
}

static void interrupt(struct virtio_net *net)
{
	for (unsigned i = 0; i < net->virtio.queue_count; i++)
		if (net->virtio.queues[i].q.unsignalled)
			virtio_interrupt(&net->virtio, i);
}

static void note_kicks(struct virtio_net *net, uint64_t kicked)
{
	for (unsigned pair = 0; pair < net->max_pairs; pair++) {
		if (!(kicked & BIT(net_tx_queue(pair))) || net->tx_waiting & BIT(pair))
			continue;
		net->tx_waiting |= BIT(pair);
		virtq_notify_off(&net->virtio.queues[net_tx_queue(pair)].q);
	}
}

static void service(struct virtio *virtio, uint64_t kicked)
{
	struct virtio_net *net = of(virtio);
	const char *why = NULL;
	int control, sent, received;

	note_kicks(net, kicked);
	control = net_control(net, &why);
	received = control < 0 ? 0 : net_receive(net, &why);
	sent = control < 0 || received < 0 ? 0 : net_transmit(net, &why);
	if (net->port->ops->commit)
		net->port->ops->commit(net->port);
	interrupt(net);
	if (control < 0 || received < 0 || sent < 0)
		virtio_broken(virtio, why);
	else if (control || received || sent)
		virtio_wake(virtio);
}

static const struct virtio_type net_type = {
	.name = "virtio-net",
	.id = VIRTIO_ID_NET,
	.class_code = 0x020000, /* Ethernet controller */
	.features = FEATURES | BIT(VIRTIO_NET_F_MQ),
	.queue_size = QUEUE_SIZE,
	.config_bytes = sizeof(struct virtio_net_config),
	.start = start,
	.service = service,
	.stop = stop,
	.queue_stop = queue_stop,
};

/* ---- life -------------------------------------------------------------------------------- */

static void plug_in(struct virtio_net *net)
{
	const struct netdev_consumer consumer = {
		.arrived = wake, .ready = wake, .link_changed = link_changed, .arg = net};

	packet_pool_on_free(net->pool, wake, net);
	netdev_consume(net->port, &consumer);
}

struct virtio_net *virtio_net_create(const struct board *board, struct pci_root *root,
				     const struct virtio_net_params *params)
{
	struct virtio_net *net = heap_zalloc(sizeof *net, board->account);

	if (!net)
		return NULL;
	net->port = params->port;
	spin_lock_init(&net->wake_lock, "virtio net wake");
	net->max_pairs = params->pairs;
	net->own_mac_only = params->own_mac_only;
	memcpy(net->mac, params->port->mac, sizeof net->mac);
	memcpy(net->config.mac, net->mac, sizeof net->mac);
	net->config.status = VIRTIO_NET_STATUS_LINK_UP;
	net->config.max_virtqueue_pairs = (uint16_t)net->max_pairs;
	net->config.mtu = params->port->mtu;
	net->virtio.queue_count = 2 * net->max_pairs + 1;
	net->virtio.config = &net->config;
	net_reset_mode(net);
	net->pool = packet_pool_create(POOL_PACKETS, POOL_PAGES, board->account);
	if (!net->pool)
		goto no_pool;
	if (virtio_create(&net->virtio, &net_type, board, root,
			  FEATURES | (net->max_pairs > 1 ? BIT(VIRTIO_NET_F_MQ) : 0)))
		goto no_device;
	plug_in(net);
	return net;
no_device:
	packet_pool_destroy(net->pool);
no_pool:
	heap_free(net);
	return NULL;
}

/* The port may call until it is closed, and the thread must be over before. */
void virtio_net_destroy(struct virtio_net *net)
{
	uint64_t flags;

	if (!net)
		return;
	flags = spin_lock_irqsave(&net->wake_lock);
	net->closing = true;
	spin_unlock_irqrestore(&net->wake_lock, flags);
	virtio_destroy(&net->virtio);
	net->port->ops->close(net->port);
	packet_pool_destroy(net->pool);
	heap_free(net);
}

void virtio_net_get_info(const struct virtio_net *net, struct virtio_net_info *info)
{
	const struct netdev_counters *counters = &net->port->counters;

	*info = (struct virtio_net_info){
		.rx_packets = atomic_load(&counters->rx_packets),
		.rx_bytes = atomic_load(&counters->rx_bytes),
		.tx_packets = atomic_load(&counters->tx_packets),
		.tx_bytes = atomic_load(&counters->tx_bytes),
		.rx_unwanted = atomic_load(&net->rx_unwanted),
		.rx_dropped = atomic_load(&net->rx_dropped),
		.tx_errors = atomic_load(&net->tx_errors),
		.bytes_copied = atomic_load(&counters->bytes_copied),
		.throttled = atomic_load(&counters->throttled),
	};
	for (unsigned i = 0; i < net->virtio.queue_count; i++) {
		info->kicks += atomic_load(&net->virtio.queues[i].kicks);
		info->interrupts += atomic_load(&net->virtio.queues[i].interrupts);
	}
}

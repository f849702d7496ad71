/* The machine's virtio network devices (virtio 1.2, 5.1): one queue each way, and the one for
 * commands. Receiving is virtio_net_rx.c. */
#include "drivers/net/virtio_net.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "drivers/net/virtio_net_internal.h"
#include "kernel/log/log.h"
#include "kernel/mem/frames.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/thread.h"

#define GUEST_TSO (BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6))
#define WANTED                                                                              \
	(BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_MTU) |    \
	 BIT(VIRTIO_NET_F_MAC) | GUEST_TSO | BIT(VIRTIO_NET_F_HOST_TSO4) |                  \
	 BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_MRG_RXBUF) |                        \
	 BIT(VIRTIO_NET_F_STATUS) | BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_CTRL_RX) | \
	 BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VIRTIO_F_EVENT_IDX))

enum { QUEUE_RX, QUEUE_TX, QUEUE_CONTROL }; /* 5.1.2, with one pair */
enum { VECTOR_QUEUES, VECTOR_CONFIG, VECTORS };

#define TX_ENTRIES	(1 + PACKET_PAGES_MAX)
#define RX_POOL_PACKETS (VNET_RING + 512)
#define RX_POOL_PAGES	(VNET_RING + 1024)
#define CONTROL_RING	8
#define MTU_DEFAULT	1500
#define MTU_MAX		(PAGE_BYTES - NET_HEADER_BYTES - 4)

_Static_assert(VNET_RING * sizeof(struct virtio_net_hdr) < PAGE_BYTES, "commands lie behind");

static struct vnet *of(struct nic *nic)
{
	return container_of(nic, struct vnet, nic);
}

void virtio_net_publish(struct vnet *n, struct vdev_queue *q)
{
	if (vring_publish(&q->ring)) {
		vdev_notify(q);
		nic_count(&n->nic.dev.counters.doorbells, 1);
	}
}

/* ---- sending --------------------------------------------------------------------------- */

static int send(struct nic *nic, struct packet *packet)
{
	struct vnet *n = of(nic);
	struct vring_buffer buffers[TX_ENTRIES];
	unsigned id = vring_next_id(&n->tx.ring), count = 1;
	int err;

	if ((packet->needs_csum || packet->gso) && !vdev_has(&n->v, VIRTIO_NET_F_CSUM))
		return -EOPNOTSUPP;
	if ((packet->gso == PACKET_GSO_TCP4 && !vdev_has(&n->v, VIRTIO_NET_F_HOST_TSO4)) ||
	    (packet->gso == PACKET_GSO_TCP6 && !vdev_has(&n->v, VIRTIO_NET_F_HOST_TSO6)) ||
	    packet->gso > PACKET_GSO_TCP6)
		return -EOPNOTSUPP;
	for (uint32_t at = 0; at < packet->bytes; at += (uint32_t)PAGE_BYTES)
		buffers[count++] =
			(struct vring_buffer){packet->pages[at / PAGE_BYTES],
					      MIN(packet->bytes - at, (uint32_t)PAGE_BYTES)};
	buffers[0] =
		(struct vring_buffer){directmap_phys(&n->tx_headers[id]), VNET_HEADER_BYTES};
	err = vring_add(&n->tx.ring, buffers, count, 0, packet);
	if (err)
		return err == -E2BIG ? -EMSGSIZE : err;
	virtio_net_hdr_from(&n->tx_headers[id], packet);
	nic->pending++;
	return 0;
}

static void kick(struct nic *nic)
{
	virtio_net_publish(of(nic), &of(nic)->tx);
}

static void reclaim(struct nic *nic, bool all)
{
	struct vring *ring = &of(nic)->tx.ring;
	struct packet *packet;
	uint32_t bytes;

	while ((packet = all ? vring_abandon(ring) : vring_take(ring, &bytes))) {
		packet_put(packet);
		nic->pending--;
	}
}

/* ---- commands -------------------------------------------------------------------------- */

static void command(struct vnet *n, unsigned code, bool on)
{
	struct vnet_command *c = &n->commands[code];
	const struct vring_buffer buffers[] = {{directmap_phys(&c->head), sizeof(c->head)},
					       {directmap_phys(&c->on), 1},
					       {directmap_phys(&c->ack), 1}};

	*c = (struct vnet_command){
		.head = {VIRTIO_NET_CLASS_RX, (uint8_t)code}, .on = on, .ack = 1};
	(void)vring_add(&n->control.ring, buffers, 2, 1, c);
}

/* All groups come up: guests' are the switch's business. What was asked before must have been
 * answered, as the memory is the same. */
static void change_filter(struct vnet *n)
{
	struct vnet_command *c;
	uint32_t bytes;

	if (!vdev_has(&n->v, VIRTIO_NET_F_CTRL_VQ) || !vdev_has(&n->v, VIRTIO_NET_F_CTRL_RX))
		return;
	while ((c = vring_take(&n->control.ring, &bytes)))
		if (c->ack)
			log_warn(n->nic.dev.name, "it refuses to receive for others (%u)",
				 c->head.command);
	if (!n->filter_changed || !vring_is_idle(&n->control.ring))
		return;
	n->filter_changed = false;
	command(n, VIRTIO_NET_RX_PROMISC, n->nic.promiscuous);
	command(n, VIRTIO_NET_RX_ALLMULTI, true);
	virtio_net_publish(n, &n->control);
}

static void set_filter(struct nic *nic)
{
	of(nic)->filter_changed = true;
	nic_wake(nic);
}

/* ---- the device ------------------------------------------------------------------------ */

static void look_at_link(struct vnet *n)
{
	uint16_t status = VIRTIO_NET_STATUS_LINK_UP;
	const char *trouble;

	if (!atomic_exchange(&n->config_changed, false))
		return;
	trouble = vdev_trouble(&n->v);
	if (!trouble && vdev_has(&n->v, VIRTIO_NET_F_STATUS) &&
	    vdev_read_config(&n->v, offsetof(struct virtio_net_config, status), &status,
			     sizeof(status)))
		trouble = "its configuration never settles";
	if (trouble)
		nic_fail(&n->nic, trouble);
	else
		netdev_set_link(&n->nic.dev, status & VIRTIO_NET_STATUS_LINK_UP, 0);
}

static bool poll(struct nic *nic, struct list *received)
{
	struct vnet *n = of(nic);

	vring_interrupt_off(&n->rx.ring);
	look_at_link(n);
	change_filter(n);
	if (n->rx.ring.broken || n->tx.ring.broken || n->control.ring.broken)
		nic_fail(nic, "it finished what it was not given");
	return virtio_net_receive(n, received);
}

/* For what is sent too, whether or not something is under way: who sends next, while the thread
 * sleeps, waits for that interrupt where the ring or his packets run out. And for answers: more
 * may be asked for then. */
static bool unmask(struct nic *nic)
{
	struct vnet *n = of(nic);
	bool more = vring_interrupt_on(&n->rx.ring);

	if (n->control.ring_phys)
		more |= vring_interrupt_on(&n->control.ring);
	spin_lock(&nic->lock);
	more |= vring_interrupt_on(&n->tx.ring);
	spin_unlock(&nic->lock);
	return more;
}

static bool on_queues(void *arg)
{
	struct vnet *n = arg;

	nic_count(&n->nic.dev.counters.interrupts, 1);
	nic_wake(&n->nic);
	return true;
}

static bool on_config(void *arg)
{
	struct vnet *n = arg;

	n->config_changed = true;
	return on_queues(n);
}

/* Reading the status says whether it was this device, and ends it: 4.1.4.5. */
static bool on_pin(void *arg)
{
	struct vnet *n = arg;
	uint8_t status = *n->v.isr;

	if (!status)
		return false;
	return status & VIRTIO_ISR_CONFIG ? on_config(n) : on_queues(n);
}

/* Frames of several segments come only where they may be in several buffers. */
static int negotiate(struct vnet *n)
{
	uint64_t before = n->v.features;
	int err = vdev_negotiate(&n->v, WANTED);

	if (!err && !vdev_has(&n->v, VIRTIO_NET_F_MRG_RXBUF))
		err = vdev_negotiate(&n->v, WANTED & ~GUEST_TSO);
	if (!err && before && before != n->v.features)
		err = -EIO;
	return err;
}

static int start_queues(struct vnet *n)
{
	int err = vdev_queue_start(&n->v, &n->rx);

	if (!err)
		err = vdev_queue_start(&n->v, &n->tx);
	if (!err && n->control.ring_phys)
		err = vdev_queue_start(&n->v, &n->control);
	return err;
}

static int start(struct nic *nic)
{
	struct vnet *n = of(nic);
	struct packet **slot;
	int err = negotiate(n);

	if (err)
		return err;
	while ((slot = vring_abandon(&n->rx.ring)))
		packet_put(*slot);
	spin_lock(&nic->lock);
	reclaim(nic, true);
	err = start_queues(n);
	spin_unlock(&nic->lock);
	if (err)
		return err;
	virtio_net_post_all(n);
	vdev_start(&n->v, n->config_vector);
	virtio_net_publish(n, &n->rx);
	n->config_changed = true;
	return 0;
}

static int connect(struct nic *nic)
{
	struct vnet *n = of(nic);
	unsigned cpu = cpumask_next(sched_housekeeping(), 0);
	int err;

	if (!pci_irq_is_message(n->v.pci))
		return pci_irq_connect(n->v.pci, 0, cpu, on_pin, n);
	if (n->config_vector == VECTOR_QUEUES) /* which of them it is for does not show */
		return pci_irq_connect(n->v.pci, VECTOR_QUEUES, cpu, on_config, n);
	err = pci_irq_connect(n->v.pci, VECTOR_QUEUES, cpu, on_queues, n);
	return err ? err : pci_irq_connect(n->v.pci, VECTOR_CONFIG, cpu, on_config, n);
}

static const struct nic_ops ops = {
	.start = start,
	.connect = connect,
	.poll = poll,
	.unmask = unmask,
	.send = send,
	.kick = kick,
	.reclaim = reclaim,
	.set_filter = set_filter,
};

static int describe(struct vnet *n)
{
	static const struct {
		uint64_t feature;
		uint32_t is;
	} features[] = {{VIRTIO_NET_F_CSUM, NETDEV_TX_CSUM},
			{VIRTIO_NET_F_HOST_TSO4, NETDEV_TX_TSO4},
			{VIRTIO_NET_F_HOST_TSO6, NETDEV_TX_TSO6},
			{VIRTIO_NET_F_GUEST_CSUM, NETDEV_RX_CSUM},
			{VIRTIO_NET_F_GUEST_TSO4, NETDEV_RX_GSO},
			{VIRTIO_NET_F_GUEST_TSO6, NETDEV_RX_GSO}};
	struct netdev *dev = &n->nic.dev;
	struct virtio_net_config c;
	int err = vdev_read_config(&n->v, 0, &c, sizeof(c));

	if (err)
		return err;
	snprintf(dev->location, sizeof(dev->location), "%s", n->v.pci->name);
	if (vdev_has(&n->v, VIRTIO_NET_F_MAC))
		memcpy(dev->mac, c.mac, NET_MAC_BYTES);
	dev->mtu =
		vdev_has(&n->v, VIRTIO_NET_F_MTU) ? (uint16_t)MIN(c.mtu, MTU_MAX) : MTU_DEFAULT;
	for (unsigned i = 0; i < ARRAY_SIZE(features); i++)
		if (vdev_has(&n->v, features[i].feature))
			dev->features |= features[i].is;
	n->nic.ops = &ops;
	return 0;
}

static int alloc_queues(struct vnet *n)
{
	uint64_t rx = frames_alloc(0, NULL), tx = frames_alloc(0, NULL);
	int err = 0;

	if (rx)
		n->rx_headers = directmap(rx);
	if (tx)
		n->tx_headers = directmap(tx);
	n->commands = (struct vnet_command *)(n->tx_headers + VNET_RING);
	n->nic.pool = packet_pool_create(RX_POOL_PACKETS, RX_POOL_PAGES, NULL);
	if (!rx || !tx || !n->nic.pool)
		return -ENOMEM;
	err = vdev_queue_init(&n->v, &n->rx, QUEUE_RX, VNET_RING, VNET_RX_ENTRIES);
	if (!err)
		err = vdev_queue_init(&n->v, &n->tx, QUEUE_TX, VNET_RING, TX_ENTRIES);
	if (!err && vdev_has(&n->v, VIRTIO_NET_F_CTRL_VQ))
		err = vdev_queue_init(&n->v, &n->control, QUEUE_CONTROL, CONTROL_RING, 0);
	n->rx.vector = n->tx.vector = n->control.vector = VECTOR_QUEUES;
	return err;
}

static void release(struct vnet *n)
{
	struct packet **slot;

	vdev_close(&n->v);
	while (n->rx.ring_phys && (slot = vring_abandon(&n->rx.ring)))
		packet_put(*slot);
	vdev_queue_fini(&n->rx);
	vdev_queue_fini(&n->tx);
	vdev_queue_fini(&n->control);
	if (n->nic.pool)
		packet_pool_destroy(n->nic.pool);
	if (n->rx_headers)
		frames_free(directmap_phys(n->rx_headers), 0, NULL);
	if (n->tx_headers)
		frames_free(directmap_phys(n->tx_headers), 0, NULL);
	heap_free(n);
}

static int prepare(struct vnet *n)
{
	int err = negotiate(n), vectors;

	if (err)
		return err;
	vectors = pci_irq_setup(n->v.pci, VECTORS);
	if (vectors < 0)
		return vectors;
	n->config_vector = vectors == VECTORS		  ? VECTOR_CONFIG
			   : pci_irq_is_message(n->v.pci) ? VECTOR_QUEUES
							  : VIRTIO_NO_VECTOR;
	err = describe(n);
	if (!err)
		err = alloc_queues(n);
	return err ? err : nic_create(&n->nic);
}

static int probe(struct pci_device *pci)
{
	struct vnet *n = heap_zalloc(sizeof(*n), NULL);
	int err;

	if (!n)
		return -ENOMEM;
	err = vdev_open(&n->v, pci);
	if (!err)
		err = prepare(n);
	if (!err)
		return 0;
	log_error("virtio", "%s: not usable: error %d", pci->name, err);
	release(n);
	return err;
}

static bool match(const struct pci_device *pci)
{
	return vdev_match(pci, VIRTIO_ID_NET);
}

const struct pci_driver virtio_net_driver = {
	.name = "virtio-net", .match = match, .probe = probe};

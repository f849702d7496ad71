/* The rings and interrupts of an 82540EM or 82574L. Frames are received into packets and sent
 * out of packets, without a copy. Its registers are set up by e1000_hw.c. */
#include "drivers/net/e1000.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "drivers/bus/pci.h"
#include "drivers/net/e1000_hw.h"
#include "drivers/net/e1000_tx.h"
#include "drivers/net/nic.h"
#include "kernel/log/log.h"
#include "kernel/mem/frames.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/thread.h"

#define PCI_VENDOR_INTEL 0x8086

#define RX_COUNT	 256 /* a page of descriptors each */
#define TX_COUNT	 256
#define RX_POOL		 (RX_COUNT + 768) /* in the ring, and on the way to who wants them */
#define HEADERS_ORDER	 4		  /* E1000_TX_HEADER_BYTES for each of TX_COUNT */
#define MTU		 1500

_Static_assert(TX_COUNT *E1000_TX_HEADER_BYTES == PAGE_BYTES << HEADERS_ORDER, "one each");

/* A packet that was sent belongs to its last descriptor. */
struct tx_slot {
	struct packet *packet; /* at its first descriptor */
	uint16_t last;
};

struct e1000 {
	struct nic nic;
	struct e1000_hw hw;
	struct pci_device *pci;
	_Atomic uint32_t causes; /* ICR's, from interrupts */

	struct e1000_rx_desc *rx; /* the NIC's thread's */
	struct packet *rx_packets[RX_COUNT];
	unsigned rx_next;
	bool rx_broken; /* within a frame that is too long: dropped to its end */

	union e1000_tx_desc *tx; /* with nic.lock held, as the rest */
	uint8_t *tx_headers;
	struct tx_slot tx_slots[TX_COUNT];
	unsigned tx_head, tx_tail; /* [tx_head, tx_tail) is the controller's */
};

static struct e1000 *of(struct nic *nic)
{
	return container_of(nic, struct e1000, nic);
}

static struct e1000_rings rings_of(const struct e1000 *e)
{
	return (struct e1000_rings){.rx_phys = directmap_phys(e->rx),
				    .tx_phys = directmap_phys(e->tx),
				    .rx_count = RX_COUNT,
				    .tx_count = TX_COUNT};
}

static void post(struct e1000 *e, unsigned i)
{
	e->rx[i] = (struct e1000_rx_desc){.address = e->rx_packets[i]->pages[0]};
}

static int start(struct nic *nic)
{
	struct e1000 *e = of(nic);
	const struct e1000_rings rings = rings_of(e);
	int err = e1000_reset(&e->hw);

	if (err)
		return err;
	pci_enable(e->pci,
		   PCI_ENABLE_MASTER); /* not before: what firmware left must not run on */
	for (unsigned i = 0; i < RX_COUNT; i++)
		post(e, i);
	e->rx_next = 0;
	e->rx_broken = false;
	e1000_start(&e->hw, &rings);
	atomic_store(&e->causes, E1000_INT_LSC); /* the link is looked at first */
	return 0;
}

/* Why the frame in this descriptor is none, or 0: errors as 3.2.3.2 says. */
static bool is_damaged(const struct e1000_rx_desc *desc)
{
	return desc->errors &
	       (E1000_RX_CE | E1000_RX_SE | E1000_RX_SEQ | E1000_RX_CXE | E1000_RX_RXE);
}

static bool sum_is_valid(const struct e1000_rx_desc *desc)
{
	return (desc->status & (E1000_RX_IXSM | E1000_RX_TCPCS)) == E1000_RX_TCPCS &&
	       !(desc->errors & (E1000_RX_TCPE | E1000_RX_IPE));
}

/* Takes the frame at `i`, and puts another buffer there. NULL where it is dropped: its buffer
 * stays. */
static struct packet *take(struct e1000 *e, unsigned i)
{
	struct netdev_counters *counters = &e->nic.dev.counters;
	const struct e1000_rx_desc *desc = &e->rx[i];
	struct packet *packet = e->rx_packets[i], *fresh;
	bool is_part = e->rx_broken || !(desc->status & E1000_RX_EOP);

	e->rx_broken = !(desc->status & E1000_RX_EOP);
	if (is_part || is_damaged(desc) || desc->bytes < NET_HEADER_BYTES ||
	    desc->bytes > E1000_RX_BUFFER_BYTES) {
		nic_count(&counters->rx_errors, !e->rx_broken);
		return NULL;
	}
	fresh = packet_alloc(e->nic.pool, E1000_RX_BUFFER_BYTES);
	if (!fresh) {
		nic_count(&counters->rx_dropped, 1);
		return NULL;
	}
	packet->bytes = desc->bytes;
	packet->csum_valid = sum_is_valid(desc);
	e->rx_packets[i] = fresh;
	return packet;
}

static bool receive(struct e1000 *e, struct list *received)
{
	unsigned n;

	for (n = 0; n < NIC_BATCH; n++) {
		unsigned i = e->rx_next;
		struct packet *packet;

		if (!(__atomic_load_n(&e->rx[i].status, __ATOMIC_ACQUIRE) & E1000_RX_DD))
			break;
		packet = take(e, i);
		if (packet)
			list_push_back(received, &packet->link);
		post(e, i);
		e->rx_next = (i + 1) % RX_COUNT;
	}
	if (n) {
		atomic_thread_fence(memory_order_release);
		e1000_write(&e->hw, E1000_RDT, (e->rx_next + RX_COUNT - 1) % RX_COUNT);
	}
	return n == NIC_BATCH;
}

static bool poll(struct nic *nic, struct list *received)
{
	struct e1000 *e = of(nic);
	uint32_t causes = atomic_exchange(&e->causes, 0);

	if (causes == UINT32_MAX && !e1000_present(&e->hw)) {
		nic_fail(nic, "its registers do not answer");
		return false;
	}
	if (causes & E1000_INT_LSC) {
		uint32_t mbit = e1000_link(&e->hw);

		netdev_set_link(&nic->dev, mbit, mbit);
	}
	if (causes & E1000_INT_RXO)
		nic_count(&nic->dev.counters.rx_dropped, e1000_read(&e->hw, E1000_MPC));
	return receive(e, received);
}

/* Causes that came since ICR was read interrupt as soon as they are unmasked. */
static bool unmask(struct nic *nic)
{
	struct e1000 *e = of(nic);

	e1000_write(&e->hw, E1000_IMS, e->hw.model->interrupts);
	return false;
}

/* Masks everything, and leaves the rest to the thread. A read of ICR clears it. */
static bool on_interrupt(void *arg)
{
	struct e1000 *e = arg;
	uint32_t causes = 0;

	if (!pci_irq_is_message(e->pci)) {
		causes = e1000_read(&e->hw, E1000_ICR);
		if (!causes)
			return false;
	}
	e1000_write(&e->hw, E1000_IMC, UINT32_MAX);
	causes |= e1000_read(&e->hw, E1000_ICR);
	atomic_fetch_or(&e->causes, causes);
	nic_count(&e->nic.dev.counters.interrupts, 1);
	nic_wake(&e->nic);
	return true;
}

static unsigned tx_room(const struct e1000 *e)
{
	return (e->tx_head + TX_COUNT - e->tx_tail - 1) % TX_COUNT;
}

static int send(struct nic *nic, struct packet *packet)
{
	struct e1000 *e = of(nic);
	unsigned first = e->tx_tail;
	uint8_t *header = e->tx_headers + first * E1000_TX_HEADER_BYTES;
	union e1000_tx_desc descs[E1000_TX_DESCS_MAX];
	uint32_t copied;
	int n;

	if (tx_room(e) < E1000_TX_DESCS_MAX)
		return -EAGAIN;
	n = e1000_tx_describe(packet, header, directmap_phys(header), descs, &copied);
	if (n < 0)
		return n;
	for (int i = 0; i < n; i++)
		e->tx[(first + (unsigned)i) % TX_COUNT] = descs[i];
	e->tx_tail = (first + (unsigned)n) % TX_COUNT;
	e->tx_slots[first] = (struct tx_slot){
		.packet = packet,
		.last = (uint16_t)((first + (unsigned)n - 1) % TX_COUNT),
	};
	nic->pending++;
	nic_count(&nic->dev.counters.bytes_copied, copied);
	return 0;
}

static void kick(struct nic *nic)
{
	struct e1000 *e = of(nic);

	atomic_thread_fence(memory_order_release); /* descriptors before the tail */
	e1000_write(&e->hw, E1000_TDT, e->tx_tail);
	nic_count(&nic->dev.counters.doorbells, 1);
}

static void reclaim(struct nic *nic, bool all)
{
	struct e1000 *e = of(nic);

	while (e->tx_head != e->tx_tail) {
		const struct tx_slot *slot = &e->tx_slots[e->tx_head];
		uint8_t status = __atomic_load_n(&e->tx[slot->last].status, __ATOMIC_ACQUIRE);

		if (!all && !(status & E1000_TX_DD))
			return;
		packet_put(slot->packet);
		e->tx_head = (slot->last + 1u) % TX_COUNT;
		nic->pending--;
	}
	if (all)
		e->tx_head = e->tx_tail = 0; /* where e1000_start() put the controller's */
}

static void set_filter(struct nic *nic)
{
	e1000_set_filter(&of(nic)->hw, nic->promiscuous);
}

/* On the CPU where the NIC's thread may run. */
static int connect(struct nic *nic)
{
	struct e1000 *e = of(nic);

	return pci_irq_connect(e->pci, 0, cpumask_next(sched_housekeeping(), 0), on_interrupt,
			       e);
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

static void release(struct e1000 *e)
{
	if (e->hw.registers)
		e1000_reset(&e->hw); /* no more DMA */
	pci_disable(e->pci, PCI_ENABLE_MASTER);
	for (unsigned i = 0; i < RX_COUNT; i++)
		if (e->rx_packets[i])
			packet_put(e->rx_packets[i]);
	if (e->nic.pool)
		packet_pool_destroy(e->nic.pool);
	if (e->rx)
		frames_free(directmap_phys(e->rx), 0, NULL);
	if (e->tx)
		frames_free(directmap_phys(e->tx), 0, NULL);
	if (e->tx_headers)
		frames_free(directmap_phys(e->tx_headers), HEADERS_ORDER, NULL);
	vmap_free((void *)(uintptr_t)e->hw.registers);
	heap_free(e);
}

static void *alloc(unsigned order)
{
	uint64_t phys = frames_alloc(order, NULL);

	return phys ? directmap(phys) : NULL;
}

static int alloc_rings(struct e1000 *e)
{
	e->rx = alloc(0);
	e->tx = alloc(0);
	e->tx_headers = alloc(HEADERS_ORDER);
	e->nic.pool = packet_pool_create(RX_POOL, RX_POOL, NULL);
	if (!e->rx || !e->tx || !e->tx_headers || !e->nic.pool)
		return -ENOMEM;
	for (unsigned i = 0; i < RX_COUNT; i++) {
		e->rx_packets[i] = packet_alloc(e->nic.pool, E1000_RX_BUFFER_BYTES);
		if (!e->rx_packets[i])
			return -ENOMEM;
	}
	return 0;
}

/* The controller's side: registers, address, interrupts. */
static int open_device(struct e1000 *e)
{
	int err;

	e->hw.registers = pci_map_registers(e->pci, 0, E1000_REGISTER_BYTES);
	if (!e->hw.registers)
		return -ENODEV;
	err = e1000_read_mac(&e->hw);
	if (err)
		return err;
	err = pci_irq_setup(e->pci, 1);
	return err < 0 ? err : 0;
}

static void describe(struct e1000 *e)
{
	struct netdev *dev = &e->nic.dev;

	snprintf(dev->location, sizeof(dev->location), "%s", e->pci->name);
	memcpy(dev->mac, e->hw.mac, NET_MAC_BYTES);
	dev->mtu = MTU;
	dev->features = NETDEV_TX_CSUM | NETDEV_TX_TSO4 | NETDEV_RX_CSUM;
	if (e->hw.model->pcie)
		dev->features |= NETDEV_TX_TSO6;
	e->nic.ops = &ops;
}

static int probe(struct pci_device *pci)
{
	struct e1000 *e = heap_zalloc(sizeof(*e), NULL);
	int err;

	if (!e)
		return -ENOMEM;
	e->pci = pci;
	e->hw.model = e1000_model(pci->device_id);
	err = open_device(e);
	if (!err)
		err = alloc_rings(e);
	if (err)
		goto fail;
	describe(e);
	err = nic_create(&e->nic);
	if (err)
		goto fail;
	return 0;
fail:
	log_error("e1000", "%s: not usable: error %d", pci->name, err);
	release(e);
	return err;
}

static bool match(const struct pci_device *pci)
{
	return pci->vendor_id == PCI_VENDOR_INTEL && e1000_model(pci->device_id);
}

const struct pci_driver e1000_driver = {.name = "e1000", .match = match, .probe = probe};

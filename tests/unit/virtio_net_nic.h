/*
 * A virtio network device, its driver, and who uses it: for the tests of the driver. What the
 * device does is the test's; see fake_vdev.h.
 */
#ifndef TESTS_UNIT_VIRTIO_NET_NIC_H
#define TESTS_UNIT_VIRTIO_NET_NIC_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "drivers/net/virtio_net.h"
#include "drivers/net/virtio_net_internal.h"
#include "kernel/mem/frames.h"
#include "kernel/sched/thread.h"
#include "tests/unit/fake_threads.h"
#include "tests/unit/fake_vdev.h"
#include "tests/unit/fake_vmm.h"

enum { RX, TX, CONTROL };

#define USED_FEATURES                                                                          \
	(BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_MTU) |       \
	 BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) | \
	 BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) |                           \
	 BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_STATUS) | BIT(VIRTIO_NET_F_CTRL_VQ) |  \
	 BIT(VIRTIO_NET_F_CTRL_RX) | BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VIRTIO_F_EVENT_IDX) |   \
	 BIT(VIRTIO_F_VERSION_1))

#define HEADER	    12u
#define RING	    256u
#define LINK_UP	    1
#define NIC_PACKETS 1024

static struct netdev *nic;
static struct packet_pool *pool; /* what is sent comes from here */
static struct packet *got[NIC_PACKETS];
static unsigned got_count, readies;

/* ---- who uses it ------------------------------------------------------------------------- */

static inline void on_receive(void *arg, struct list *packets)
{
	(void)arg;
	list_for_each_safe(packet, packets, struct packet, link)
	{
		list_remove(&packet->link);
		assert_true(got_count < NIC_PACKETS);
		got[got_count++] = packet;
	}
}

static inline void on_ready(void *arg)
{
	(void)arg;
	readies++;
}

static inline void drop_received(void)
{
	while (got_count)
		packet_put(got[--got_count]);
}

static inline uint8_t pattern(uint32_t at, unsigned seed)
{
	return (uint8_t)(at * 7 + at / 251 + seed);
}

static inline struct packet *make_packet(uint32_t bytes, unsigned seed)
{
	static uint8_t frame[PACKET_BYTES_MAX];
	struct packet *packet = packet_alloc(pool, bytes);

	assert_non_null(packet);
	for (uint32_t i = 0; i < bytes; i++)
		frame[i] = pattern(i, seed);
	packet_write(packet, 0, frame, bytes);
	return packet;
}

/* What transmit() says; what it does not take goes back. */
static inline int send_packet(struct packet *packet)
{
	int err = nic->ops->transmit(nic, packet);

	if (err)
		packet_put(packet);
	return err;
}

static inline int send_frame(uint32_t bytes, unsigned seed)
{
	return send_packet(make_packet(bytes, seed));
}

static inline struct vnet *vnet_of(struct netdev *dev)
{
	return container_of(container_of(dev, struct nic, dev), struct vnet, nic);
}

static inline unsigned pending(void)
{
	return vnet_of(nic)->nic.pending;
}

/* ---- from the start to the end ----------------------------------------------------------- */

static inline void offer(uint64_t features)
{
	static const uint8_t config[] = {2, 0, 0, 0, 0, 7, LINK_UP, 0, 1, 0, 0xdc, 5};

	fake_vdev_start(0x1041, features);
	memcpy(fake_vdev.config, config, sizeof(config)); /* MAC, status, pairs, MTU of 1500 */
	got_count = readies = 0;
}

/* What is left for the driver to do, until it sleeps. */
static inline void settle(void)
{
	fake_threads_run();
}

static inline void pass(uint64_t ns)
{
	settle();
	for (uint64_t end_ns = fake_now_ns + ns; fake_now_ns < end_ns;) {
		fake_run_until(MIN(end_ns, fake_now_ns + 100 * NSEC_PER_MSEC));
		settle();
	}
}

static inline int probe(void)
{
	unsigned count = 0;
	int err;

	assert_true(virtio_net_driver.match(&fake_pci));
	while (netdev_at(count))
		count++;
	err = virtio_net_driver.probe(&fake_pci);
	nic = netdev_at(count);
	assert_int_equal(!nic, err != 0);
	return err;
}

/* The device takes the commands, and says `ack` to each: how many there were. */
static inline unsigned answer_commands(uint8_t ack)
{
	struct fake_chain c;
	unsigned count = 0;

	for (; fake_vdev_take(CONTROL, &c); count++) {
		assert_int_equal(c.count, 3);
		assert_int_equal(c.out, 2);
		*(uint8_t *)c.parts[2].data = ack;
		fake_vdev_finish(CONTROL, c.id, 1);
	}
	return count;
}

/* The driver has the device, and somebody uses it. */
static inline void use(uint64_t features)
{
	const struct netdev_consumer consumer = {.receive = on_receive, .ready = on_ready};

	offer(features);
	assert_int_equal(probe(), 0);
	netdev_consume(nic, &consumer);
	pool = packet_pool_create(400, 600, NULL);
	assert_non_null(pool);
	settle();
	if (features & BIT(VIRTIO_NET_F_CTRL_VQ))
		assert_int_equal(answer_commands(0), 2);
	settle();
}

static inline unsigned pages_of(const struct vdev_queue *q)
{
	return (q->ring_phys ? 1u << q->ring_order : 0) +
	       (q->tables_phys ? 1u << q->tables_order : 0);
}

/* The driver's thread ends, and no packet is lost: what is left is headers and rings. */
static inline void leave(void)
{
	struct vnet *vnet = vnet_of(nic);
	struct nic *n = &vnet->nic;

	drop_received();
	nic->gone = true;
	thread_wake(n->thread);
	thread_join(n->thread);
	n->ops->reclaim(n, true);
	assert_int_equal(n->pending, 0);
	packet_pool_destroy(pool);
	for (struct packet **slot; (slot = vring_abandon(&vnet->rx.ring));)
		packet_put(*slot);
	packet_pool_destroy(n->pool);
	assert_int_equal(fake_vdev.pages_out, 2 + pages_of(&vnet->rx) + pages_of(&vnet->tx) +
						      pages_of(&vnet->control));
	assert_false(timer_armed(&n->watchdog));
}

/* ---- what the device does ---------------------------------------------------------------- */

/* It takes the next frame to be sent, and looks at it; its id. */
static inline uint16_t take_sent(uint32_t bytes, unsigned seed, struct virtio_net_hdr *header)
{
	struct fake_chain c;
	uint32_t at = 0;

	assert_true(fake_vdev_take(TX, &c));
	assert_int_equal(c.out, c.count); /* nothing to be written */
	assert_int_equal(c.parts[0].bytes, HEADER);
	if (header)
		memcpy(header, c.parts[0].data, HEADER);
	for (unsigned i = 1; i < c.count; i++)
		for (uint32_t k = 0; k < c.parts[i].bytes; k++)
			assert_int_equal(((uint8_t *)c.parts[i].data)[k], pattern(at++, seed));
	assert_int_equal(at, bytes);
	return c.id;
}

static inline bool finish_sent(uint16_t id)
{
	return fake_vdev_finish(TX, id, 0);
}

/* Takes a buffer, and fills it with `bytes` of the frame from `at` on, behind a header or,
 * `goes_on`, from the buffer's start. Its id. */
static inline uint16_t fill(const struct virtio_net_hdr *header, bool goes_on, uint32_t at,
			    uint32_t bytes, unsigned seed)
{
	struct fake_chain c;

	assert_true(fake_vdev_take(RX, &c));
	assert_int_equal(c.count, 2);
	assert_int_equal(c.out, 0);
	assert_int_equal(c.parts[0].bytes, HEADER);
	assert_int_equal(c.parts[1].bytes, PAGE_BYTES);
	if (!goes_on)
		memcpy(c.parts[0].data, header, HEADER);
	for (uint32_t i = 0, to = goes_on ? 0 : HEADER; i < bytes; i++, to++) {
		uint8_t *place = to < HEADER ? (uint8_t *)c.parts[0].data + to
					     : (uint8_t *)c.parts[1].data + to - HEADER;

		*place = pattern(at + i, seed);
	}
	return c.id;
}

/* A frame arrives in one buffer; whether the driver wanted an interrupt. */
static inline bool arrive(uint32_t bytes, unsigned seed)
{
	const struct virtio_net_hdr header = {.num_buffers = 1};
	uint16_t id = fill(&header, false, 0, bytes, seed);

	return fake_vdev_finish(RX, id, HEADER + bytes);
}

/* The last that was received is such a frame. */
static inline void check_received(uint32_t bytes, unsigned seed)
{
	static uint8_t frame[PACKET_BYTES_MAX];
	const struct packet *packet;

	assert_true(got_count);
	packet = got[got_count - 1];
	assert_int_equal(packet->bytes, bytes);
	packet_read(packet, 0, frame, bytes);
	for (uint32_t i = 0; i < bytes; i++)
		assert_int_equal(frame[i], pattern(i, seed));
}

/* It works: a frame each way. */
static inline void check_works(void)
{
	unsigned before = got_count;

	while (answer_commands(0))
		settle();
	arrive(100, 3);
	settle();
	assert_int_equal(got_count, before + 1);
	check_received(100, 3);
	assert_int_equal(send_frame(200, 4), 0);
	nic->ops->commit(nic);
	finish_sent(take_sent(200, 4, NULL));
	settle();
	assert_int_equal(pending(), 0);
	assert_int_equal(fake_vdev_available(RX), RING);
}

#endif

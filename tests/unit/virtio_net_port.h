/*
 * A virtio network device between a driver and a port that the test plays. For the tests of
 * guests/devices/virtio/net*.c.
 */
#ifndef TESTS_UNIT_VIRTIO_NET_PORT_H
#define TESTS_UNIT_VIRTIO_NET_PORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "guests/devices/virtio/net.h"
#include "kernel/io/virtio_net.h"
#include "tests/unit/fake_net.h"
#include "tests/unit/virtio_pci.h"

#define PAIRS	   2
#define QUEUES	   (2 * PAIRS + 1)
#define RX	   0
#define TX	   1
#define CONTROL	   (2 * PAIRS) /* with F_MQ */
#define RING(n)	   (0x100000ull + 0x10000ull * (n))
#define SENT	   0x800000ull
#define COMMAND	   0xa00000ull
#define ANSWER	   0xa10000ull
#define BUFFERS	   0xc00000ull
#define BUFFER_MAX 0x20000ull
#define HEADER	   sizeof(struct virtio_net_hdr)
#define OFFLOADS                                                                               \
	(BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) | \
	 BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_GUEST_TSO4) |                          \
	 BIT(VIRTIO_NET_F_GUEST_TSO6))
#define ALL                                                                                   \
	(OFFLOADS | BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_CTRL_VQ) |                 \
	 BIT(VIRTIO_NET_F_CTRL_RX) | BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) | BIT(VIRTIO_NET_F_MQ) | \
	 BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))

static const uint8_t mac[] = {2, 0, 0, 0, 0, 1}, other[] = {2, 0, 0, 0, 0, 2};
static const uint8_t group[] = {0x33, 0x33, 0, 0, 0, 1};

static struct virtio_net *net;
static struct virtq_driver drivers[QUEUES];
static unsigned next_buffer;

/* ---- the port ---------------------------------------------------------------------------- */

static struct netdev port;
static struct packet *sent[512], *waiting[512];
static unsigned sent_count, waiting_first, waiting_count, commits;
static bool refuses, listening, closed;
static int refuses_with;
static uint32_t accepts;

static inline int transmit(struct netdev *dev, struct packet *packet)
{
	(void)dev;
	if (refuses)
		return -EAGAIN;
	if (refuses_with)
		return refuses_with;
	sent[sent_count++] = packet;
	return 0;
}

static inline void commit(struct netdev *dev)
{
	(void)dev;
	commits++;
}

static inline void listen(struct netdev *dev, bool on, uint32_t what)
{
	(void)dev;
	listening = on;
	accepts = what;
}

static inline struct packet *poll(struct netdev *dev)
{
	(void)dev;
	return waiting_first < waiting_count ? waiting[waiting_first++] : NULL;
}

static inline void unpoll(struct netdev *dev, struct packet *packet)
{
	(void)dev;
	waiting[--waiting_first] = packet;
}

static inline void close(struct netdev *dev)
{
	(void)dev;
	closed = true;
}

static const struct netdev_ops ops = {.transmit = transmit,
				      .commit = commit,
				      .listen = listen,
				      .poll = poll,
				      .unpoll = unpoll,
				      .close = close};

/* ---- the driver -------------------------------------------------------------------------- */

static inline int setup(void **state)
{
	struct virtio_net_params params = {.port = &port, .pairs = PAIRS, .own_mac_only = true};

	(void)state;
	machine_create();
	port = (struct netdev){.ops = &ops, .name = "g.0", .mtu = 1500, .link_up = true};
	memcpy(port.mac, mac, 6);
	sent_count = waiting_first = waiting_count = commits = next_buffer = 0;
	refuses = listening = closed = false;
	refuses_with = 0;
	net = virtio_net_create(&vm->board, root, &params);
	if (!net)
		return -1;
	virtio_pci_find(&pci, (struct virtio *)net); /* its first member */
	fake_threads_run();
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	while (sent_count)
		packet_put(sent[--sent_count]);
	while (waiting_first < waiting_count)
		packet_put(waiting[waiting_first++]);
	virtio_net_destroy(net);
	if (!closed || listening || fake_packets_out())
		return -1;
	return machine_destroy();
}

static inline void bring_up(uint64_t features)
{
	virtio_pci_enable_msix(&pci);
	assert_true(virtio_pci_negotiate(&pci, features | BIT(VIRTIO_F_VERSION_1)));
	for (unsigned i = 0; i < QUEUES; i++)
		virtio_pci_enable_queue(&pci, i, RING(i), &drivers[i]);
	virtio_pci_driver_ok(&pci);
	fake_threads_run();
}

/* A frame of `bytes` whose every byte is known. */
static inline void make(uint8_t *frame, const void *to, uint32_t bytes)
{
	memcpy(frame, to, 6);
	memcpy(frame + 6, mac, 6);
	for (uint32_t i = 12; i < bytes; i++)
		frame[i] = (uint8_t)(i * 7 + i / 253);
}

static uint8_t frame_bytes[PACKET_BYTES_MAX], got_bytes[PACKET_BYTES_MAX];

/* Sends a frame in chains of up to three buffers, cut where it hurts. */
static inline void send(unsigned queue, const struct virtio_net_hdr *header, uint32_t bytes)
{
	uint8_t *at = fake_gmem_put(&fake, SENT, uint8_t);
	struct driver_buffer buffers[] = {{SENT, 5, false},
					  {SENT + 5, HEADER + 2, false},
					  {SENT + 7 + HEADER, bytes - 7, false}};
	uint32_t used;

	make(frame_bytes, other, bytes);
	memcpy(at, header, HEADER);
	memcpy(at + HEADER, frame_bytes, bytes);
	assert_true(driver_add(&drivers[queue], buffers, 3, false) >= 0);
	virtio_pci_kick(&pci, queue);
	while (driver_take(&drivers[queue], &used) >= 0)
		assert_int_equal(used, 0);
}

static inline struct packet *take_sent(void)
{
	struct packet *packet;

	if (!sent_count)
		return NULL;
	packet = sent[0];
	memmove(sent, sent + 1, --sent_count * sizeof sent[0]);
	return packet;
}

static inline void give_buffers(unsigned queue, uint32_t bytes, unsigned count)
{
	while (count--) {
		struct driver_buffer buffer = {BUFFERS + next_buffer++ % 256 * BUFFER_MAX,
					       bytes, true};

		assert_true(driver_add(&drivers[queue], &buffer, 1, false) >= 0);
	}
	virtio_pci_kick(&pci, queue);
}

static inline struct packet *arrive(const void *to, uint32_t bytes)
{
	struct packet *packet;

	make(frame_bytes, to, bytes);
	packet = fake_packet(frame_bytes, bytes);
	waiting[waiting_count++] = packet;
	return packet;
}

static inline void wake(void)
{
	netdev_arrived(&port);
	fake_threads_run();
}

/* The next received frame, gathered from its buffers; its bytes, or 0. */
static inline uint32_t receive(unsigned queue, struct virtio_net_hdr *header)
{
	uint32_t used, total = 0;
	unsigned buffers = 1;

	for (unsigned i = 0; i < buffers; i++) {
		int id = driver_take(&drivers[queue], &used);
		uint64_t gpa;

		if (id < 0) {
			assert_int_equal(i, 0); /* all buffers of a frame come at once */
			return 0;
		}
		gpa = driver_desc(&drivers[queue], (uint16_t)id)->addr;
		if (drivers[queue].q->packed)
			fail();
		if (i == 0) {
			memcpy(header, fake.ram + gpa, HEADER);
			buffers = header->num_buffers;
			gpa += HEADER;
			used -= (uint32_t)HEADER;
		}
		memcpy(got_bytes + total, fake.ram + gpa, used);
		total += used;
	}
	return total;
}

/* A command to the control queue; the answer. */
static inline uint8_t control(unsigned queue, const void *command, uint32_t bytes)
{
	struct driver_buffer buffers[] = {{COMMAND, bytes, false}, {ANSWER, 1, true}};
	uint32_t used;

	memcpy(fake.ram + COMMAND, command, bytes);
	fake.ram[ANSWER] = 0xee;
	assert_true(driver_add(&drivers[queue], buffers, 2, false) >= 0);
	virtio_pci_kick(&pci, queue);
	assert_true(driver_take(&drivers[queue], &used) >= 0);
	assert_int_equal(used, 1);
	return fake.ram[ANSWER];
}

/* Whether a frame to this address reaches the guest. */
static inline bool gets(const void *to)
{
	struct virtio_net_hdr header;

	arrive(to, 60);
	give_buffers(RX, 2000, 1);
	wake();
	if (receive(RX, &header))
		return true;
	arrive(mac, 61); /* takes the buffer */
	wake();
	assert_int_equal(receive(RX, &header), 61);
	return false;
}

#define check(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif

/*
 * The network device's own structures, shared by net.c (the device), net_tx.c (frames of the
 * guest's), net_rx.c (frames for it) and net_control.c (what its driver asks for).
 */
#ifndef GUESTS_DEVICES_VIRTIO_NET_INTERNAL_H
#define GUESTS_DEVICES_VIRTIO_NET_INTERNAL_H

#include "guests/devices/virtio/net.h"
#include "guests/devices/virtio/virtio.h"
#include "kernel/io/netdev.h"
#include "kernel/io/virtio_net.h"

#define NET_BATCH	 64  /* frames each way before other threads have their turn */
#define NET_BUFFERS_MAX	 64  /* that one received frame may be spread over */
#define NET_CHAINS	 256 /* looked at for received frames before others have their turn */
#define NET_MAC_LIST_MAX 64  /* with more addresses, all are let in */

/* Which frames the driver wants: 5.1.6.5.1, 5.1.6.5.2. */
struct net_rx_mode {
	bool flags[VIRTIO_NET_RX_COMMANDS];
	struct net_mac_list {
		bool all; /* there were more than fit */
		uint32_t count;
		uint8_t macs[NET_MAC_LIST_MAX][NET_MAC_BYTES];
	} unicast, multicast;
};

/* All but what is _Atomic, `config` (virtio.lock) and `closing` belongs to the device's thread.
 */
struct virtio_net {
	struct virtio virtio; /* first */
	struct netdev *port;
	struct virtio_net_config config;
	unsigned max_pairs;
	bool own_mac_only;
	uint8_t mac[NET_MAC_BYTES]; /* as configured */

	/* As the driver has it now. */
	uint8_t current_mac[NET_MAC_BYTES];
	unsigned pairs;
	uint64_t offloads; /* VIRTIO_NET_F_GUEST_* that are on */
	struct net_rx_mode mode;

	struct packet_pool *pool; /* of frames that the guest sends */
	struct packet *pending;	  /* one that the port did not take yet */
	unsigned next_tx;	  /* pair to be served first */
	uint64_t tx_waiting;	  /* pairs that may have more to send: a bit for each */
	uint64_t rx_asked;	  /* queues whose driver tells of new buffers: a bit for each */
	struct virtq_chain chain, first;
	struct virtq_used used[NET_BUFFERS_MAX];
	unsigned rx_chains; /* taken in this turn, those put back too */

	struct spinlock wake_lock; /* guards `closing`, and the thread's being there */
	bool closing;
	_Atomic uint64_t rx_unwanted, rx_dropped, tx_errors;
};

static inline void net_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static inline unsigned net_rx_queue(unsigned pair)
{
	return 2 * pair; /* 5.1.2 */
}

static inline unsigned net_tx_queue(unsigned pair)
{
	return 2 * pair + 1;
}

/* Where the control queue is depends on what was negotiated. */
static inline unsigned net_control_queue(const struct virtio_net *net)
{
	return virtio_has(&net->virtio, VIRTIO_NET_F_MQ) ? 2 * net->max_pairs : 2;
}

/* Each serves what there is, NET_BATCH at most, and of chains for received frames NET_CHAINS.
 * 0: no more for now. 1: there is more. -EINVAL: *why says how the driver broke a queue. */
int net_transmit(struct virtio_net *net, const char **why);
int net_receive(struct virtio_net *net, const char **why);
int net_control(struct virtio_net *net, const char **why);

/* As after a reset: what the driver has not asked for. */
void net_reset_mode(struct virtio_net *net);
/* Whether the driver wants this frame. */
bool net_wants(const struct virtio_net *net, const struct packet *packet);
/* Tells the port what the driver takes. */
void net_listen(struct virtio_net *net);

#endif

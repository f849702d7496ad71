/*
 * What a network interface promises, and the packets that go through it. The same promise is
 * kept by drivers (a wire behind it) and by net/switch (a network behind it); its consumer is
 * net/switch there, and a guest's virtio-net here.
 */
#ifndef KERNEL_IO_NETDEV_H
#define KERNEL_IO_NETDEV_H

#include "kernel/lib/types.h" /* first: newlib's stdatomic.h wants stdint.h */

#include <stdatomic.h>

#include "kernel/lib/list.h"

#define NET_MAC_BYTES	 6
#define NET_HEADER_BYTES 14
#define PACKET_BYTES_MAX (65535 + NET_HEADER_BYTES + 4) /* an IP datagram, tagged */
#define PACKET_PAGES_MAX 17

enum packet_gso { PACKET_GSO_NONE, PACKET_GSO_TCP4, PACKET_GSO_TCP6, PACKET_GSO_UDP };

struct mem_account;
struct packet_pool;

/*
 * An Ethernet frame without FCS, in pages of the host pool: bytes [0, 4096) in pages[0], and so
 * on. Whoever holds it alone may change it; shared (refs > 1), nobody does. What is in it came
 * from a guest or the wire: hostile, but it no longer changes under whoever checks it.
 */
struct packet {
	struct list link; /* for who holds it alone */
	struct packet_pool *pool;
	_Atomic unsigned refs;
	uint32_t bytes;
	uint8_t page_count;
	/* Offloads, with the meaning of virtio 1.2, 5.1.6.2; checked against `bytes` by who
	 * made the packet. */
	bool needs_csum; /* the sum from csum_start belongs at csum_start + csum_offset */
	bool csum_valid; /* checked already (by a NIC), or never left this machine */
	uint8_t gso;	 /* enum packet_gso */
	uint16_t csum_start, csum_offset;
	uint16_t gso_bytes, header_bytes;
	uint16_t vlan;			  /* tag (PCP, DEI, VID) beside the frame; 0: none */
	uint32_t segmented;		  /* the switch's: payload that has gone in segments */
	uint32_t hash;			  /* the same for all of one flow; 0: not known */
	uint64_t pages[PACKET_PAGES_MAX]; /* physical; reached by directmap() */
};

/* Packets are made from pools, one for each port or driver, which bound what it can hold. */
struct packet_pool *packet_pool_create(unsigned packets, unsigned pages,
				       struct mem_account *account);
/* The pool is its maker's no more: its memory goes once the last packet comes back, which
 * whoever has it may take his time with; no on_free is under way, nor called, afterwards. Not
 * from within on_free; NULL is fine. */
void packet_pool_destroy(struct packet_pool *pool);
/* A packet of that size, contents undefined and offloads none, or NULL when the pool has no
 * more for now. Any context. */
struct packet *packet_alloc(struct packet_pool *pool, uint32_t bytes);
struct packet *packet_get(struct packet *packet); /* one more reference; returns it */
void packet_put(struct packet *packet);		  /* any context */
/* `fn` is called, in any context, once for each time that packet_alloc() said NULL and what it
 * wanted is there again. Before the first packet_alloc(). */
void packet_pool_on_free(struct packet_pool *pool, void (*fn)(void *arg), void *arg);

/* Whether most of the packet's pool is out: the rest is for those who take packets quickly. A
 * moment's answer; any context. */
bool packet_is_scarce(const struct packet *packet);

/* Copies between a packet and memory; the caller has checked the range. */
void packet_read(const struct packet *packet, uint32_t at, void *buf, uint32_t bytes);
void packet_write(struct packet *packet, uint32_t at, const void *buf, uint32_t bytes);

enum netdev_feature {
	NETDEV_TX_CSUM = 1, /* packets that need a checksum */
	NETDEV_TX_TSO4 = 2,
	NETDEV_TX_TSO6 = 4,
	NETDEV_RX_CSUM = 8, /* may deliver csum_valid */
	NETDEV_RX_GSO = 16, /* may deliver packets that need segmenting */
	NETDEV_VLAN = 32,   /* packet.vlan, both ways; else tags are in the frame */
	/* What a consumer may be given, in ops->listen() */
	NETDEV_ACCEPTS = NETDEV_TX_CSUM | NETDEV_TX_TSO4 | NETDEV_TX_TSO6,
};

struct netdev;

/* The consumer's side. All may be NULL; thread context, on a thread of the provider's, unless
 * said otherwise; must not sleep for long. */
struct netdev_consumer {
	/* A list of packets, which the consumer takes all (struct packet.link). */
	void (*receive)(void *arg, struct list *packets);
	/* Of a provider that has ops->poll, instead of receive(): there is something again. Any
	 * context. */
	void (*arrived)(void *arg);
	/* After transmit() said -EAGAIN: there is room again. Any context. */
	void (*ready)(void *arg);
	void (*link_changed)(void *arg); /* see netdev.link_up. Any context. */
	void *arg;
};

struct netdev_ops {
	/* Takes the packet and the caller's reference: 0. -EAGAIN: no room, or enough for one
	 * turn, the caller keeps it and is told by ready(). -ENETDOWN, -EMSGSIZE, -EOPNOTSUPP
	 * (an offload that the device does not have): the caller keeps it. Thread context;
	 * never sleeps. One caller at a time. */
	int (*transmit)(struct netdev *dev, struct packet *packet);
	/* No more for now: the end of a turn of the caller's, who lets others have theirs. May
	 * be NULL. */
	void (*commit)(struct netdev *dev);
	/* Which frames come up: 0, or -EOPNOTSUPP. */
	int (*set_promiscuous)(struct netdev *dev, bool on);

	/* The rest is for what network_attach() made; of a NIC it is NULL. */

	/* Whether packets are wanted at all (not before the first call), and which may need a
	 * checksum or segmenting: bits of NETDEV_ACCEPTS. When off, those that wait are
	 * dropped. Thread context. */
	void (*listen)(struct netdev *dev, bool on, uint32_t accepts);
	/* The next packet, with its reference, or NULL: arrived() says when there is one.
	 * unpoll() puts back one that the consumer cannot take yet, before any other poll(): it
	 * is the first again, however full the queue has become. A packet counts as taken,
	 * which keeps others' coming, once poll() is called again. Thread context; one caller
	 * at a time. */
	struct packet *(*poll)(struct netdev *dev);
	void (*unpoll)(struct netdev *dev, struct packet *packet);
	/* No call is under way in it, nor to the consumer, afterwards. May sleep. */
	void (*close)(struct netdev *dev);
};

struct netdev_counters {
	_Atomic uint64_t rx_packets, rx_bytes, rx_dropped, rx_errors;
	_Atomic uint64_t tx_packets, tx_bytes, tx_dropped, tx_errors;
	_Atomic uint64_t interrupts, doorbells, resets;
	_Atomic uint64_t bytes_copied; /* by the CPU */
	_Atomic uint64_t throttled;    /* times that a limit made a packet wait, either way */
};

#define NETDEV_NAME_MAX 32

struct netdev {
	const struct netdev_ops *ops;
	char name[NETDEV_NAME_MAX];	/* "e1000e0", or "web.0" */
	char location[NETDEV_NAME_MAX]; /* of a NIC: "pci:00:04.0" */
	uint8_t mac[NET_MAC_BYTES];
	uint16_t mtu; /* bytes behind the header */
	uint32_t features;
	_Atomic bool link_up, gone;
	struct netdev_counters counters;
	struct netdev_consumer consumer; /* set by netdev_consume(); .. */
	_Atomic bool consumed;		 /* ... then this */
	struct list link;
};

/* Takes the device: from now on `consumer` (copied) is called. Once. Thread context. */
void netdev_consume(struct netdev *dev, const struct netdev_consumer *consumer);

/* For providers: hand packets, or news, to the consumer. Packets are counted; where there is no
 * consumer yet they are dropped. Contexts are those of struct netdev_consumer. */
void netdev_receive(struct netdev *dev, struct list *packets);
void netdev_arrived(struct netdev *dev);
void netdev_ready(struct netdev *dev);
/* Logs a change. `mbit`: 0 is not known. */
void netdev_set_link(struct netdev *dev, bool up, uint32_t mbit);

/* NICs that drivers found; never unregistered: one that disappears is `gone`. */
void netdev_register(struct netdev *dev);
struct netdev *netdev_at(unsigned index); /* NULL at the end */

#endif

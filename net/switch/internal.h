/*
 * The switch's parts as they see each other: networks, ports (a guest's interface), uplinks (a
 * NIC). Which lock guards what; how a packet goes from one to the other is in forward.c.
 *
 * Locks, all with interrupts off, save uplink.transmit_lock: uplink.lock, network.lock,
 * port.lock, waiters_lock (wait.c), none taken in another but waiters_lock in port.lock. None
 * is held while a consumer is called; what might go meanwhile is kept by port_get().
 */
#ifndef NET_SWITCH_INTERNAL_H
#define NET_SWITCH_INTERNAL_H

#include "kernel/io/network.h"
#include "kernel/lib/bucket.h"
#include "kernel/lib/lock.h"
#include "kernel/sched/timer.h"
#include "net/switch/filter.h"
#include "net/switch/table.h"

#define NETWORKS_MAX	  32
#define NETWORK_PORTS_MAX (TABLE_OWNERS - 1)
#define QUEUE_PACKETS_MAX 256 /* of a port */
#define QUEUE_PLACES	  (QUEUE_PACKETS_MAX + 1)
#define OWNER_UPLINK	  0   /* in struct table; port i is owner i */
#define TURN_MAX	  256 /* see struct port.turn */

struct drops {
	_Atomic uint64_t counts[NETWORK_DROPS];
};

static inline void count_drops(struct drops *drops, enum network_drop drop, uint32_t count)
{
	atomic_fetch_add_explicit(&drops->counts[drop], count, memory_order_relaxed);
}

static inline void count_drop(struct drops *drops, enum network_drop drop)
{
	count_drops(drops, drop, 1);
}

struct network {
	struct network_config config;
	struct uplink *uplink;	       /* NULL: isolated */
	char lacks[NETWORK_WHY_BYTES]; /* why it is, with an uplink in its configuration */
	uint16_t mtu;
	_Atomic uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes; /* the uplink's */
	_Atomic uint64_t segments; /* made of what came from the uplink */
	struct drops drops;	   /* the uplink's */
	uint64_t number;	   /* grows with each network that is made */
	_Atomic unsigned users;	   /* who found it and has not put it back; ports, till they
				      are gone */

	struct spinlock lock; /* guards the rest */
	struct table table;
	struct port *ports[NETWORK_PORTS_MAX + 1]; /* by owner; [OWNER_UPLINK] stays NULL */
	unsigned open_ports;			   /* those without a filter */
	struct bucket flood;			   /* frames of the uplink's for all */
};

/* A NIC that networks use. All but the list of networks is fixed; `lock`, which may be taken in
 * any context, guards that. */
struct uplink {
	struct netdev *nic;
	struct packet_pool *copies;    /* for what the NIC's own packets can't be used for */
	struct spinlock transmit_lock; /* one caller at a time; thread context only */
	struct list waiters;	       /* ports that wait for room; waiters_lock */
	struct spinlock lock;
	unsigned network_count;
	struct network *networks[NETWORKS_MAX]; /* [0 .. network_count - 1] */
	struct list link;
};

/* ops->transmit and ops->commit are called by one thread at a time, the sender's; ops->poll and
 * ops->unpoll by another. */
struct port {
	struct netdev dev; /* first */
	struct network *network;
	uint16_t owner; /* its place in network->ports */
	struct filter filter;
	struct drops drops;
	_Atomic unsigned users;	    /* who found it and has not put it back */
	_Atomic uint32_t accepts;   /* enum netdev_feature: what the guest takes as it is */
	struct packet_pool *copies; /* segments, and copies with tags, of what it sends */
	_Atomic uint64_t segments;  /* made of what it sent */

	/* The sender's thread. */
	struct bucket tx, flood; /* bytes; frames for all */
	struct timer tx_timer;	 /* when there are tokens again */
	bool uncommitted;	 /* the NIC has got something since the last commit */
	/* Segments, and receivers of frames for all, since the last commit, which is when the
	 * others have their turn; and whether there was more to do. */
	unsigned turn;
	bool turn_over;

	struct spinlock lock;	     /* guards the rest */
	struct bucket rx, rx_before; /* rx_before: without the packet that was taken last */
	struct timer rx_timer, stall_timer;
	struct packet *ring[QUEUE_PLACES]; /* for the guest, from [first] on */
	unsigned first, queued;
	uint64_t queued_bytes;
	bool listening, stalled;
	bool handed_out;     /* a packet, which unpoll() may yet put back */
	uint64_t refused_ns; /* when one was first put back, none taken since; 0: none was */
	uint64_t full_since_ns;
	struct bucket patience; /* ns that others may yet wait for this port */
	struct list waiters;	/* ports that wait for room here; waiters_lock */
	struct list waiting;	/* this port, among somebody's waiters; waiters_lock */
};

/* ---- wait.c ---------------------------------------------------------------------------- */

/* Puts a sender among those that wait (it waits in one place at most), takes it out, and calls
 * all of a list: their consumers' ready(). Any context. */
void waiters_add(struct list *waiters, struct port *sender);
void waiters_leave(struct port *sender);
void waiters_wake(struct list *waiters);

/* ---- port.c ---------------------------------------------------------------------------- */

/* Creates a port that is in no network yet. NULL: no memory. */
struct port *port_create(const struct network_port_config *config, struct network *network);
void port_destroy(struct port *port); /* it is in no network any more; waits; may sleep */

static inline struct network *network_get(struct network *network)
{
	atomic_fetch_add_explicit(&network->users, 1, memory_order_relaxed);
	return network;
}

/* The last touch: its removal may go on. */
static inline void network_put(struct network *network)
{
	atomic_fetch_sub_explicit(&network->users, 1, memory_order_release);
}

static inline struct port *port_get(struct port *port)
{
	atomic_fetch_add_explicit(&port->users, 1, memory_order_relaxed);
	return port;
}

/* The last touch: port_destroy() may go on. */
static inline void port_put(struct port *port)
{
	atomic_fetch_sub_explicit(&port->users, 1, memory_order_release);
}

/* What frames cost beyond themselves is bounded for one turn of their sender's thread: whether
 * that is used up. Then the sender waits, and commit(), which ends the turn, calls its ready().
 */
static inline bool port_turn_over(struct port *sender)
{
	if (sender->turn < TURN_MAX)
		return false;
	sender->turn_over = true;
	return true;
}

/* ---- queue.c --------------------------------------------------------------------------- */

void queue_init(struct port *port, const struct network_port_config *config);
void queue_fini(struct port *port); /* nobody finds the port any more */

/* Takes the packet: 0, it is queued. -EAGAIN: the queue is full, and will call sender's
 * ready(); only if `sender`, who waits, is given. Above 0: dropped and counted, for the reason
 * that is the value of DROPPED(). Any thread. */
int queue_put(struct port *port, struct packet *packet, struct port *sender);
#define DROPPED(drop) ((int)(drop) + 1)

/* Why the port would drop whatever comes, or NETWORK_DROPS: it would not. A moment's answer, to
 * save the work of making something for it. `waits`: of a sender that may wait. */
enum network_drop queue_refusal(struct port *port, bool waits);

void queue_listen(struct netdev *dev, bool on, uint32_t accepts);
struct packet *queue_poll(struct netdev *dev);
void queue_unpoll(struct netdev *dev, struct packet *packet);

/* ---- uplink.c -------------------------------------------------------------------------- */

/* The NIC that a configuration names, and takes it if it is the first time. 0; -ENODEV,
 * -EINVAL, -ENOMEM, with `why`. Thread context, one at a time. */
int uplink_find(const char *name, struct uplink **uplink, char why[NETWORK_WHY_BYTES]);
/* From now on frames of its VLAN are the network's. */
void uplink_add(struct uplink *uplink, struct network *network);
/* From now on nobody finds it there; who did, has yet to put it. */
void uplink_remove(struct uplink *uplink, struct network *network);
bool uplink_has_vlan(struct uplink *uplink, uint16_t vlan);

/* As queue_put(). `alone`: nobody else holds the packet. `copies`: where a copy comes from, if
 * need be. */
int uplink_put(struct network *network, struct packet *packet, bool alone,
	       struct packet_pool *copies, struct port *sender);
void uplink_commit(struct uplink *uplink);

/* ---- forward.c ------------------------------------------------------------------------- */

/* Takes a packet that `from` sent (NULL: the wire), if it may: 0. -EAGAIN: not yet; the caller
 * keeps it, and comes with it again, and nothing else, after ready(). */
int forward(struct network *network, struct port *from, struct packet *packet);

/* ---- switch.c -------------------------------------------------------------------------- */

/* Takes the port out of its network. Thread context. */
void network_leave(struct port *port);

#endif

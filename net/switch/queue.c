/*
 * A port's queue: packets that wait for the guest. Bounded; who sends waits where that is fair,
 * and a guest that takes nothing soon loses all that comes, so that it ties down nobody's
 * packets.
 */
#include <errno.h>

#include "kernel/cpu/clock.h"
#include "net/switch/internal.h"

#define QUEUE_LOW    (QUEUE_PACKETS_MAX / 2) /* senders go on from here */
#define QUEUE_SCARCE 32 /* from a pool that is nearly empty, no more than this */
/* A limited port's queue holds what it takes in this part of a second, or the least. */
#define QUEUE_LIMITED_PART  4
#define QUEUE_LIMITED_BYTES (64 * KIB)

#define STALL_NS	    (500 * NSEC_PER_MSEC) /* so long after it has refused one: stalled */
/* A queue that falls to QUEUE_LOW in this time is ordinary. What others wait for it beyond is
 * taken from the port's patience, which comes back by a tenth of the time. */
#define DRAIN_NS	  (100 * NSEC_PER_MSEC)
#define PATIENCE_NS	  (2 * NSEC_PER_SEC)
#define PATIENCE_NS_PER_S (100 * NSEC_PER_MSEC)

/* ---- the ring ---------------------------------------------------------------------------
 * Not a list: a frame for all is in several. Senders fill QUEUE_PACKETS_MAX places, with others
 * between poll() and unpoll() too: the one place more is for the packet that comes back. The
 * lock is held. */

static void put_last(struct port *port, struct packet *packet)
{
	port->ring[(port->first + port->queued++) % QUEUE_PLACES] = packet;
	port->queued_bytes += packet->bytes;
}

static void put_first(struct port *port, struct packet *packet)
{
	port->first = (port->first + QUEUE_PLACES - 1) % QUEUE_PLACES;
	port->ring[port->first] = packet;
	port->queued++;
	port->queued_bytes += packet->bytes;
}

static struct packet *take_first(struct port *port)
{
	struct packet *packet = port->ring[port->first];

	port->first = (port->first + 1) % QUEUE_PLACES;
	port->queued--;
	port->queued_bytes -= packet->bytes;
	return packet;
}

/* ---- packets in ------------------------------------------------------------------------ */

/* The lock is held, as in the next three. */
static bool is_full(const struct port *port, const struct packet *packet, bool waits)
{
	if (port->stalled)
		return port->queued > 0; /* one, to see whether it is taken */
	if (port->rx.per_second && port->queued &&
	    port->queued_bytes >
		    MAX(port->rx.per_second / QUEUE_LIMITED_PART, QUEUE_LIMITED_BYTES))
		return true;
	if (!waits && port->queued >= QUEUE_SCARCE && packet_is_scarce(packet))
		return true;
	return port->queued >= QUEUE_PACKETS_MAX;
}

/* Whether a sender may wait: not for what is slow by order, or stalled, or has had its time. */
static bool is_worth_waiting(struct port *port)
{
	uint64_t now_ns = clock_now_ns();

	if (port->stalled || port->rx.per_second || bucket_ready_ns(&port->patience, 1, now_ns))
		return false;
	if (!port->full_since_ns)
		port->full_since_ns = now_ns;
	return true;
}

static void watch(struct port *port)
{
	if (!timer_armed(&port->stall_timer))
		timer_arm(&port->stall_timer, clock_now_ns() + STALL_NS);
}

int queue_put(struct port *port, struct packet *packet, struct port *sender)
{
	uint64_t flags = spin_lock_irqsave(&port->lock);
	enum network_drop drop = NETWORK_DROPS;
	bool first = false, wait = false;

	if (!port->listening) {
		drop = NETWORK_DROP_NOT_LISTENING;
	} else if (!is_full(port, packet, sender != NULL)) {
		first = port->queued == 0;
		watch(port);
		put_last(port, packet);
	} else if (sender && is_worth_waiting(port)) {
		wait = true;
		waiters_add(&port->waiters, sender);
	} else {
		drop = port->stalled ? NETWORK_DROP_STALLED : NETWORK_DROP_FULL;
	}
	spin_unlock_irqrestore(&port->lock, flags);
	if (wait)
		return -EAGAIN;
	if (drop != NETWORK_DROPS) {
		count_drop(&port->drops, drop);
		packet_put(packet);
		return DROPPED(drop);
	}
	if (first)
		netdev_arrived(&port->dev);
	return 0;
}

enum network_drop queue_refusal(struct port *port, bool waits)
{
	uint64_t flags = spin_lock_irqsave(&port->lock);
	enum network_drop drop = NETWORK_DROPS;

	if (!port->listening)
		drop = NETWORK_DROP_NOT_LISTENING;
	else if (port->stalled && port->queued)
		drop = NETWORK_DROP_STALLED;
	else if (!waits && port->queued >= QUEUE_PACKETS_MAX)
		drop = NETWORK_DROP_FULL;
	spin_unlock_irqrestore(&port->lock, flags);
	return drop;
}

/* ---- packets out ----------------------------------------------------------------------- */

/* Waiting for the port is over: was it long? The lock is held. */
static void charge_patience(struct port *port)
{
	uint64_t now_ns = clock_now_ns(), waited_ns = 0;

	if (port->full_since_ns)
		waited_ns = MIN(now_ns - port->full_since_ns, NSEC_PER_SEC);
	port->full_since_ns = 0;
	if (waited_ns > DRAIN_NS)
		bucket_take(&port->patience, waited_ns - DRAIN_NS, now_ns);
}

/* What was handed out is taken once more is asked for, and not before: what comes back was no
 * progress, whoever looks meanwhile. The lock is held. */
static void settle(struct port *port)
{
	if (!port->handed_out)
		return;
	port->handed_out = port->stalled = false;
	port->refused_ns = 0;
}

static bool may_take(struct port *port)
{
	uint64_t now_ns = clock_now_ns(), ready_ns;

	if (!port->queued)
		return false;
	ready_ns = bucket_ready_ns(&port->rx, port->ring[port->first]->bytes, now_ns);
	if (ready_ns) {
		atomic_fetch_add_explicit(&port->dev.counters.throttled, 1,
					  memory_order_relaxed);
		timer_arm(&port->rx_timer, ready_ns);
		return false;
	}
	port->rx_before = port->rx;
	bucket_take(&port->rx, port->ring[port->first]->bytes, now_ns);
	return true;
}

static void count(struct port *port, const struct packet *packet, uint64_t sign)
{
	struct netdev_counters *counters = &port->dev.counters;

	atomic_fetch_add_explicit(&counters->rx_packets, sign, memory_order_relaxed);
	atomic_fetch_add_explicit(&counters->rx_bytes, packet->bytes * sign,
				  memory_order_relaxed);
}

struct packet *queue_poll(struct netdev *dev)
{
	struct port *port = container_of(dev, struct port, dev);
	uint64_t flags = spin_lock_irqsave(&port->lock);
	struct packet *packet = NULL;
	bool low = false;

	settle(port);
	if (may_take(port)) {
		packet = take_first(port);
		port->handed_out = true;
		count(port, packet, 1);
		low = port->full_since_ns && port->queued <= QUEUE_LOW;
		if (low)
			charge_patience(port);
	}
	spin_unlock_irqrestore(&port->lock, flags);
	if (low)
		waiters_wake(&port->waiters);
	return packet;
}

void queue_unpoll(struct netdev *dev, struct packet *packet)
{
	struct port *port = container_of(dev, struct port, dev);
	uint64_t flags = spin_lock_irqsave(&port->lock);

	port->handed_out = false;
	if (!port->refused_ns)
		port->refused_ns = clock_now_ns();
	count(port, packet, (uint64_t)-1);
	port->rx = port->rx_before;
	watch(port);
	put_first(port, packet);
	spin_unlock_irqrestore(&port->lock, flags);
}

/* ---- no packets ------------------------------------------------------------------------ */

/* Drops what is in the queue, one by one, as others may add to it meanwhile. */
static void drop_queue(struct port *port, unsigned count, enum network_drop drop)
{
	for (; count; count--) {
		uint64_t flags = spin_lock_irqsave(&port->lock);
		struct packet *packet = port->queued ? take_first(port) : NULL;

		spin_unlock_irqrestore(&port->lock, flags);
		if (!packet)
			break;
		count_drop(&port->drops, drop);
		packet_put(packet);
	}
}

void queue_listen(struct netdev *dev, bool on, uint32_t accepts)
{
	struct port *port = container_of(dev, struct port, dev);
	uint64_t flags = spin_lock_irqsave(&port->lock);
	bool changes = port->listening != on;

	atomic_store(&port->accepts, accepts & NETDEV_ACCEPTS);
	if (changes) {
		port->listening = on;
		port->stalled = false;
		port->refused_ns = 0;
		charge_patience(port);
	}
	spin_unlock_irqrestore(&port->lock, flags);
	if (!changes)
		return; /* a guest says so as often as it likes: it frees nobody, nor itself */
	if (!on)
		drop_queue(port, QUEUE_PLACES, NETWORK_DROP_NOT_LISTENING);
	waiters_wake(&port->waiters);
}

static void rx_tokens(struct timer *timer)
{
	netdev_arrived(&container_of(timer, struct port, rx_timer)->dev);
}

/* Interrupt context. Stalled is who had a packet offered and put it back, and has taken none
 * since; not whose device's thread had no CPU to look, nor whom its limit holds back. */
static void look_at_queue(struct timer *timer)
{
	struct port *port = container_of(timer, struct port, stall_timer);
	uint64_t flags = spin_lock_irqsave(&port->lock), now_ns = clock_now_ns();
	uint64_t end_ns = (port->refused_ns ? port->refused_ns : now_ns) + STALL_NS;
	bool idle = port->queued && now_ns >= end_ns && !timer_armed(&port->rx_timer);
	unsigned count = port->queued;

	if (idle) {
		port->stalled = true;
		charge_patience(port);
	} else if (port->queued) {
		timer_arm(timer, MAX(end_ns, now_ns + STALL_NS / 4));
	}
	spin_unlock_irqrestore(&port->lock, flags);
	if (!idle)
		return;
	drop_queue(port, count, NETWORK_DROP_STALLED);
	waiters_wake(&port->waiters);
}

void queue_init(struct port *port, const struct network_port_config *config)
{
	list_init(&port->waiters);
	list_init(&port->waiting);
	bucket_init(&port->rx, config->rx_bytes_per_s, config->burst_bytes);
	bucket_init(&port->patience, PATIENCE_NS_PER_S, PATIENCE_NS);
	timer_init(&port->rx_timer, rx_tokens);
	timer_init(&port->stall_timer, look_at_queue);
}

void queue_fini(struct port *port)
{
	queue_listen(&port->dev, false, 0);
	timer_cancel(&port->rx_timer);
	timer_cancel(&port->stall_timer);
}

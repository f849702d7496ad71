/* The thread of a network interface, which polls while there is work and sleeps until an
 * interrupt while there is none; transmit() for the drivers; resets. */
#include "drivers/net/nic.h"

#include <errno.h>
#include <stdio.h>

#include "kernel/cpu/clock.h"
#include "kernel/lib/plural.h"
#include "kernel/log/log.h"
#include "kernel/sched/thread.h"

#define HUNG_NS		   (2 * NSEC_PER_SEC)
#define RESETS_IN_VAIN_MAX 5
#define QUIET_NS	   (60 * NSEC_PER_SEC) /* between two lines about resets */

static const char not_sent[] = "packets are not sent";

static struct nic *of(struct netdev *dev)
{
	return container_of(dev, struct nic, dev);
}

static bool is_up(const struct nic *nic)
{
	return nic->up && atomic_load_explicit(&nic->dev.link_up, memory_order_relaxed);
}

static int send_locked(struct nic *nic, struct packet *packet)
{
	uint32_t bytes = packet->bytes;
	int err;

	if (!is_up(nic))
		return -ENETDOWN;
	if (!packet->gso && bytes > nic->dev.mtu + NET_HEADER_BYTES + 4u)
		return -EMSGSIZE;
	if (bytes < NET_HEADER_BYTES)
		return -EMSGSIZE;
	if (!nic->pending)
		nic->progress_ns = clock_now_ns();
	err = nic->ops->send(nic, packet);
	if (err == -EAGAIN) {
		nic->ops->reclaim(nic, false);
		err = nic->ops->send(nic, packet);
	}
	if (err) {
		nic->ring_full |= err == -EAGAIN;
		return err;
	}
	nic->doorbell = true;
	nic_count(&nic->dev.counters.tx_packets, 1);
	nic_count(&nic->dev.counters.tx_bytes, bytes);
	return 0;
}

static int transmit(struct netdev *dev, struct packet *packet)
{
	struct nic *nic = of(dev);
	int err;

	spin_lock(&nic->lock);
	err = send_locked(nic, packet);
	spin_unlock(&nic->lock);
	return err;
}

static void commit(struct netdev *dev)
{
	struct nic *nic = of(dev);

	spin_lock(&nic->lock);
	if (nic->doorbell && nic->up) {
		nic->ops->kick(nic);
		if (!timer_armed(&nic->watchdog))
			timer_arm(&nic->watchdog, clock_now_ns() + HUNG_NS);
	}
	nic->doorbell = false;
	spin_unlock(&nic->lock);
}

static int set_promiscuous(struct netdev *dev, bool on)
{
	struct nic *nic = of(dev);

	if (!nic->ops->set_filter)
		return -EOPNOTSUPP;
	spin_lock(&nic->lock);
	nic->promiscuous = on;
	if (nic->up)
		nic->ops->set_filter(nic);
	spin_unlock(&nic->lock);
	return 0;
}

static const struct netdev_ops netdev_ops = {
	.transmit = transmit, .commit = commit, .set_promiscuous = set_promiscuous};

void nic_wake(struct nic *nic)
{
	thread_wake(nic->thread);
}

void nic_fail(struct nic *nic, const char *why)
{
	atomic_store(&nic->trouble, why);
	nic_wake(nic);
}

static void on_watchdog(struct timer *timer)
{
	nic_wake(container_of(timer, struct nic, watchdog));
}

static void give_up(struct nic *nic)
{
	log_error(nic->dev.name, "does not work any more, and is not used any more");
	atomic_store(&nic->dev.gone, true);
	netdev_set_link(&nic->dev, false, 0);
}

/* After start(), with the lock held. */
static void go_up(struct nic *nic)
{
	nic->up = true;
	if (nic->ops->set_filter)
		nic->ops->set_filter(nic);
}

/* At most one line a minute. */
static void log_reset(struct nic *nic, const char *why)
{
	uint64_t now = clock_now_ns();

	if (now < nic->quiet_until_ns) {
		nic->unlogged++;
		return;
	}
	if (nic->unlogged)
		log_warn(nic->dev.name, "%s: reset (and %u time%s before)", why, nic->unlogged,
			 plural(nic->unlogged));
	else
		log_warn(nic->dev.name, "%s: reset", why);
	nic->unlogged = 0;
	nic->quiet_until_ns = now + QUIET_NS;
}

/* What waits in the ring is lost, as on a wire. Where it is not sent without a link, that is
 * all it is for: nothing is wrong with the device. */
static void reset(struct nic *nic, const char *why)
{
	bool wrong = why != not_sent || atomic_load(&nic->dev.link_up);
	unsigned lost;
	int err;

	spin_lock(&nic->lock);
	nic->up = nic->doorbell = false;
	lost = nic->pending;
	spin_unlock(&nic->lock);

	if (wrong)
		log_reset(nic, why);
	nic->resets_in_vain += wrong;
	nic_count(&nic->dev.counters.resets, 1);
	nic_count(&nic->dev.counters.tx_dropped, lost);
	err = nic->ops->start(nic);
	if (nic->resets_in_vain > RESETS_IN_VAIN_MAX)
		err = -EIO;

	spin_lock(&nic->lock);
	nic->ops->reclaim(nic, true); /* after start(): the device reads them no more */
	nic->ring_full = false;
	if (!err)
		go_up(nic);
	spin_unlock(&nic->lock);
	if (err)
		give_up(nic);
	netdev_ready(&nic->dev);
}

/* Looks after the send ring: what was sent goes back to its pool, and who waits is told. */
static void tend_sending(struct nic *nic)
{
	uint64_t now = clock_now_ns();
	unsigned before;
	bool ready, hung;

	spin_lock(&nic->lock);
	before = nic->pending;
	nic->ops->reclaim(nic, false);
	if (nic->pending < before) {
		nic->progress_ns = now;
		nic->resets_in_vain = 0;
	}
	ready = nic->ring_full && nic->pending < before;
	if (ready)
		nic->ring_full = false;
	hung = nic->up && nic->pending && now >= nic->progress_ns + HUNG_NS;
	if (nic->pending && nic->up && !timer_armed(&nic->watchdog))
		timer_arm(&nic->watchdog, now + HUNG_NS);
	spin_unlock(&nic->lock);

	if (ready)
		netdev_ready(&nic->dev);
	if (hung)
		nic_fail(nic, not_sent);
}

static bool may_start(struct nic *nic)
{
	bool up;

	spin_lock(&nic->lock);
	up = nic->up;
	spin_unlock(&nic->lock);
	return up || atomic_load(&nic->dev.gone);
}

static void serve(void *arg)
{
	struct nic *nic = arg;
	struct list received;
	bool more;

	while (!may_start(nic))
		thread_block();
	while (!atomic_load(&nic->dev.gone)) {
		const char *why = atomic_exchange(&nic->trouble, NULL);

		if (why) {
			reset(nic, why);
			continue;
		}
		list_init(&received);
		more = nic->ops->poll(nic, &received);
		if (!list_empty(&received)) {
			nic->resets_in_vain = 0;
			netdev_receive(&nic->dev, &received);
		}
		tend_sending(nic);
		if (more || nic->ops->unmask(nic))
			thread_yield();
		else
			thread_block();
	}
	timer_cancel(&nic->watchdog);
}

static int start(struct nic *nic)
{
	int err = nic->ops->start(nic);

	if (!err)
		err = nic->ops->connect(nic);
	if (!err) {
		spin_lock(&nic->lock);
		go_up(nic);
		spin_unlock(&nic->lock);
	}
	return err;
}

int nic_create(struct nic *nic)
{
	static unsigned count; /* probing is on one thread */
	struct netdev *dev = &nic->dev;
	const struct thread_params params = {
		.name = dev->name, .fn = serve, .arg = nic, .weight = THREAD_WEIGHT_SERVICE};
	int err;

	dev->ops = &netdev_ops;
	spin_lock_init(&nic->lock, "NIC");
	snprintf(dev->name, sizeof(dev->name), "nic%u", count);
	timer_init(&nic->watchdog, on_watchdog);
	nic->thread = thread_create(&params);
	if (!nic->thread)
		return -ENOMEM;
	err = start(nic);
	atomic_store(&dev->gone, err != 0);
	thread_wake(nic->thread);
	if (err) {
		thread_join(nic->thread);
		return err;
	}
	count++;
	netdev_register(dev);
	return 0;
}

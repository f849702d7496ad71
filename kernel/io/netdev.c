/* The list of NICs, and what lies between a provider of packets and its consumer. Which frames
 * go where is net/switch's business. */
#include "kernel/io/netdev.h"

#include "kernel/lib/lock.h"
#include "kernel/log/log.h"

static struct spinlock lock = SPINLOCK("nics"); /* guards nics; entries stay for good */
static struct list nics = {&nics, &nics};

void netdev_register(struct netdev *dev)
{
	uint64_t flags = spin_lock_irqsave(&lock);

	list_push_back(&nics, &dev->link);
	spin_unlock_irqrestore(&lock, flags);
	log_info("net", "%s at %s: %02x:%02x:%02x:%02x:%02x:%02x, MTU %u, link %s", dev->name,
		 dev->location, dev->mac[0], dev->mac[1], dev->mac[2], dev->mac[3], dev->mac[4],
		 dev->mac[5], dev->mtu, dev->link_up ? "up" : "down");
}

struct netdev *netdev_at(unsigned index)
{
	uint64_t flags = spin_lock_irqsave(&lock);
	struct netdev *found = NULL;

	list_for_each(dev, &nics, struct netdev, link) if (index-- == 0)
	{
		found = dev;
		break;
	}
	spin_unlock_irqrestore(&lock, flags);
	return found;
}

void netdev_consume(struct netdev *dev, const struct netdev_consumer *consumer)
{
	dev->consumer = *consumer;
	atomic_store_explicit(&dev->consumed, true, memory_order_release);
}

static bool has_consumer(struct netdev *dev)
{
	return atomic_load_explicit(&dev->consumed, memory_order_acquire);
}

static void count(struct netdev *dev, const struct list *packets)
{
	uint64_t number = 0, bytes = 0;

	list_for_each(packet, packets, struct packet, link)
	{
		number++;
		bytes += packet->bytes;
	}
	atomic_fetch_add_explicit(&dev->counters.rx_packets, number, memory_order_relaxed);
	atomic_fetch_add_explicit(&dev->counters.rx_bytes, bytes, memory_order_relaxed);
}

static void drop(struct netdev *dev, struct list *packets)
{
	list_for_each_safe(packet, packets, struct packet, link)
	{
		list_remove(&packet->link);
		packet_put(packet);
		atomic_fetch_add_explicit(&dev->counters.rx_dropped, 1, memory_order_relaxed);
	}
}

void netdev_receive(struct netdev *dev, struct list *packets)
{
	count(dev, packets);
	if (has_consumer(dev) && dev->consumer.receive)
		dev->consumer.receive(dev->consumer.arg, packets);
	else
		drop(dev, packets);
}

void netdev_arrived(struct netdev *dev)
{
	if (has_consumer(dev) && dev->consumer.arrived)
		dev->consumer.arrived(dev->consumer.arg);
}

void netdev_ready(struct netdev *dev)
{
	if (has_consumer(dev) && dev->consumer.ready)
		dev->consumer.ready(dev->consumer.arg);
}

void netdev_set_link(struct netdev *dev, bool up, uint32_t mbit)
{
	bool was = atomic_exchange(&dev->link_up, up);

	if (was == up)
		return;
	if (!up)
		log_warn("net", "%s: the link is down", dev->name);
	else if (mbit)
		log_info("net", "%s: the link is up, %u Mbit/s", dev->name, mbit);
	else
		log_info("net", "%s: the link is up", dev->name);
	if (has_consumer(dev) && dev->consumer.link_changed)
		dev->consumer.link_changed(dev->consumer.arg);
}

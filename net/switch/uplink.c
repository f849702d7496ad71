/*
 * Uplinks: NICs that networks use, each with a VLAN of its own or without a tag. Frames from
 * the wire go to the network of their tag; to it they get their tag, in the frame or beside it
 * as the NIC has it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "net/switch/internal.h"
#include "net/switch/offload.h"

#define COPIES	   128
#define COPY_PAGES 256
#define NIC_PREFIX "nic"
#define MAC_PREFIX "mac:"
#define MTU_MIN	   576 /* a smaller answer of a NIC is nonsense */

static struct list uplinks = {&uplinks,
			      &uplinks}; /* added to by one thread, never taken from */

/* ---- from the wire --------------------------------------------------------------------- */

/* To be put. NULL: none has the tag. */
static struct network *network_of(struct uplink *uplink, uint16_t vlan)
{
	uint64_t flags = spin_lock_irqsave(&uplink->lock);
	struct network *found = NULL;

	for (unsigned i = 0; i < uplink->network_count && !found; i++)
		if (uplink->networks[i]->config.vlan == vlan)
			found = network_get(uplink->networks[i]);
	spin_unlock_irqrestore(&uplink->lock, flags);
	return found;
}

/* Takes the tag off and returns its VLAN; 0: no tag, or one that is only a priority. */
static uint16_t take_tag(struct packet *packet)
{
	uint16_t tag = packet->vlan;
	struct frame frame;

	packet->vlan = 0;
	if (!tag && frame_parse(&frame, packet) == 0 && frame.type == ETHERTYPE_VLAN &&
	    packet->bytes >= NET_HEADER_BYTES + VLAN_TAG_BYTES)
		tag = offload_remove_tag(packet);
	return tag & VLAN_ID_MASK;
}

static void count(_Atomic uint64_t *packets, _Atomic uint64_t *bytes, uint32_t packet_bytes)
{
	atomic_fetch_add_explicit(packets, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(bytes, packet_bytes, memory_order_relaxed);
}

static void receive(void *arg, struct list *packets)
{
	struct uplink *uplink = arg;

	list_for_each_safe(packet, packets, struct packet, link)
	{
		struct network *network;

		list_remove(&packet->link);
		network = network_of(uplink, take_tag(packet));
		if (network) {
			count(&network->rx_packets, &network->rx_bytes, packet->bytes);
			(void)forward(network, NULL, packet);
			network_put(network);
			continue;
		}
		atomic_fetch_add_explicit(&uplink->nic->counters.rx_dropped, 1,
					  memory_order_relaxed);
		packet_put(packet);
	}
}

static void ready(void *arg)
{
	waiters_wake(&((struct uplink *)arg)->waiters);
}

/* ---- to the wire ----------------------------------------------------------------------- */

/* The packet with the network's tag: itself, or a copy where others hold it too or it has no
 * room. NULL when there is no memory for that. */
static struct packet *put_tag(const struct network *network, struct packet *packet, bool alone,
			      struct packet_pool *copies)
{
	bool beside = network->uplink->nic->features & NETDEV_VLAN;
	struct packet *tagged = packet;

	if (!network->config.vlan)
		return packet;
	if (!alone || (!beside && !offload_has_room(packet)))
		tagged = offload_copy(packet, copies);
	if (tagged && beside)
		tagged->vlan = network->config.vlan;
	else if (tagged)
		offload_insert_tag(tagged, network->config.vlan);
	return tagged;
}

static int transmit(struct uplink *uplink, struct packet *packet)
{
	struct netdev *nic = uplink->nic;
	int err;

	spin_lock(&uplink->transmit_lock);
	err = nic->ops->transmit(nic, packet);
	spin_unlock(&uplink->transmit_lock);
	return err;
}

void uplink_commit(struct uplink *uplink)
{
	struct netdev *nic = uplink->nic;

	if (!nic->ops->commit)
		return;
	spin_lock(&uplink->transmit_lock);
	nic->ops->commit(nic);
	spin_unlock(&uplink->transmit_lock);
}

/* There may be room before the sender is among the waiters: so look once more. */
static int transmit_or_wait(struct uplink *uplink, struct packet *packet, struct port *sender)
{
	int err = transmit(uplink, packet);

	if (err != -EAGAIN || !sender)
		return err;
	uplink_commit(uplink);
	waiters_add(&uplink->waiters, sender);
	err = transmit(uplink, packet);
	if (err != -EAGAIN)
		waiters_leave(sender);
	return err;
}

static enum network_drop drop_of(int err)
{
	switch (err) {
	case -EAGAIN: return NETWORK_DROP_FULL;
	case -ENOMEM: return NETWORK_DROP_NO_MEMORY;
	case -EMSGSIZE: return NETWORK_DROP_OVERSIZE;
	default: return NETWORK_DROP_NO_LINK;
	}
}

int uplink_put(struct network *network, struct packet *packet, bool alone,
	       struct packet_pool *copies, struct port *sender)
{
	struct packet *tagged = put_tag(network, packet, alone, copies);
	uint32_t bytes = packet->bytes;
	int err = -ENOMEM;

	if (tagged)
		err = transmit_or_wait(network->uplink, tagged, sender);
	if (err == 0) {
		count(&network->tx_packets, &network->tx_bytes, bytes);
		if (tagged != packet)
			packet_put(packet);
		return 0;
	}
	if (tagged == packet)
		(void)take_tag(packet);
	else if (tagged)
		packet_put(tagged);
	if (sender && (err == -EAGAIN || err == -ENOMEM))
		return -EAGAIN;
	count_drop(&network->drops, drop_of(err));
	packet_put(packet);
	return DROPPED(drop_of(err));
}

/* ---- which NIC ------------------------------------------------------------------------- */

static bool parse_mac(const char *text, uint8_t mac[NET_MAC_BYTES])
{
	for (unsigned i = 0; i < NET_MAC_BYTES; i++) {
		char *end;

		mac[i] = (uint8_t)strtoul(text, &end, 16);
		if (end != text + 2 || *end != (i + 1 < NET_MAC_BYTES ? ':' : 0))
			return false;
		text = end + 1;
	}
	return true;
}

static struct netdev *find_by_mac(const uint8_t mac[NET_MAC_BYTES])
{
	struct netdev *nic;

	for (unsigned i = 0; (nic = netdev_at(i)); i++)
		if (!memcmp(nic->mac, mac, NET_MAC_BYTES))
			return nic;
	return NULL;
}

static struct netdev *find_by_location(const char *location)
{
	struct netdev *nic;

	for (unsigned i = 0; (nic = netdev_at(i)); i++)
		if (!strcmp(nic->location, location))
			return nic;
	return NULL;
}

/* "nic0", "mac:52:54:00:12:34:56" or "pci:00:04.0". */
static struct netdev *find_nic(const char *name)
{
	uint8_t mac[NET_MAC_BYTES];
	char *end;

	if (!strncmp(name, MAC_PREFIX, strlen(MAC_PREFIX)))
		return parse_mac(name + strlen(MAC_PREFIX), mac) ? find_by_mac(mac) : NULL;
	if (!strncmp(name, NIC_PREFIX, strlen(NIC_PREFIX)) && name[strlen(NIC_PREFIX)]) {
		unsigned long index = strtoul(name + strlen(NIC_PREFIX), &end, 10);

		return *end || index > UINT16_MAX ? NULL : netdev_at((unsigned)index);
	}
	return find_by_location(name);
}

static void say_nics(const char *name, char why[NETWORK_WHY_BYTES])
{
	struct netdev *nic;
	size_t at =
		(size_t)snprintf(why, NETWORK_WHY_BYTES,
				 "has the uplink '%s', which is no NIC of this machine", name);

	for (unsigned i = 0; (nic = netdev_at(i)) && at < NETWORK_WHY_BYTES; i++)
		at += (size_t)snprintf(why + at, NETWORK_WHY_BYTES - at, "%s nic%u (%s)",
				       i ? "," : "; it has", i, nic->location);
	if (!netdev_at(0))
		snprintf(why + at, NETWORK_WHY_BYTES - at, "; it has none that is supported");
}

static struct uplink *take_nic(struct netdev *nic)
{
	struct uplink *uplink = heap_zalloc(sizeof(*uplink), NULL);
	const struct netdev_consumer consumer = {
		.receive = receive, .ready = ready, .arg = uplink};

	if (!uplink)
		return NULL;
	uplink->copies = packet_pool_create(COPIES, COPY_PAGES, NULL);
	if (!uplink->copies) {
		heap_free(uplink);
		return NULL;
	}
	uplink->nic = nic;
	spin_lock_init(&uplink->transmit_lock, "uplink");
	spin_lock_init(&uplink->lock, "uplink networks");
	list_init(&uplink->waiters);
	list_push_back(&uplinks, &uplink->link);
	if (!nic->ops->set_promiscuous || nic->ops->set_promiscuous(nic, true))
		log_warn("net", "%s hears only its own address: guests get no other frames",
			 nic->name);
	netdev_consume(nic, &consumer);
	return uplink;
}

int uplink_find(const char *name, struct uplink **found, char why[NETWORK_WHY_BYTES])
{
	struct netdev *nic = find_nic(name);

	if (!nic) {
		say_nics(name, why);
		return -ENODEV;
	}
	if (nic->mtu < MTU_MIN) {
		snprintf(why, NETWORK_WHY_BYTES, "can't use %s, whose MTU is %u bytes",
			 nic->name, nic->mtu);
		return -ENODEV;
	}
	list_for_each(uplink, &uplinks, struct uplink, link) if (uplink->nic == nic)
	{
		*found = uplink;
		return 0;
	}
	*found = take_nic(nic);
	if (*found)
		return 0;
	snprintf(why, NETWORK_WHY_BYTES, "finds no memory for %s", nic->name);
	return -ENOMEM;
}

bool uplink_has_vlan(struct uplink *uplink, uint16_t vlan)
{
	struct network *network = network_of(uplink, vlan);

	if (network)
		network_put(network);
	return network != NULL;
}

void uplink_add(struct uplink *uplink, struct network *network)
{
	uint64_t flags = spin_lock_irqsave(&uplink->lock);

	uplink->networks[uplink->network_count++] = network;
	spin_unlock_irqrestore(&uplink->lock, flags);
}

void uplink_remove(struct uplink *uplink, struct network *network)
{
	uint64_t flags = spin_lock_irqsave(&uplink->lock);
	unsigned i = 0;

	while (uplink->networks[i] != network)
		i++;
	uplink->networks[i] = uplink->networks[--uplink->network_count];
	spin_unlock_irqrestore(&uplink->lock, flags);
}

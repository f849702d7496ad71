/* The control queue (virtio 1.2, 5.1.6.5): which frames the driver wants, its address, how many
 * queues it uses, which offloads it takes. */
#include <errno.h>
#include <string.h>

#include "guests/devices/virtio/net_internal.h"

#define COMMAND_BYTES sizeof(struct virtio_net_command)

/* Until the driver says otherwise it gets all there is, as it may have no way to say so. */
void net_reset_mode(struct virtio_net *net)
{
	net->mode = (struct net_rx_mode){.flags[VIRTIO_NET_RX_PROMISC] = true};
	net->pairs = 1;
}

/* The `bytes` of the command's data at `at`; false when there are not so many. */
static bool get(struct virtio_net *net, struct virtq *q, uint32_t at, void *to, uint32_t bytes)
{
	return virtq_read(q, &net->chain, COMMAND_BYTES + at, to, bytes) == bytes;
}

static bool set_rx_flag(struct virtio_net *net, struct virtq *q, uint8_t command)
{
	uint8_t on;

	if (command >= VIRTIO_NET_RX_COMMANDS ||
	    !virtio_has(&net->virtio, VIRTIO_NET_F_CTRL_RX) ||
	    (command > VIRTIO_NET_RX_ALLMULTI &&
	     !virtio_has(&net->virtio, VIRTIO_NET_F_CTRL_RX_EXTRA)) ||
	    !get(net, q, 0, &on, sizeof on))
		return false;
	net->mode.flags[command] = on;
	return true;
}

/* A number, and as many addresses, at *at of the data, which is moved behind them. */
static bool get_macs(struct virtio_net *net, struct virtq *q, uint32_t *at,
		     struct net_mac_list *list)
{
	uint32_t room = net->chain.readable_bytes - (uint32_t)COMMAND_BYTES, count;

	if (!get(net, q, *at, &count, sizeof count))
		return false;
	*at += (uint32_t)sizeof count;
	if (count > (room - *at) / NET_MAC_BYTES)
		return false;
	list->all = count > NET_MAC_LIST_MAX;
	list->count = MIN(count, (uint32_t)NET_MAC_LIST_MAX);
	if (!get(net, q, *at, list->macs, list->count * NET_MAC_BYTES))
		return false;
	*at += count * NET_MAC_BYTES;
	return true;
}

static bool set_mac_table(struct virtio_net *net, struct virtq *q)
{
	struct net_mac_list unicast, multicast;
	uint32_t at = 0;

	if (!virtio_has(&net->virtio, VIRTIO_NET_F_CTRL_RX) ||
	    !get_macs(net, q, &at, &unicast) || !get_macs(net, q, &at, &multicast))
		return false;
	net->mode.unicast = unicast;
	net->mode.multicast = multicast;
	return true;
}

/* Where the port is filtered, its address is not the driver's to choose. */
static bool set_mac(struct virtio_net *net, struct virtq *q)
{
	uint8_t mac[NET_MAC_BYTES];

	if (!virtio_has(&net->virtio, VIRTIO_NET_F_CTRL_MAC_ADDR) ||
	    !get(net, q, 0, mac, sizeof mac) || mac[0] & 1)
		return false;
	if (net->own_mac_only && memcmp(mac, net->mac, sizeof mac) != 0)
		return false;
	memcpy(net->current_mac, mac, sizeof mac);
	return true;
}

static bool set_pairs(struct virtio_net *net, struct virtq *q)
{
	uint16_t pairs;

	if (!virtio_has(&net->virtio, VIRTIO_NET_F_MQ) ||
	    !get(net, q, 0, &pairs, sizeof pairs) || pairs == 0 || pairs > net->max_pairs)
		return false;
	net->pairs = pairs;
	return true;
}

static bool set_offloads(struct virtio_net *net, struct virtq *q)
{
	uint64_t offloads, negotiated;

	if (!virtio_has(&net->virtio, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) ||
	    !get(net, q, 0, &offloads, sizeof offloads))
		return false;
	negotiated = net->virtio.features &
		     (BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) |
		      BIT(VIRTIO_NET_F_GUEST_TSO6));
	if (offloads & ~negotiated)
		return false;
	net->offloads = offloads;
	net_listen(net);
	return true;
}

static bool obey(struct virtio_net *net, struct virtq *q)
{
	struct virtio_net_command command;

	if (virtq_read(q, &net->chain, 0, &command, COMMAND_BYTES) != COMMAND_BYTES)
		return false;
	switch (command.class) {
	case VIRTIO_NET_CLASS_RX: return set_rx_flag(net, q, command.command);
	case VIRTIO_NET_CLASS_MAC:
		if (command.command == VIRTIO_NET_MAC_TABLE_SET)
			return set_mac_table(net, q);
		return command.command == VIRTIO_NET_MAC_ADDR_SET && set_mac(net, q);
	case VIRTIO_NET_CLASS_MQ:
		return command.command == VIRTIO_NET_MQ_PAIRS_SET && set_pairs(net, q);
	case VIRTIO_NET_CLASS_OFFLOADS:
		return command.command == VIRTIO_NET_OFFLOADS_SET && set_offloads(net, q);
	default: return false;
	}
}

int net_control(struct virtio_net *net, const char **why)
{
	struct virtio_queue *queue = &net->virtio.queues[net_control_queue(net)];
	struct virtq *q = &queue->q;

	if (!virtio_has(&net->virtio, VIRTIO_NET_F_CTRL_VQ) || !q->live)
		return 0;
	for (unsigned i = 0; i < NET_BATCH; i++) {
		int got = virtq_pop(q, &net->chain);
		uint8_t answer;

		if (got == 0 && virtq_notify_on(q))
			continue;
		*why = q->why;
		if (got <= 0)
			return got;
		answer = obey(net, q) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
		virtq_write(q, &net->chain, 0, &answer, sizeof answer);
		virtq_push(q, net->chain.id, net->chain.descriptors, sizeof answer);
	}
	return 1;
}

/* Frames that the guest sends: each is copied once, with its header, then checked. */
#include <errno.h>
#include <string.h>

#include "guests/devices/virtio/net_internal.h"
#include "kernel/mem/frames.h"

#define TAG_ROOM 4 /* so that the switch can put a VLAN tag into the frame in place */

/* ---- headers --------------------------------------------------------------------------- */

static int take_gso(struct packet *packet, const struct virtio_net_hdr *header, bool tso4,
		    bool tso6)
{
	if (header->gso_type == VIRTIO_NET_GSO_NONE)
		return 0;
	if (header->gso_type == VIRTIO_NET_GSO_TCPV4 && tso4)
		packet->gso = PACKET_GSO_TCP4;
	else if (header->gso_type == VIRTIO_NET_GSO_TCPV6 && tso6)
		packet->gso = PACKET_GSO_TCP6;
	else
		return -EINVAL;
	packet->gso_bytes = header->gso_size;
	packet->header_bytes = header->hdr_len;
	return header->gso_size && packet->needs_csum ? 0 : -EINVAL;
}

/* 0, or -EINVAL: it asks for what was not negotiated, or for sums outside of the frame. hdr_len
 * is only a hint (5.1.6.2.2): the switch finds out by itself. */
static int take_header(const struct virtio_net *net, struct packet *packet,
		       const struct virtio_net_hdr *header)
{
	const struct virtio *virtio = &net->virtio;

	if (header->flags & VIRTIO_NET_HDR_NEEDS_CSUM) {
		if (!virtio_has(virtio, VIRTIO_NET_F_CSUM) ||
		    header->csum_start < NET_HEADER_BYTES ||
		    (uint32_t)header->csum_start + header->csum_offset + 2 > packet->bytes)
			return -EINVAL;
		packet->needs_csum = true;
		packet->csum_start = header->csum_start;
		packet->csum_offset = header->csum_offset;
	}
	return take_gso(packet, header, virtio_has(virtio, VIRTIO_NET_F_HOST_TSO4),
			virtio_has(virtio, VIRTIO_NET_F_HOST_TSO6));
}

/* ---- frames ---------------------------------------------------------------------------- */

static bool copy_in(struct virtio_net *net, struct virtq *q, struct packet *packet)
{
	uint32_t at = 0;

	while (at < packet->bytes) {
		uint32_t part = MIN(packet->bytes - at, (uint32_t)PAGE_BYTES);

		if (virtq_read(q, &net->chain, sizeof(struct virtio_net_hdr) + at,
			       directmap(packet->pages[at / PAGE_BYTES]), part) != part)
			return false;
		at += part;
	}
	net_count(&net->port->counters.bytes_copied, packet->bytes);
	return true;
}

/* Makes a packet of net->chain. 0, also with *packet NULL when there is none in it; -EAGAIN
 * when there is no packet to be had. */
static int take_frame(struct virtio_net *net, struct virtq *q, struct packet **packet)
{
	uint32_t bytes = net->chain.readable_bytes - (uint32_t)sizeof(struct virtio_net_hdr);
	struct virtio_net_hdr header;
	struct packet *made;

	*packet = NULL;
	if (net->chain.readable_bytes < sizeof(header) + NET_HEADER_BYTES ||
	    bytes > PACKET_BYTES_MAX - TAG_ROOM) {
		net_count(&net->tx_errors, 1);
		return 0;
	}
	made = packet_alloc(net->pool, bytes + TAG_ROOM);
	if (!made)
		return -EAGAIN;
	made->bytes = bytes;
	if (virtq_read(q, &net->chain, 0, &header, sizeof(header)) != sizeof(header) ||
	    !copy_in(net, q, made) || take_header(net, made, &header)) {
		packet_put(made);
		net_count(&net->tx_errors, 1);
		return 0;
	}
	*packet = made;
	return 0;
}

/* True when the port has the packet that waited, or there was none. */
static bool send_pending(struct virtio_net *net)
{
	int err = 0;

	if (net->pending)
		err = net->port->ops->transmit(net->port, net->pending);
	if (err == -EAGAIN)
		return false;
	if (err)
		packet_put(net->pending);
	net->pending = NULL;
	return true;
}

/* The next frame of one queue. 1: done with it. 0: there is none. -EAGAIN: not now. -EINVAL. */
static int send_one(struct virtio_net *net, struct virtq *q)
{
	int got = virtq_pop(q, &net->chain), err;

	if (got == 0 && virtq_notify_on(q)) {
		virtq_notify_off(q);
		got = virtq_pop(q, &net->chain);
	}
	if (got <= 0)
		return got;
	err = take_frame(net, q, &net->pending);
	if (err) {
		virtq_unpop(q, &net->chain);
		return err;
	}
	/* The guest has its buffer back: what it held is ours. */
	virtq_push(q, net->chain.id, net->chain.descriptors, 0);
	return send_pending(net) ? 1 : -EAGAIN;
}

/* A frame of each queue in turn. While the port takes none, nothing is taken from any. */
int net_transmit(struct virtio_net *net, const char **why)
{
	unsigned budget = NET_BATCH;

	if (!send_pending(net))
		return 0;
	while (net->tx_waiting && budget) {
		unsigned pair = net->next_tx;
		struct virtio_queue *queue = &net->virtio.queues[net_tx_queue(pair)];
		int got = 0;

		net->next_tx = (pair + 1) % net->max_pairs;
		if (!(net->tx_waiting & BIT(pair)))
			continue;
		if (queue->q.live || queue->q.broken)
			got = send_one(net, &queue->q);
		if (got == -EINVAL) {
			*why = queue->q.why;
			return got;
		}
		if (got == -EAGAIN)
			return 0;
		if (got == 0)
			net->tx_waiting &= ~BIT(pair);
		budget--;
	}
	return net->tx_waiting != 0;
}

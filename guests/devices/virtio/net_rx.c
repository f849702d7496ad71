/* Frames for the guest: taken from the port when there are buffers for them, copied once. */
#include <errno.h>
#include <string.h>

#include "guests/devices/virtio/net_internal.h"
#include "kernel/mem/frames.h"

/* ---- which are wanted ------------------------------------------------------------------ */

static bool is_listed(const struct net_mac_list *list, const uint8_t *mac)
{
	for (uint32_t i = 0; i < list->count; i++)
		if (!memcmp(list->macs[i], mac, NET_MAC_BYTES))
			return true;
	return list->all;
}

bool net_wants(const struct virtio_net *net, const struct packet *packet)
{
	static const uint8_t broadcast[NET_MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	const struct net_rx_mode *mode = &net->mode;
	uint8_t to[NET_MAC_BYTES];

	packet_read(packet, 0, to, sizeof to);
	if (mode->flags[VIRTIO_NET_RX_PROMISC])
		return true;
	if (!memcmp(to, broadcast, sizeof to))
		return !mode->flags[VIRTIO_NET_RX_NOBCAST];
	if (to[0] & 1)
		return !mode->flags[VIRTIO_NET_RX_NOMULTI] &&
		       (mode->flags[VIRTIO_NET_RX_ALLMULTI] || is_listed(&mode->multicast, to));
	return !mode->flags[VIRTIO_NET_RX_NOUNI] &&
	       (mode->flags[VIRTIO_NET_RX_ALLUNI] || !memcmp(to, net->current_mac, sizeof to) ||
		is_listed(&mode->unicast, to));
}

/* ---- buffers --------------------------------------------------------------------------- */

static struct virtio_net_hdr header_of(const struct virtio_net *net,
				       const struct packet *packet, unsigned buffers)
{
	struct virtio_net_hdr header = {.num_buffers = (uint16_t)buffers};

	if (!(net->offloads & BIT(VIRTIO_NET_F_GUEST_CSUM)))
		return header;
	if (packet->needs_csum) {
		header.flags = VIRTIO_NET_HDR_NEEDS_CSUM;
		header.csum_start = packet->csum_start;
		header.csum_offset = packet->csum_offset;
	} else if (packet->csum_valid) {
		header.flags = VIRTIO_NET_HDR_DATA_VALID;
	}
	if (packet->gso) {
		header.gso_type = packet->gso == PACKET_GSO_TCP4 ? VIRTIO_NET_GSO_TCPV4
								 : VIRTIO_NET_GSO_TCPV6;
		header.gso_size = packet->gso_bytes;
		header.hdr_len = packet->header_bytes;
	}
	return header;
}

/* Bytes [from, from + bytes) of the packet to byte `at` of the chain. */
static bool copy_out(struct virtq *q, const struct virtq_chain *chain, uint32_t at,
		     const struct packet *packet, uint32_t from, uint32_t bytes)
{
	while (bytes) {
		uint32_t offset = from % PAGE_BYTES;
		uint32_t part = MIN(bytes, (uint32_t)PAGE_BYTES - offset);
		const uint8_t *page = directmap(packet->pages[from / PAGE_BYTES]);

		if (virtq_write(q, chain, at, page + offset, part) != part)
			return false;
		at += part;
		from += part;
		bytes -= part;
	}
	return true;
}

static void unpop(struct virtio_net *net, struct virtq *q, unsigned count)
{
	while (count--) {
		net->chain.id = net->used[count].id;
		net->chain.descriptors = net->used[count].descriptors;
		virtq_unpop(q, &net->chain);
	}
}

/* How a frame went into buffers. */
enum fill { FILLED, NO_BUFFERS, TOO_LARGE, BROKEN };

/* The next chain. Where there is none the driver is asked to tell of new ones, while all that
 * it has given are taken: what is put back afterwards it need not tell of. 1, 0, or -EINVAL. */
static int next_buffer(struct virtio_net *net, unsigned queue, struct virtq_chain *chain)
{
	struct virtq *q = &net->virtio.queues[queue].q;
	int got = virtq_pop(q, chain);

	if (got != 0)
		return got;
	net->rx_asked |= BIT(queue);
	return virtq_notify_on(q) ? virtq_pop(q, chain) : 0;
}

/* Fills a chain with the packet's bytes from *done on, and moves that on. */
static bool fill_one(struct virtq *q, const struct virtq_chain *chain, uint32_t header,
		     const struct packet *packet, uint32_t *done, struct virtq_used *used)
{
	uint32_t part = 0;

	if (chain->writable_bytes > header)
		part = MIN(chain->writable_bytes - header, packet->bytes - *done);
	*used = (struct virtq_used){chain->id, chain->descriptors, header + part};
	if (chain->writable_bytes < header || !copy_out(q, chain, header, packet, *done, part))
		return false;
	*done += part;
	return true;
}

/* Takes chains until the frame and its header are in them; *count of them are taken. The first
 * stays in net->first, as the header's last field is known only at the end. */
static enum fill fill(struct virtio_net *net, unsigned queue, const struct packet *packet,
		      unsigned *count)
{
	unsigned max = virtio_has(&net->virtio, VIRTIO_NET_F_MRG_RXBUF) ? NET_BUFFERS_MAX : 1;
	struct virtq *q = &net->virtio.queues[queue].q;
	uint32_t done = 0;

	*count = 0;
	while (*count < max) {
		bool first = *count == 0;
		struct virtq_chain *chain = first ? &net->first : &net->chain;
		int got = next_buffer(net, queue, chain);

		if (got <= 0)
			return got ? BROKEN : NO_BUFFERS;
		if (!fill_one(q, chain, first ? sizeof(struct virtio_net_hdr) : 0, packet,
			      &done, &net->used[(*count)++]))
			return TOO_LARGE;
		if (done == packet->bytes)
			return FILLED;
	}
	return TOO_LARGE;
}

static enum fill deliver(struct virtio_net *net, unsigned queue, const struct packet *packet)
{
	struct virtq *q = &net->virtio.queues[queue].q;
	unsigned count;
	enum fill result = fill(net, queue, packet, &count);
	struct virtio_net_hdr header;

	net->rx_chains += count;
	if (result == BROKEN)
		return result;
	if (result != FILLED) {
		unpop(net, q, count);
		return result;
	}
	header = header_of(net, packet, count);
	virtq_write(q, &net->first, 0, &header, sizeof header);
	virtq_push_all(q, net->used, count);
	net_count(&net->port->counters.bytes_copied, packet->bytes);
	if (net->rx_asked & BIT(queue))
		virtq_notify_off(q);
	net->rx_asked &= ~BIT(queue);
	return FILLED;
}

/* ---- packets --------------------------------------------------------------------------- */

/* 1: done with the packet. 0: it waits for buffers. -EINVAL. */
static int receive_one(struct virtio_net *net, unsigned queue, struct packet *packet)
{
	enum fill result;

	if (!net->virtio.queues[queue].q.live || !net_wants(net, packet)) {
		net_count(&net->rx_unwanted, 1);
		packet_put(packet);
		return 1;
	}
	result = deliver(net, queue, packet);
	if (result == BROKEN)
		return -EINVAL;
	if (result == NO_BUFFERS)
		return 0;
	if (result == TOO_LARGE)
		net_count(&net->rx_dropped, 1);
	packet_put(packet);
	return 1;
}

/* A chain may have VIRTQ_SEGMENTS_MAX descriptors and no more than a byte of room, so it is
 * chains that are bounded, not only frames. A flow's packets go to one queue. While that has no
 * buffers the others wait too: to pass by, packets would have to be kept, and the switch's are
 * not only ours. */
int net_receive(struct virtio_net *net, const char **why)
{
	net->rx_chains = 0;
	for (unsigned i = 0; i < NET_BATCH && net->rx_chains < NET_CHAINS; i++) {
		struct packet *packet = net->port->ops->poll(net->port);
		unsigned queue;
		int got;

		if (!packet)
			return 0;
		queue = net_rx_queue(packet->hash % net->pairs);
		got = receive_one(net, queue, packet);
		if (got == 1)
			continue;
		if (got == 0)
			net->port->ops->unpoll(net->port, packet);
		else
			packet_put(packet);
		*why = net->virtio.queues[queue].q.why;
		return got;
	}
	return 1;
}

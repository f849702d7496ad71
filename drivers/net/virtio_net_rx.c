/*
 * Receiving: buffers are packets of one page. A frame that fits in one is received without a
 * copy; one that the device has put together of segments is in several, and copied into whole
 * pages. Section numbers are of virtio 1.2.
 */
#include "drivers/net/virtio_net_internal.h"
#include "kernel/mem/frames.h"

#define RX_PARTS_MAX (PACKET_PAGES_MAX + 1) /* buffers of one frame */

static void post(struct vnet *n, struct packet *packet)
{
	unsigned id = vring_next_id(&n->rx.ring);
	const struct vring_buffer buffers[VNET_RX_ENTRIES] = {
		{directmap_phys(&n->rx_headers[id]), VNET_HEADER_BYTES},
		{packet->pages[0], PAGE_BYTES}};

	n->rx_packets[id] = packet;
	(void)vring_add(&n->rx.ring, buffers, 0, VNET_RX_ENTRIES, &n->rx_packets[id]);
}

void virtio_net_post_all(struct vnet *n)
{
	struct packet *packet;

	while (vring_has_room(&n->rx.ring, VNET_RX_ENTRIES)) {
		packet = packet_alloc(n->nic.pool, PAGE_BYTES);
		if (!packet)
			return;
		post(n, packet);
	}
}

/* A buffer that the device has filled: its header, its packet, and the bytes in both. */
struct filled {
	const struct virtio_net_hdr *header;
	struct packet *packet;
	uint32_t bytes;
};

static bool take(struct vnet *n, struct filled *f)
{
	struct packet **slot = vring_take(&n->rx.ring, &f->bytes);

	if (!slot)
		return false;
	f->packet = *slot;
	f->header = &n->rx_headers[slot - n->rx_packets];
	f->bytes = MIN(f->bytes, VNET_HEADER_BYTES + (uint32_t)PAGE_BYTES);
	return true;
}

/* The frame in one buffer, which another takes the place of. NULL: it is dropped. */
static struct packet *take_single(struct vnet *n, const struct filled *f)
{
	const struct virtio_net_hdr header = *f->header;
	struct netdev_counters *counters = &n->nic.dev.counters;
	struct packet *packet = f->packet, *fresh;

	packet->bytes = f->bytes - VNET_HEADER_BYTES;
	if (f->bytes < VNET_HEADER_BYTES + NET_HEADER_BYTES ||
	    virtio_net_hdr_to(&header, packet)) {
		nic_count(&counters->rx_errors, 1);
		post(n, packet);
		return NULL;
	}
	fresh = packet_alloc(n->nic.pool, PAGE_BYTES);
	if (!fresh)
		nic_count(&counters->rx_dropped, 1);
	post(n, fresh ? fresh : packet);
	return fresh ? packet : NULL;
}

/* Behind the first buffer, the frame goes on where the header would be: 5.1.6.4. */
static void copy(struct packet *packet, uint32_t *at, const struct filled *f, bool first)
{
	uint32_t head = first ? 0 : MIN(f->bytes, VNET_HEADER_BYTES);
	uint32_t body = f->bytes - MIN(f->bytes, VNET_HEADER_BYTES);

	packet_write(packet, *at, f->header, head);
	packet_write(packet, *at + head, directmap(f->packet->pages[0]), body);
	*at += head + body;
}

/* The frame in several. The first has the whole header, else more would be copied than there is
 * room for. */
static struct packet *take_merged(struct vnet *n, const struct filled *first, unsigned count)
{
	const struct virtio_net_hdr header = *first->header;
	struct netdev_counters *counters = &n->nic.dev.counters;
	struct filled parts[RX_PARTS_MAX] = {*first};
	struct packet *packet = NULL;
	uint32_t all = first->bytes, at = 0;
	unsigned i = 1;

	for (; i < MIN(count, (unsigned)RX_PARTS_MAX) && take(n, &parts[i]); i++)
		all += parts[i].bytes;
	if (i < count)
		nic_fail(&n->nic, "a frame that it received has no end");
	else if (first->bytes >= VNET_HEADER_BYTES &&
		 all >= VNET_HEADER_BYTES + NET_HEADER_BYTES &&
		 all - VNET_HEADER_BYTES <= PACKET_BYTES_MAX)
		packet = packet_alloc(n->nic.pool, all - VNET_HEADER_BYTES);
	if (!packet)
		nic_count(&counters->rx_dropped, 1);
	for (unsigned k = 0; k < i; k++) {
		if (packet)
			copy(packet, &at, &parts[k], k == 0);
		post(n, parts[k].packet);
	}
	nic_count(&counters->bytes_copied, at);
	if (packet && virtio_net_hdr_to(&header, packet)) {
		nic_count(&counters->rx_errors, 1);
		packet_put(packet);
		return NULL;
	}
	return packet;
}

bool virtio_net_receive(struct vnet *n, struct list *received)
{
	struct filled f;
	unsigned frames = 0;

	while (frames < NIC_BATCH && take(n, &f)) {
		unsigned count =
			vdev_has(&n->v, VIRTIO_NET_F_MRG_RXBUF) ? f.header->num_buffers : 1;
		struct packet *packet =
			count <= 1 ? take_single(n, &f) : take_merged(n, &f, count);

		if (packet)
			list_push_back(received, &packet->link);
		frames++;
	}
	if (frames)
		virtio_net_publish(n, &n->rx);
	return frames == NIC_BATCH;
}

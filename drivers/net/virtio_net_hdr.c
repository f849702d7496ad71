/* Names of flags and types are those of virtio 1.2, 5.1.6. */
#include "drivers/net/virtio_net_hdr.h"

#include <errno.h>

#define TCP_LENGTH_AT 12 /* in words of 4 bytes, bits 7:4 */
#define TCP_CSUM_AT   16
#define TCP_BYTES_MIN 20u

void virtio_net_hdr_from(struct virtio_net_hdr *h, const struct packet *packet)
{
	*h = (struct virtio_net_hdr){.gso_type = VIRTIO_NET_GSO_NONE};
	if (packet->needs_csum) {
		h->flags = VIRTIO_NET_HDR_NEEDS_CSUM;
		h->csum_start = packet->csum_start;
		h->csum_offset = packet->csum_offset;
	}
	if (packet->gso) {
		h->gso_type = packet->gso == PACKET_GSO_TCP4 ? VIRTIO_NET_GSO_TCPV4
							     : VIRTIO_NET_GSO_TCPV6;
		h->gso_size = packet->gso_bytes;
		h->hdr_len = packet->header_bytes;
	}
}

/* How long the headers are is not taken from the device, which may say anything: 5.1.6.4.2. */
static int set_segmented(const struct virtio_net_hdr *h, struct packet *packet)
{
	uint32_t headers;
	uint8_t length;

	if (!packet->needs_csum || packet->csum_offset != TCP_CSUM_AT || !h->gso_size ||
	    packet->csum_start + TCP_BYTES_MIN > packet->bytes)
		return -EINVAL;
	packet_read(packet, packet->csum_start + TCP_LENGTH_AT, &length, 1);
	headers = packet->csum_start + (length >> 4) * 4u;
	if (length >> 4 < TCP_BYTES_MIN / 4 ||
	    headers > MIN(packet->bytes, (uint32_t)UINT16_MAX))
		return -EINVAL;
	packet->header_bytes = (uint16_t)headers;
	packet->gso = h->gso_type == VIRTIO_NET_GSO_TCPV4 ? PACKET_GSO_TCP4 : PACKET_GSO_TCP6;
	packet->gso_bytes = h->gso_size;
	return 0;
}

int virtio_net_hdr_to(const struct virtio_net_hdr *h, struct packet *packet)
{
	packet->csum_valid = h->flags & VIRTIO_NET_HDR_DATA_VALID;
	packet->needs_csum = h->flags & VIRTIO_NET_HDR_NEEDS_CSUM;
	packet->gso = PACKET_GSO_NONE;
	if (packet->needs_csum) {
		if ((uint32_t)h->csum_start + h->csum_offset + 2 > packet->bytes)
			return -EINVAL;
		packet->csum_start = h->csum_start;
		packet->csum_offset = h->csum_offset;
	}
	switch (h->gso_type) {
	case VIRTIO_NET_GSO_NONE: return 0;
	case VIRTIO_NET_GSO_TCPV4:
	case VIRTIO_NET_GSO_TCPV6: return set_segmented(h, packet);
	default: return -EINVAL;
	}
}

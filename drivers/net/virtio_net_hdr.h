/* The header that goes with each frame of a virtio network device (virtio 1.2, 5.1.6), from and
 * to a packet's offloads. Pure. */
#ifndef DRIVERS_NET_VIRTIO_NET_HDR_H
#define DRIVERS_NET_VIRTIO_NET_HDR_H

#include "kernel/io/netdev.h"
#include "kernel/io/virtio_net.h"

void virtio_net_hdr_from(struct virtio_net_hdr *h, const struct packet *packet);

/* Sets the packet's offloads, once its bytes are there. 0, or -EINVAL where they are not about
 * these bytes, or of a kind that was not agreed on. */
int virtio_net_hdr_to(const struct virtio_net_hdr *h, struct packet *packet);

#endif

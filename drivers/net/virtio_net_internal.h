/* Between virtio_net.c (the device, sending, commands) and virtio_net_rx.c (receiving). */
#ifndef DRIVERS_NET_VIRTIO_NET_INTERNAL_H
#define DRIVERS_NET_VIRTIO_NET_INTERNAL_H

#include "drivers/net/nic.h"
#include "drivers/net/virtio_net_hdr.h"
#include "drivers/virtio/vdev.h"

#define VNET_RING	  256
#define VNET_RX_ENTRIES	  2 /* header and page */
#define VNET_HEADER_BYTES ((uint32_t)sizeof(struct virtio_net_hdr))

/* 5.1.6.5; the device writes `ack`. */
struct vnet_command {
	struct virtio_net_command head;
	uint8_t on, ack;
};

struct vnet {
	struct nic nic;
	struct vdev v;
	uint16_t config_vector; /* VIRTIO_NO_VECTOR: the pin is shared by all */
	_Atomic bool config_changed, filter_changed;
	struct vdev_queue rx, control;	      /* the NIC's thread's */
	struct vdev_queue tx;		      /* guarded by nic.lock */
	struct packet *rx_packets[VNET_RING]; /* by chain, as the headers */
	struct virtio_net_hdr *rx_headers, *tx_headers;
	struct vnet_command *commands; /* behind tx_headers: one of each code */
};

/* The thread's. */
void virtio_net_post_all(struct vnet *n);
bool virtio_net_receive(struct vnet *n, struct list *received);
/* Makes what was added to a queue known to the device. */
void virtio_net_publish(struct vnet *n, struct vdev_queue *q);

#endif

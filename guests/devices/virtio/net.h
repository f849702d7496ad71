/*
 * A guest's network interface: a virtio network device (virtio 1.2, 5.1) on a port of the
 * switch. What may be sent, and who gets it, is net/switch's.
 */
#ifndef GUESTS_DEVICES_VIRTIO_NET_H
#define GUESTS_DEVICES_VIRTIO_NET_H

#include "kernel/lib/types.h"

struct netdev;
struct pci_root;
struct virtio_net;
struct board;

#define VIRTIO_NET_PAIRS_MAX 8

/* Since the device was created; read by anyone. */
struct virtio_net_info {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
	uint64_t rx_unwanted; /* not for this guest, by what its driver asked for */
	uint64_t rx_dropped;  /* did not fit its buffers */
	uint64_t tx_errors;   /* chains that hold no frame */
	uint64_t bytes_copied;
	uint64_t throttled;	    /* times that a limit made a packet wait, either way */
	uint64_t kicks, interrupts; /* from and to the driver */
};

struct virtio_net_params {
	struct netdev *port; /* of network_attach(); the device's, and closed by it */
	unsigned pairs;	     /* of queues: 1 to VIRTIO_NET_PAIRS_MAX */
	bool own_mac_only;   /* the driver can't choose another address */
};

/* Puts an interface on the guest's bus. NULL: no memory, or no slot; the port stays the
 * caller's. Before vm_start(); thread context. */
struct virtio_net *virtio_net_create(const struct board *board, struct pci_root *root,
				     const struct virtio_net_params *params);
/* The VM has stopped. May sleep. NULL is fine. */
void virtio_net_destroy(struct virtio_net *net);

void virtio_net_get_info(const struct virtio_net *net, struct virtio_net_info *info);

#endif

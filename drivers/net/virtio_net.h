/* The driver for the machine's virtio network devices. */
#ifndef DRIVERS_NET_VIRTIO_NET_H
#define DRIVERS_NET_VIRTIO_NET_H

struct pci_driver;
extern const struct pci_driver virtio_net_driver;

#endif

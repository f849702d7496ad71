/* The driver for the machine's virtio block devices. */
#ifndef DRIVERS_BLOCK_VIRTIO_BLK_H
#define DRIVERS_BLOCK_VIRTIO_BLK_H

struct pci_driver;
extern const struct pci_driver virtio_blk_driver;

#endif

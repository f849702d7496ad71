/* A guest's source of random bytes (virtio 1.2, 5.4), fed by kernel/cpu/random. */
#ifndef GUESTS_DEVICES_VIRTIO_RNG_H
#define GUESTS_DEVICES_VIRTIO_RNG_H

struct pci_root;
struct virtio_rng;
struct board;

/* NULL without memory or slots. Before vm_start(); thread context. */
struct virtio_rng *virtio_rng_create(const struct board *board, struct pci_root *root);
/* The VM has stopped. May sleep. NULL is fine. */
void virtio_rng_destroy(struct virtio_rng *rng);

#endif

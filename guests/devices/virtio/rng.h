/* A guest's source of random bytes (virtio 1.2, 5.4), fed by kernel/cpu/random. */
#ifndef GUESTS_DEVICES_VIRTIO_RNG_H
#define GUESTS_DEVICES_VIRTIO_RNG_H

#include "kernel/lib/types.h"

struct pci_root;
struct virtio_rng;
struct vm;

/* NULL without memory or slots. Before vm_start(); thread context. */
struct virtio_rng *virtio_rng_create(struct vm *vm, struct pci_root *root);
/* The VM has stopped. May sleep. NULL is fine. */
void virtio_rng_destroy(struct virtio_rng *rng);

/* Since the device was created; read by anyone. */
struct virtio_rng_info {
	uint64_t requests, bytes;
	uint64_t throttled; /* times that the limit made a request wait */
};
void virtio_rng_get_info(const struct virtio_rng *rng, struct virtio_rng_info *info);

#endif

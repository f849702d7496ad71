/*
 * Between the two files of the transport: registers.c, on vCPUs' threads, and virtio.c, on the
 * device's. And what the PCI layout of a virtio device looks like (virtio 1.2, 4.1.4).
 */
#ifndef GUESTS_DEVICES_VIRTIO_VIRTIO_INTERNAL_H
#define GUESTS_DEVICES_VIRTIO_VIRTIO_INTERNAL_H

#include "guests/devices/virtio/virtio.h"

/* Why the thread was woken; virtio->events. */
enum virtio_event {
	EVENT_WAKE = 1,	  /* virtio_wake() */
	EVENT_START = 2,  /* DRIVER_OK was set */
	EVENT_QUEUES = 4, /* a queue was enabled after that, or is to be reset */
	EVENT_RESET = 8,
	EVENT_QUIT = 16, /* the VM has stopped */
};

/* BARs. Kicks have ports of their own: an OUT is much cheaper for us than a store, whose
 * instruction must be fetched and decoded. A driver without ports has the other one. */
#define BAR_PORTS	 0
#define BAR_PORTS_BYTES	 4
#define BAR_MSIX	 1
#define BAR_REGISTERS	 2
#define REGISTERS_COMMON 0x000
#define REGISTERS_ISR	 0x100
#define REGISTERS_NOTIFY 0x200
#define REGISTERS_DEVICE 0x800
#define REGISTERS_BYTES	 0x1000

/* registers.c: the function's ops; its virtio capabilities, 0 or -ENOSPC; what a reset does to
 * registers, under the lock. */
extern const struct pci_function_ops virtio_pci_ops;
int virtio_add_capabilities(struct virtio *virtio);
void virtio_reset_registers(struct virtio *virtio);

/* virtio.c: any context; events are bits of enum virtio_event. */
void virtio_post(struct virtio *virtio, uint32_t events);
void virtio_kick(struct virtio *virtio, unsigned queue);

#endif

/*
 * One of the machine's virtio devices over PCI, from the driver's side (virtio 1.2, 3.1
 * and 4.1): its registers, features, status, and the memory of its queues. Devices that know
 * the legacy interface alone are refused. What a device does is its driver's; rings are
 * vring.h.
 */
#ifndef DRIVERS_VIRTIO_VDEV_H
#define DRIVERS_VIRTIO_VDEV_H

#include "drivers/bus/pci.h"
#include "drivers/virtio/vring.h"
#include "kernel/io/virtio.h"

/* Set up once; `features` change with vdev_start(). */
struct vdev {
	struct pci_device *pci;
	volatile void *bars[PCI_BARS]; /* mapped */
	volatile uint8_t *common;      /* struct virtio_pci_common */
	volatile uint8_t *notify;
	uint32_t notify_bytes, notify_multiplier;
	volatile uint8_t *isr;	  /* reading it clears it: 4.1.4.5 */
	volatile uint8_t *config; /* the device's own; NULL: it has none */
	uint32_t config_bytes;
	uint64_t features; /* negotiated */
};

struct vdev_queue {
	struct vring ring;
	uint16_t index;
	uint16_t vector; /* an index of pci_irq_connect(), or VIRTIO_NO_VECTOR */
	volatile uint16_t *doorbell;
	uint64_t ring_phys, tables_phys;
	unsigned ring_order, tables_order;
};

/* Whether it is a virtio device of this kind, transitional or not: 4.1.2. */
bool vdev_match(const struct pci_device *pci, enum virtio_id id);

/* Maps its registers. 0, -ENODEV (no modern interface; logged), -ENOMEM. Thread context. */
int vdev_open(struct vdev *v, struct pci_device *pci);
/* Resets it, and undoes vdev_open(). */
void vdev_close(struct vdev *v);

/* Resets the device, tells it of a driver, and agrees on those of `wanted` (a mask) that it
 * offers, with VERSION_1 and ACCESS_PLATFORM: 3.1.1. 0, -ENODEV (it is gone, or does not
 * reset), -EIO (it does not agree). Thread context; may sleep. From then on queues can be made,
 * and started. */
int vdev_negotiate(struct vdev *v, uint64_t wanted);

/* Whether this feature, a bit's number, was agreed on. */
static inline bool vdev_has(const struct vdev *v, unsigned feature)
{
	return v->features & BIT(feature);
}

/* Makes the memory of queue `index`, with at most `size` entries (a power of two), and where
 * indirect chains are agreed, tables of `entries` (0: none). 0, -ENODEV where the device has no
 * such queue, -ENOMEM. Once. */
int vdev_queue_init(struct vdev *v, struct vdev_queue *q, uint16_t index, unsigned size,
		    unsigned entries);
void vdev_queue_fini(
	struct vdev_queue *q); /* the device has been reset; a zeroed one is fine */

/* Empties the queue and gives it to the device. After each vdev_negotiate(). 0, or -EIO where
 * it does not take the vector. */
int vdev_queue_start(struct vdev *v, struct vdev_queue *q);

/* DRIVER_OK: the queues are in use. Changes of configuration interrupt by this vector. */
void vdev_start(struct vdev *v, uint16_t config_vector);

/* Has the device forget its queues. 0, or -ENODEV where it does not: then it is no bus master
 * any more. May sleep. */
int vdev_reset(struct vdev *v);

/* Whether it still answers, and has not asked for a reset itself: NULL, or why not, as a
 * phrase.
 */
const char *vdev_trouble(const struct vdev *v);

/* After vring_publish() said so. */
static inline void vdev_notify(const struct vdev_queue *q)
{
	*q->doorbell = q->index;
}

/* Device-specific configuration, consistent among fields: 2.5.3. What lies beyond reads as 0.
 * -EIO: it changed each of many times that it was read. */
int vdev_read_config(const struct vdev *v, unsigned offset, void *buf, unsigned bytes);

#endif

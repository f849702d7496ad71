/*
 * A small driver of virtio devices over PCI (virtio 1.2): both kinds of rings, polled. It keeps
 * the rules; for breaking them, rings and registers are open to the program.
 */
#ifndef TESTS_GUEST_LIB_VIRTIO_H
#define TESTS_GUEST_LIB_VIRTIO_H

#include "tests/guest/lib/cpu.h"

enum virtio_id { VIRTIO_NET = 1, VIRTIO_BLK = 2, VIRTIO_CONSOLE = 3, VIRTIO_RNG = 4 };

enum virtio_feature {
	VIRTIO_INDIRECT = 28,
	VIRTIO_EVENT_IDX = 29,
	VIRTIO_VERSION_1 = 32,
	VIRTIO_PACKED = 34,
	VIRTIO_RING_RESET = 40,
};

enum virtio_status {
	STATUS_ACKNOWLEDGE = 1,
	STATUS_DRIVER = 2,
	STATUS_DRIVER_OK = 4,
	STATUS_FEATURES_OK = 8,
	STATUS_NEEDS_RESET = 64,
};

enum desc_flags {
	DESC_NEXT = 1,
	DESC_WRITE = 2,
	DESC_INDIRECT = 4,
	DESC_AVAIL = 0x80, /* packed */
	DESC_USED = 0x8000,
};

#define VIRTIO_NO_VECTOR 0xffff

struct virtio_common { /* 4.1.4.3 */
	uint32_t device_feature_select, device_feature;
	uint32_t driver_feature_select, driver_feature;
	uint16_t config_vector, num_queues;
	uint8_t status, generation;
	uint16_t queue_select, queue_size, queue_vector, queue_enable, queue_notify_off;
	uint32_t queue_desc[2], queue_driver[2], queue_device[2];
	uint16_t queue_notify_data, queue_reset;
};

struct virtio_device {
	unsigned slot, id; /* id: enum virtio_id */
	volatile struct virtio_common *common;
	volatile uint8_t *isr, *config, *notify;
	uint16_t notify_port;	    /* 0: there are none */
	uint32_t notify_multiplier; /* of `notify` */
	uint32_t registers;	    /* the page that `common` is in */
	volatile uint32_t *msix;    /* the table; NULL: none */
	unsigned msix_capability, msix_vectors;
	uint64_t offered, features;
};

/* Split: flags, next. Packed: id, flags. */
struct virtio_desc {
	uint64_t addr;
	uint32_t bytes;
	uint16_t a, b;
};

#define RING_MAX    256
#define TABLE_DESCS 300 /* of the indirect table of a queue */
#define RING_DRIVER (RING_MAX * sizeof(struct virtio_desc))
#define RING_DEVICE (RING_DRIVER + 1024)
#define RING_TABLE  (RING_DEVICE + 3072)

struct virtio_ring {
	struct virtio_device *device;
	unsigned index, size;
	bool packed;
	volatile struct virtio_desc *desc;
	volatile uint16_t *driver, *used; /* the driver's and the device's areas */
	volatile struct virtio_desc *table;
	uint16_t next, taken; /* split: indices; packed: positions */
	bool wrap, taken_wrap;
};

struct virtio_buffer {
	uint64_t addr;
	uint32_t bytes;
	bool writable;
};

/* The virtio function in `slot`, or false where there is none. Masters the bus from then on. */
bool virtio_find(unsigned slot, struct virtio_device *device);

/* Ends the program where the device does not answer in time. */
void virtio_reset(struct virtio_device *device);
/* From a reset to FEATURES_OK with those of `features` that are offered, and VERSION_1. */
bool virtio_negotiate(struct virtio_device *device, uint64_t features);
/* Sets a queue up at `memory` (16 KiB, a page's alignment) and enables it. `size`: at most
 * RING_MAX; smaller where the device has less. False: there is no such queue. */
bool virtio_enable(struct virtio_device *device, struct virtio_ring *ring, unsigned index,
		   unsigned size, void *memory);
void virtio_start(struct virtio_device *device); /* DRIVER_OK */

/* One chain of up to four buffers, from the ring's next descriptors on. Does not kick. Several
 * may be under way, up to a fourth of the ring; but virtio_wait() knows one only. */
void virtio_add(struct virtio_ring *ring, const struct virtio_buffer *buffers, unsigned count);
void virtio_kick(struct virtio_device *device, unsigned queue);
/* Waits for one chain to come back: true, with *bytes; false: not within `limit_ms`, or the
 * device wants a reset. */
bool virtio_wait(struct virtio_ring *ring, uint32_t *bytes, unsigned limit_ms);
/* Waits for DEVICE_NEEDS_RESET. */
bool virtio_wait_broken(struct virtio_device *device, unsigned limit_ms);

/* Stores that the device must see in this order. */
static inline void virtio_barrier(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#endif

/*
 * A virtio device over PCI (virtio 1.2, 4.1): registers, features, status, queues, interrupts,
 * and the one thread that serves its queues. What a device does with a request is its own
 * file's: blk.c, net.c and so on fill a struct virtio_type.
 */
#ifndef GUESTS_DEVICES_VIRTIO_VIRTIO_H
#define GUESTS_DEVICES_VIRTIO_VIRTIO_H

#include "guests/devices/virtio/queue.h"
#include "guests/pci/pci.h"
#include "kernel/io/virtio.h"
#include "kernel/lib/cpumask.h"

struct thread;
struct virtio;

#define VIRTIO_QUEUES_MAX 32

/* A kind of device. All functions but config_* run on the device's thread, in the guest's
 * address space. */
struct virtio_type {
	const char *name; /* "virtio-blk" */
	uint16_t id;	  /* enum virtio_id */
	uint32_t class_code;
	uint64_t features;   /* the device's own bits; those of every device are added */
	uint16_t queue_size; /* largest; a power of two */
	uint32_t config_bytes;

	/* The driver set DRIVER_OK: queues that are enabled can be used. */
	void (*start)(struct virtio *virtio);
	/* Serves what there is to serve: queues that were kicked, completions, whatever woke
	 * the thread. `kicked`: a bit per queue. */
	void (*service)(struct virtio *virtio, uint64_t kicked);
	/* A reset, the VM's end, or a broken queue: nothing of the guest's may be touched once
	 * it returns; waits for what is under way. May sleep. */
	void (*stop)(struct virtio *virtio);
	/* The same for one queue, while the others go on (2.6.1); when it is used again,
	 * service() says so. NULL: VIRTIO_F_RING_RESET is not offered. */
	void (*queue_stop)(struct virtio *virtio, unsigned queue);
	/* Device-specific configuration. On a vCPU's thread; must not sleep. `config_read` may
	 * be NULL: virtio->config is read as it is; config_write NULL: read-only. */
	void (*config_read)(struct virtio *virtio);
	void (*config_write)(struct virtio *virtio, unsigned offset, unsigned bytes,
			     uint32_t value);
};

struct virtio_queue {
	struct virtq q;
	bool enabled;		 /* by the driver: what the thread uses is fixed from then on */
	bool resetting;		 /* the driver waits for the thread to let go of it */
	_Atomic uint16_t vector; /* MSI-X, VIRTIO_NO_VECTOR: none */
	_Atomic uint64_t kicks, interrupts; /* counters */
};

/*
 * Embedded in the device, zeroed. `lock` guards what registers show; it is taken with
 * interrupts off, and pci.lock may be taken in it. Rings, and all that start() to stop() use,
 * belong to the device's thread.
 */
struct virtio {
	struct pci_function pci; /* first */
	const struct virtio_type *type;
	const struct board *board;
	char name[32]; /* "virtio-blk 00:02.0", for logs */
	unsigned queue_count;
	struct virtio_queue queues[VIRTIO_QUEUES_MAX];
	void *config; /* config_bytes, little-endian */

	struct spinlock lock;
	uint64_t offered, features; /* features: what the driver accepted, once FEATURES_OK */
	uint8_t status;
	bool resetting;	    /* the driver waits for status to read 0 */
	uint8_t generation; /* of config */
	uint8_t isr;
	_Atomic uint16_t config_vector;
	uint16_t queue_select;
	uint32_t device_select, driver_select; /* of feature words */
	uint64_t driver_features;	       /* as written so far */
	unsigned access_capability;	       /* offset of VIRTIO_PCI_CAP_PCI_CFG */

	_Atomic uint64_t kicked; /* a bit per queue */
	_Atomic uint32_t events; /* for the thread: transport.h */
	struct thread *thread;
	bool running;		/* the thread's: between start() and stop() */
	unsigned broken_logged; /* the thread's: lines so far */
};

/*
 * Puts the device on the guest's bus and creates its thread, which runs on the housekeeping
 * CPUs. The caller has set `queue_count` and `config`; `features` are the device's own to offer
 * in this instance (a subset of the type's). 0, -ENOMEM, -ENOSPC, with nothing left behind.
 * Before vm_start().
 */
int virtio_create(struct virtio *virtio, const struct virtio_type *type,
		  const struct board *board, struct pci_root *root, uint64_t features);
/* The VM has stopped: ends the thread, after type->stop(). May sleep. Nothing for a device that
 * was not created. */
void virtio_destroy(struct virtio *virtio);

static inline bool virtio_has(const struct virtio *virtio, unsigned feature)
{
	return virtio->features >> feature & 1;
}

/* Wakes the device's thread: it will call service(). Any context. */
void virtio_wake(struct virtio *virtio);

/* Tells the driver of used chains of this queue, if it wants to be told. On the device's
 * thread.
 */
void virtio_interrupt(struct virtio *virtio, unsigned queue);
/* Changes `bytes` of the device's configuration at `offset`, and tells the driver (virtio 1.2,
 * 2.5 and 4.1.5.4). Any context. */
void virtio_config_set(struct virtio *virtio, unsigned offset, const void *value,
		       unsigned bytes);
/* The driver broke the rules: logs why, and sets DEVICE_NEEDS_RESET. Once start(), service() or
 * queue_stop() has returned, stop() follows; nothing is served until the driver resets the
 * device. On the device's thread. */
void virtio_broken(struct virtio *virtio, const char *why);

#endif

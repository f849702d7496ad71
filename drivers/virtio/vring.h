/*
 * A split virtqueue from the driver's side (virtio 1.2, 2.7): the machine's virtio devices,
 * when the hypervisor runs in another one. Memory and arithmetic alone, so it runs on the build
 * machine; registers are vdev.h. The device's side, for guests, is guests/devices/virtio/queue.
 */
#ifndef DRIVERS_VIRTIO_VRING_H
#define DRIVERS_VIRTIO_VRING_H

#include "kernel/io/virtio.h" /* first: newlib's stdatomic.h wants stdint.h */

#include <stdatomic.h>

#define VRING_SIZE_MAX 256 /* of ours; devices offer up to 32768 */

struct vring_buffer {
	uint64_t phys;
	uint32_t bytes;
};

/* All fields are the ring's own. Who uses one sees to it that nobody else does meanwhile. */
struct vring {
	uint16_t size; /* a power of two */
	bool event_index;
	bool broken; /* the device gave back what it did not have: it takes a reset */
	struct virtq_desc *desc;
	struct virtq_avail *avail;
	struct virtq_used_ring *used;
	_Atomic uint16_t *used_event;	/* the driver's wish: 2.7.10 */
	volatile uint16_t *avail_event; /* the device's */
	uint64_t desc_phys, avail_phys, used_phys;
	/* A table for each descriptor, where chains are indirect; else NULL. */
	struct virtq_desc *tables;
	uint64_t tables_phys;
	unsigned table_entries;

	uint16_t free_first, free_count; /* chained by `next` */
	uint16_t added;			 /* the index to be published */
	uint16_t kicked;		 /* what it was when the device was last notified */
	uint16_t taken;			 /* of the used ring */
	void *tokens[VRING_SIZE_MAX];	 /* by the chain's first descriptor; NULL: not in use */
};

/* Bytes of memory that a ring takes, and its tables of `entries` descriptors for each chain;
 * both aligned to 16. */
size_t vring_bytes(unsigned size);
size_t vring_table_bytes(unsigned size, unsigned entries);

/* Lays the ring out in zeroed memory of vring_bytes(). */
void vring_init(struct vring *r, unsigned size, void *memory, uint64_t phys);
/* Has chains of several buffers use tables, in memory of vring_table_bytes(), when `memory` is
 * not NULL. The device must have accepted VIRTIO_F_INDIRECT_DESC. After vring_init(). */
void vring_set_tables(struct vring *r, unsigned entries, void *memory, uint64_t phys);
/* Empties it, as it was after vring_init(): the device has been reset. Tokens are forgotten. */
void vring_reset(struct vring *r, bool event_index);

/* The id of the chain that vring_add() would make next: for memory that goes with it. Below
 * `size`; there is room. */
static inline unsigned vring_next_id(const struct vring *r)
{
	return r->free_first;
}

/* Whether a chain of `buffers` fits now. */
bool vring_has_room(const struct vring *r, unsigned buffers);

/* Whether the device has nothing of ours. */
static inline bool vring_is_idle(const struct vring *r)
{
	return r->free_count == r->size;
}

/* Adds a chain: `out` buffers that the device reads, then `in` that it writes; one at least.
 * The token is not NULL. 0, or -EAGAIN while there is no room, -E2BIG: there never is. The
 * device sees it after vring_publish(). */
int vring_add(struct vring *r, const struct vring_buffer *buffers, unsigned out, unsigned in,
	      void *token);
/* True: the device wants to be notified of what was added. */
bool vring_publish(struct vring *r);

/* The token of the next chain that the device is done with, or NULL: none, or it is broken. */
void *vring_take(struct vring *r, uint32_t *bytes_written);

/* Takes the token of any chain, whether the device is done with it or not: it has been reset,
 * and vring_reset() follows. NULL: there is none left. */
void *vring_abandon(struct vring *r);

/* Asks for an interrupt when the device is done with another; true: it is already, take again.
 */
bool vring_interrupt_on(struct vring *r);
void vring_interrupt_off(struct vring *r);

#endif

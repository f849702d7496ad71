/*
 * A virtqueue, split or packed, as the device sees it (virtio 1.2, 2.7 and 2.8): takes
 * descriptor chains, each copied once and then checked, and gives them back. Reaches guest
 * memory by gmem alone; knows nothing of transports, so it runs, and is fuzzed, on the build
 * machine.
 */
#ifndef GUESTS_DEVICES_VIRTIO_QUEUE_H
#define GUESTS_DEVICES_VIRTIO_QUEUE_H

#include "kernel/lib/types.h"

struct gmem;

#define VIRTQ_SIZE_MAX	   1024
#define VIRTQ_SEGMENTS_MAX 256 /* of one chain */

struct virtq_segment {
	uint64_t gpa; /* [gpa, gpa + bytes) is RAM */
	uint32_t bytes;
};

/* A chain that the device has taken. All in it is checked, and is the device's own copy. */
struct virtq_chain {
	uint16_t id;	      /* what virtq_push() gives back */
	uint16_t descriptors; /* ring slots it occupies (packed); 1 (split) */
	unsigned readable;    /* segments[0 .. readable - 1] are to be read by the device, */
	unsigned count;	      /* ... and segments[readable .. count - 1] to be written */
	uint32_t readable_bytes, writable_bytes;
	struct virtq_segment segments[VIRTQ_SEGMENTS_MAX];
};

/* One queue's state. Only its device's thread uses a queue that is enabled; the transport sets
 * it up before and after. */
struct virtq {
	struct gmem *gm;
	uint16_t size; /* entries */
	uint64_t desc_gpa, driver_gpa, device_gpa;
	bool packed, event_idx, indirect;
	bool broken;
	const char *why; /* a phrase: what the guest did wrong; once broken */

	/* From virtq_start() on. */
	bool live;		      /* started and not broken */
	void *desc, *driver, *device; /* the three areas in the guest's window, pinned */
	/* Split: free-running indices. Packed: ring positions with wrap counters. */
	uint16_t last_avail, used;
	bool avail_wrap, used_wrap;
	uint16_t unsignalled; /* slots pushed since virtq_should_interrupt() */
	uint16_t in_flight;   /* slots taken and not pushed */
	uint64_t in_flight_ids[VIRTQ_SIZE_MAX / 64]; /* a bit per id */
};

/*
 * Begins to use a queue: addresses, size and features are set, and stay until virtq_stop(). The
 * rings are populated and pinned. -EINVAL with `why` set where they aren't in RAM, aligned
 * (2.7, 2.8.10), or `size` is wrong for the kind; -ENOMEM. On the device's thread, in the
 * guest's address space, as all of the following.
 */
int virtq_start(struct virtq *q);
/* Lets go of the rings. What is in flight is forgotten. A queue that is not started: nothing.
 */
void virtq_stop(struct virtq *q);

/*
 * Takes the next chain. 1: there is one. 0: none for now. -EINVAL: the queue is broken (q->why
 * says what the guest did): loops, overlong chains, wrong directions, what isn't RAM, IDs in
 * use, rings that run ahead. From then on nothing is taken and nothing given back.
 */
int virtq_pop(struct virtq *q, struct virtq_chain *chain);
/* Puts the last chain taken back; then, if need be, the one before it, and so on. `chain`: its
 * id and descriptors. */
void virtq_unpop(struct virtq *q, const struct virtq_chain *chain);

/* Gives a chain back with `bytes` written to it. `id` and `descriptors` are the chain's. */
void virtq_push(struct virtq *q, uint16_t id, uint16_t descriptors, uint32_t bytes);

/* The same for several at once, in this order: the driver sees either none of them or all. At
 * most the queue's size. */
struct virtq_used {
	uint16_t id, descriptors;
	uint32_t bytes;
};
void virtq_push_all(struct virtq *q, const struct virtq_used *used, unsigned count);

/* Whether the driver wants to be interrupted for what was pushed since it was last asked (event
 * index, or the flag). */
bool virtq_should_interrupt(struct virtq *q);

/* Asks the driver to notify us of new chains, or not to. After turning it on, look once more:
 * virtq_pop() may find some; returns true then. */
bool virtq_notify_on(struct virtq *q);
void virtq_notify_off(struct virtq *q);

/* Copies to or from a chain's readable or writable part from byte `at` of it on. Returns the
 * bytes copied: less than asked at the part's end. */
uint32_t virtq_read(struct virtq *q, const struct virtq_chain *chain, uint32_t at, void *buf,
		    uint32_t bytes);
uint32_t virtq_write(struct virtq *q, const struct virtq_chain *chain, uint32_t at,
		     const void *buf, uint32_t bytes);

#endif

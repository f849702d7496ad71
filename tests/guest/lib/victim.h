/*
 * A virtio device that a program mistreats, one after the other of those that this guest has:
 * how it is set up in order, and whether it still serves afterwards.
 */
#ifndef TESTS_GUEST_LIB_VICTIM_H
#define TESTS_GUEST_LIB_VICTIM_H

#include "tests/guest/lib/virtio.h"

#define VICTIM_LIMIT_MS 3000 /* for what the device must do */
#define VICTIM_RING	16   /* entries */
#define VICTIM_QUEUES	3    /* at most, of each device, are used */

struct victim {
	struct virtio_device device;
	struct virtio_ring ring[VICTIM_QUEUES];
	uint64_t format; /* feature bits of the ring's kind */
	uint8_t request[64] __attribute__((aligned(64)));
	uint8_t rings[VICTIM_QUEUES][16384] __attribute__((aligned(4096)));
	uint8_t data[65536] __attribute__((aligned(4096)));
};

extern struct victim victim;

/* Calls `attack` for each device, with each kind of rings and each way of asking for quiet
 * once. The program has failed where there is no device. */
void victim_each(void (*attack)(void));

/* From a reset to DRIVER_OK, with empty rings. */
void victim_set_up(void);

/* The queue that requests of the device go to, and its ring. */
unsigned victim_queue(void);
struct virtio_ring *victim_work(void);

struct virtio_buffer victim_buffer(volatile void *at, uint32_t bytes, bool writable);
/* The chain of a request that such a device serves, at most three buffers; returns how many. */
unsigned victim_proper(struct virtio_buffer *buffers);

/* Whether it serves such a request now. */
bool victim_serves(void);
/* Checks that a reset makes it serve. */
void victim_mended(const char *name);

/* What a failed check calls it: kind of device, s or p (split, packed), f or e (by flags, by
 * event index). Valid until the next call. */
const char *victim_kind(void);

#endif

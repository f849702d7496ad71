/*
 * What split.c and packed.c share, and what queue.c calls in them: single loads and stores of
 * the rings, whose formats are kernel/io/virtio.h. For these three files alone.
 */
#ifndef GUESTS_DEVICES_VIRTIO_QUEUE_INTERNAL_H
#define GUESTS_DEVICES_VIRTIO_QUEUE_INTERNAL_H

#include "guests/devices/virtio/queue.h" /* first: newlib's stdatomic.h wants stdint.h */

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "kernel/cpu/cpu.h"
#include "kernel/io/virtio.h"

/* Ring fields are read and written with one instruction each, between user_access_begin() and
 * user_access_end(): the driver uses them at the same time. Loads acquire and stores release,
 * which are virtio 1.2's barriers of 2.7.13 and 2.8.21 and cost nothing on x86; where a store
 * must be seen before a later load, ring_fence() stands. */
static inline uint16_t ring_load16(const uint16_t *at)
{
	return atomic_load_explicit((const _Atomic uint16_t *)at, memory_order_acquire);
}

static inline uint32_t ring_load32(const uint32_t *at)
{
	return atomic_load_explicit((const _Atomic uint32_t *)at, memory_order_acquire);
}

static inline void ring_store16(uint16_t *at, uint16_t value)
{
	atomic_store_explicit((_Atomic uint16_t *)at, value, memory_order_release);
}

static inline void ring_store32(uint32_t *at, uint32_t value)
{
	atomic_store_explicit((_Atomic uint32_t *)at, value, memory_order_release);
}

static inline void ring_fence(void)
{
	atomic_thread_fence(memory_order_seq_cst);
}

/* A descriptor's copy. The half that holds the packed ring's flags is read first. */
static inline struct virtq_desc ring_load_desc(const struct virtq_desc *at)
{
	const _Atomic uint64_t *half = (const void *)at;
	uint64_t copy[2];
	struct virtq_desc desc;

	copy[1] = atomic_load_explicit(&half[1], memory_order_acquire);
	copy[0] = atomic_load_explicit(&half[0], memory_order_relaxed);
	memcpy(&desc, copy, sizeof(desc));
	return desc;
}

/* Marks the queue as broken. `why`: a phrase. Returns -EINVAL. */
int virtq_break(struct virtq *q, const char *why);

/* An empty chain; then its segments, each checked against memory and the chain so far. 0, or
 * -EINVAL with the queue broken. */
void chain_begin(struct virtq_chain *chain);
int chain_add(struct virtq *q, struct virtq_chain *chain, const struct virtq_desc *desc,
	      bool writable);
/* The chain is whole: its ID must be free, and is taken. 0, or -EINVAL with the queue broken.
 */
int chain_end(struct virtq *q, struct virtq_chain *chain, uint16_t id, uint16_t descriptors);

/* A table of indirect descriptors (2.7.5.3, 2.8.8), copied a piece at a time. */
#define TABLE_PIECE 8
struct desc_table {
	uint64_t gpa;
	uint32_t count;
	uint32_t first, copied; /* what `piece` holds */
	struct virtq_desc piece[TABLE_PIECE];
};

/* 0, or -EINVAL with the queue broken: not negotiated, not a table. */
int table_open(struct virtq *q, struct desc_table *table, const struct virtq_desc *desc);
/* Descriptor `index`, below `count`; NULL with the queue broken: not RAM. Each is copied once,
 * as long as `index` grows. */
const struct virtq_desc *table_at(struct virtq *q, struct desc_table *table, uint32_t index);

/* Whether an event index `event` lies in the last q->unsignalled slots before `end`. */
static inline bool ring_passed(const struct virtq *q, uint16_t event, uint16_t end)
{
	return virtq_passed(event, end, (uint16_t)(end - q->unsignalled));
}

struct ring_layout {
	uint32_t desc_bytes, driver_bytes, device_bytes;
	unsigned driver_align, device_align;
};

/* The functions of queue.h for one format, on a queue that is live. */
struct ring_layout split_layout(uint16_t size);
int split_pop(struct virtq *q, struct virtq_chain *chain);
void split_push(struct virtq *q, const struct virtq_used *chains, unsigned count);
bool split_should_interrupt(struct virtq *q);
bool split_notify_on(struct virtq *q);
void split_notify_off(struct virtq *q);

struct ring_layout packed_layout(uint16_t size);
int packed_pop(struct virtq *q, struct virtq_chain *chain);
void packed_unpop(struct virtq *q, uint16_t descriptors);
void packed_push(struct virtq *q, const struct virtq_used *chains, unsigned count);
bool packed_should_interrupt(struct virtq *q);
bool packed_notify_on(struct virtq *q);
void packed_notify_off(struct virtq *q);

#endif

/*
 * The driver's side of a virtqueue (virtio 1.2, 2.7.13, 2.8.21), split or packed, in the memory
 * of a fake_gmem: adds chains, takes used ones, says when a driver would notify the device.
 * Well-behaved; a test that wants otherwise writes into the rings itself.
 */
#ifndef TESTS_UNIT_VIRTQ_DRIVER_H
#define TESTS_UNIT_VIRTQ_DRIVER_H

#include "guests/devices/virtio/queue.h"
#include "tests/unit/fake_gmem.h"

#define DRIVER_NEXT	0x0001
#define DRIVER_WRITE	0x0002
#define DRIVER_INDIRECT 0x0004
#define DRIVER_AVAIL	0x0080
#define DRIVER_USED	0x8000

struct driver_desc { /* split: a = flags, b = next; packed: a = id, b = flags */
	uint64_t addr;
	uint32_t bytes;
	uint16_t a, b;
};

struct driver_buffer {
	uint64_t gpa;
	uint32_t bytes;
	bool writable;
};

struct virtq_driver {
	struct fake_gmem *fake;
	struct virtq *q;
	uint64_t tables; /* GPA: one indirect table of 64 descriptors for each ID */
	uint16_t free[VIRTQ_SIZE_MAX], free_count; /* split: descriptors; packed: IDs */
	uint16_t chain[VIRTQ_SIZE_MAX];		   /* by ID: ring slots of the chain */
	uint16_t slots_free;			   /* packed */
	uint16_t next;				   /* split: avail idx; packed: position */
	uint16_t used;				   /* the same, of what was taken back */
	bool wrap, used_wrap;
	uint16_t added; /* slots, since driver_kicks() */
};

static inline struct driver_desc *driver_desc(struct virtq_driver *d, uint16_t index)
{
	return fake_gmem_put(d->fake, d->q->desc_gpa, struct driver_desc) + index;
}

/* Split: a word of the available ring: 0 flags, 1 idx, 2 ring[0] ... */
static inline uint16_t *driver_avail(struct virtq_driver *d, unsigned word)
{
	return fake_gmem_put(d->fake, d->q->driver_gpa, uint16_t) + word;
}

/* Split: a word of the used ring: 0 flags, 1 idx, 2 ... 5 ring[0] ... */
static inline uint16_t *driver_used(struct virtq_driver *d, unsigned word)
{
	return fake_gmem_put(d->fake, d->q->device_gpa, uint16_t) + word;
}

/* Where the driver asks for interrupts: split, event index: used_event; packed: the whole
 * structure, event in the low half. */
static inline void driver_ask(struct virtq_driver *d, uint32_t event)
{
	if (d->q->packed)
		*fake_gmem_put(d->fake, d->q->driver_gpa, uint32_t) = event;
	else
		*driver_avail(d, 2u + d->q->size) = (uint16_t)event;
}

/* A queue whose addresses, size and features are set, and whose rings are zero. */
static inline void driver_init(struct virtq_driver *d, struct fake_gmem *fake, struct virtq *q,
			       uint64_t tables)
{
	*d = (struct virtq_driver){.fake = fake, .q = q, .tables = tables};
	d->wrap = d->used_wrap = true;
	d->slots_free = q->size;
	for (unsigned i = 0; i < q->size; i++)
		d->free[d->free_count++] = (uint16_t)(q->size - 1 - i);
}

static inline uint16_t driver_flags(const struct driver_buffer *buffer, bool more)
{
	return (uint16_t)((buffer->writable ? DRIVER_WRITE : 0) | (more ? DRIVER_NEXT : 0));
}

/* Writes the table of `id`; returns a buffer that is the table. */
static inline struct driver_buffer driver_table(struct virtq_driver *d, uint16_t id,
						const struct driver_buffer *buffers,
						unsigned count)
{
	uint64_t gpa = d->tables + id * 64ull * sizeof(struct driver_desc);
	struct driver_desc *desc = fake_gmem_put(d->fake, gpa, struct driver_desc);

	for (unsigned i = 0; i < count; i++) {
		uint16_t flags = driver_flags(&buffers[i], !d->q->packed && i + 1 < count);

		desc[i] = (struct driver_desc){buffers[i].gpa, buffers[i].bytes, 0, 0};
		if (d->q->packed)
			desc[i].b = flags;
		else
			desc[i].a = flags, desc[i].b = (uint16_t)(i + 1);
	}
	return (struct driver_buffer){gpa, (uint32_t)(count * sizeof(struct driver_desc)),
				      false};
}

static inline int driver_add_split(struct virtq_driver *d, const struct driver_buffer *buffers,
				   unsigned count, uint16_t extra)
{
	uint16_t head;

	if (d->free_count < count)
		return -1;
	head = d->free[d->free_count - 1];
	for (unsigned i = 0; i < count; i++) {
		uint16_t at = d->free[--d->free_count];

		*driver_desc(d, at) = (struct driver_desc){
			buffers[i].gpa, buffers[i].bytes,
			(uint16_t)(driver_flags(&buffers[i], i + 1 < count) | extra),
			i + 1 < count ? d->free[d->free_count - 1] : 0};
	}
	d->chain[head] = (uint16_t)count;
	*driver_avail(d, 2u + d->next % d->q->size) = head;
	*driver_avail(d, 1) = ++d->next;
	d->added++;
	return head;
}

static inline int driver_add_packed(struct virtq_driver *d, const struct driver_buffer *buffers,
				    unsigned count, uint16_t extra)
{
	uint16_t id;

	if (d->slots_free < count)
		return -1;
	id = d->free[--d->free_count];
	d->slots_free = (uint16_t)(d->slots_free - count);
	for (unsigned i = 0; i < count; i++) {
		uint16_t flags = (uint16_t)(driver_flags(&buffers[i], i + 1 < count) | extra |
					    (d->wrap ? DRIVER_AVAIL : DRIVER_USED));

		*driver_desc(d, d->next) = (struct driver_desc){
			buffers[i].gpa, buffers[i].bytes, i + 1 < count ? 0xdead : id, flags};
		if (++d->next == d->q->size) {
			d->next = 0;
			d->wrap = !d->wrap;
		}
	}
	d->chain[id] = (uint16_t)count;
	d->added = (uint16_t)(d->added + count);
	return id;
}

/* Makes a chain available. Its ID, or -1: the ring is full. */
static inline int driver_add(struct virtq_driver *d, const struct driver_buffer *buffers,
			     unsigned count, bool indirect)
{
	struct driver_buffer table;
	uint16_t extra = 0;

	if (indirect && d->free_count) {
		table = driver_table(d, d->free[d->free_count - 1], buffers, count);
		buffers = &table;
		count = 1;
		extra = DRIVER_INDIRECT;
	}
	return d->q->packed ? driver_add_packed(d, buffers, count, extra)
			    : driver_add_split(d, buffers, count, extra);
}

static inline void driver_free_split(struct virtq_driver *d, uint16_t head)
{
	uint16_t freed[VIRTQ_SIZE_MAX], count = 0;

	for (uint16_t at = head; count < d->chain[head]; at = driver_desc(d, at)->b)
		freed[count++] = at;
	while (count)
		d->free[d->free_count++] = freed[--count];
}

/* Takes back a chain that the device used. Its ID, or -1: there is none. */
static inline int driver_take(struct virtq_driver *d, uint32_t *bytes)
{
	uint16_t id;

	if (!d->q->packed) {
		const uint32_t *elem =
			(const uint32_t *)driver_used(d, 2u + d->used % d->q->size * 4u);

		if (*driver_used(d, 1) == d->used)
			return -1;
		d->used++;
		*bytes = elem[1];
		driver_free_split(d, (uint16_t)elem[0]);
		return (int)elem[0];
	}
	const struct driver_desc *desc = driver_desc(d, d->used);
	bool avail = desc->b & DRIVER_AVAIL, used = desc->b & DRIVER_USED;

	if (avail != used || used != d->used_wrap)
		return -1;
	id = desc->a;
	*bytes = desc->bytes;
	d->used = (uint16_t)(d->used + d->chain[id]);
	if (d->used >= d->q->size) {
		d->used = (uint16_t)(d->used - d->q->size);
		d->used_wrap = !d->used_wrap;
	}
	d->slots_free = (uint16_t)(d->slots_free + d->chain[id]);
	d->free[d->free_count++] = id;
	return id;
}

/* Whether a driver would notify the device for what it has added since it was last asked. */
static inline bool driver_kicks(struct virtq_driver *d)
{
	uint16_t added = d->added, event;

	d->added = 0;
	if (!d->q->packed) {
		event = *driver_used(d, 2u + d->q->size * 4u);
		if (!d->q->event_idx)
			return !(*driver_used(d, 0) & 1);
		return (uint16_t)(d->next - event - 1) < added;
	}
	uint32_t all = *fake_gmem_at(d->fake, d->q->device_gpa, uint32_t);

	if (all >> 16 < 2)
		return !(all >> 16);
	event = all & 0x7fff;
	if ((bool)(all & 0x8000) != d->wrap)
		event = (uint16_t)(event - d->q->size);
	return (uint16_t)(d->next - event - 1) < added;
}

#endif

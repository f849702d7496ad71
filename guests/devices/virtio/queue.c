/*
 * What both formats of a virtqueue have in common: where the rings are, chains and their
 * checks, indirect tables, copying. The rings themselves are in split.c and packed.c.
 */
#include "guests/devices/virtio/queue.h"

#include "guests/devices/virtio/queue_internal.h"
#include "kernel/vmm/gmem.h"

int virtq_break(struct virtq *q, const char *why)
{
	q->broken = true;
	q->live = false;
	q->why = why;
	return -EINVAL;
}

/* Gives back the pins of the chunks that [gpa, end) touches. */
static void unpin(struct virtq *q, uint64_t gpa, uint64_t end)
{
	for (; gpa < end; gpa = ALIGN_DOWN(gpa, PAGE_2M) + PAGE_2M)
		gmem_unpin(q->gm, gpa);
}

/* Makes one area present and keeps it so; where it is in the window goes to *at. A range of RAM
 * is in one piece there, whichever chunks it is made of. */
static int pin_area(struct virtq *q, uint64_t gpa, uint32_t bytes, unsigned align, void **at)
{
	uint64_t hpa, piece;

	if (!IS_ALIGNED(gpa, align))
		return virtq_break(q, "a ring is not aligned");
	if (!gmem_is_ram(q->gm, gpa, bytes))
		return virtq_break(q, "a ring is not in RAM");
	for (uint64_t done = 0; done < bytes; done += piece) {
		int err;

		piece = bytes - done;
		err = gmem_pin(q->gm, gpa + done, &hpa, &piece);
		if (err) {
			unpin(q, gpa, gpa + done);
			return err;
		}
	}
	*at = (void *)(GUEST_WINDOW_BASE + gpa);
	return 0;
}

static struct ring_layout layout_of(const struct virtq *q)
{
	return q->packed ? packed_layout(q->size) : split_layout(q->size);
}

static int pin_rings(struct virtq *q)
{
	struct ring_layout l = layout_of(q);
	int err;

	err = pin_area(q, q->desc_gpa, l.desc_bytes, VIRTQ_DESC_ALIGN, &q->desc);
	if (err)
		return err;
	err = pin_area(q, q->driver_gpa, l.driver_bytes, l.driver_align, &q->driver);
	if (err)
		goto no_driver;
	err = pin_area(q, q->device_gpa, l.device_bytes, l.device_align, &q->device);
	if (err)
		goto no_device;
	return 0;
no_device:
	unpin(q, q->driver_gpa, q->driver_gpa + l.driver_bytes);
no_driver:
	unpin(q, q->desc_gpa, q->desc_gpa + l.desc_bytes);
	q->desc = NULL;
	return err;
}

int virtq_start(struct virtq *q)
{
	int err;

	q->broken = false;
	q->why = NULL;
	if (!q->size || q->size > VIRTQ_SIZE_MAX)
		return virtq_break(q, "a queue's size is out of range");
	if (!q->packed && q->size & (q->size - 1))
		return virtq_break(q, "a queue's size is not a power of two");
	err = pin_rings(q);
	if (err)
		return err;
	q->last_avail = q->used = 0;
	q->avail_wrap = q->used_wrap = true; /* 2.8.1 */
	q->unsignalled = q->in_flight = 0;
	memset(q->in_flight_ids, 0, sizeof(q->in_flight_ids));
	q->live = true;
	return 0;
}

void virtq_stop(struct virtq *q)
{
	struct ring_layout l = layout_of(q);

	q->live = false;
	if (!q->desc)
		return;
	unpin(q, q->desc_gpa, q->desc_gpa + l.desc_bytes);
	unpin(q, q->driver_gpa, q->driver_gpa + l.driver_bytes);
	unpin(q, q->device_gpa, q->device_gpa + l.device_bytes);
	q->desc = q->driver = q->device = NULL;
}

void chain_begin(struct virtq_chain *chain)
{
	chain->readable = chain->count = 0;
	chain->readable_bytes = chain->writable_bytes = 0;
}

int chain_add(struct virtq *q, struct virtq_chain *chain, const struct virtq_desc *desc,
	      bool writable)
{
	uint32_t *total = writable ? &chain->writable_bytes : &chain->readable_bytes;

	if (unlikely(chain->count == VIRTQ_SEGMENTS_MAX))
		return virtq_break(q, "a chain is too long");
	if (unlikely(!desc->bytes))
		return virtq_break(q, "a descriptor has no bytes");
	if (unlikely(!gmem_is_ram(q->gm, desc->addr, desc->bytes)))
		return virtq_break(q, "a descriptor is not in RAM");
	if (unlikely(!writable && chain->readable != chain->count))
		return virtq_break(q, "a descriptor to be read follows one to be written");
	/* 2.7.4.2: no chain has more than 2^32 bytes in all. */
	if (unlikely((uint64_t)chain->readable_bytes + chain->writable_bytes + desc->bytes >
		     UINT32_MAX))
		return virtq_break(q, "a chain has too many bytes");
	chain->segments[chain->count++] = (struct virtq_segment){desc->addr, desc->bytes};
	*total += desc->bytes;
	chain->readable += !writable;
	return 0;
}

static bool id_in_flight(const struct virtq *q, uint16_t id)
{
	return q->in_flight_ids[id / 64] >> id % 64 & 1;
}

int chain_end(struct virtq *q, struct virtq_chain *chain, uint16_t id, uint16_t descriptors)
{
	if (unlikely(id >= q->size))
		return virtq_break(q, "a buffer ID is out of range");
	if (unlikely(id_in_flight(q, id)))
		return virtq_break(q, "a buffer ID is in use");
	q->in_flight_ids[id / 64] |= BIT(id % 64);
	q->in_flight = (uint16_t)(q->in_flight + descriptors);
	chain->id = id;
	chain->descriptors = descriptors;
	return 0;
}

/* The chain is the driver's again. False when it was not ours. */
static bool forget(struct virtq *q, uint16_t id, uint16_t descriptors)
{
	if (!q->live || id >= q->size || !id_in_flight(q, id))
		return false;
	q->in_flight_ids[id / 64] &= ~BIT(id % 64);
	q->in_flight = (uint16_t)(q->in_flight - descriptors);
	return true;
}

int table_open(struct virtq *q, struct desc_table *table, const struct virtq_desc *desc)
{
	if (!q->indirect)
		return virtq_break(q, "an indirect descriptor, which was not negotiated");
	if (!desc->bytes || desc->bytes % sizeof(*desc))
		return virtq_break(q, "an indirect table's length is wrong");
	if (!gmem_is_ram(q->gm, desc->addr, desc->bytes))
		return virtq_break(q, "an indirect table is not in RAM");
	table->gpa = desc->addr;
	table->count = desc->bytes / sizeof(*desc);
	table->first = table->copied = 0;
	return 0;
}

const struct virtq_desc *table_at(struct virtq *q, struct desc_table *table, uint32_t index)
{
	if (index - table->first >= table->copied) {
		uint64_t gpa = table->gpa + (uint64_t)index * sizeof(struct virtq_desc);

		table->first = index;
		table->copied = MIN(table->count - index, (uint32_t)TABLE_PIECE);
		if (gmem_read(q->gm, gpa, table->piece,
			      table->copied * sizeof(struct virtq_desc))) {
			virtq_break(q, "an indirect table cannot be read");
			return NULL;
		}
	}
	return &table->piece[index - table->first];
}

int virtq_pop(struct virtq *q, struct virtq_chain *chain)
{
	if (unlikely(!q->live))
		return q->broken ? -EINVAL : 0;
	return q->packed ? packed_pop(q, chain) : split_pop(q, chain);
}

void virtq_unpop(struct virtq *q, const struct virtq_chain *chain)
{
	if (!forget(q, chain->id, chain->descriptors))
		return;
	if (q->packed)
		packed_unpop(q, chain->descriptors);
	else
		q->last_avail--;
}

void virtq_push(struct virtq *q, uint16_t id, uint16_t descriptors, uint32_t bytes)
{
	const struct virtq_used used = {id, descriptors, bytes};

	virtq_push_all(q, &used, 1);
}

void virtq_push_all(struct virtq *q, const struct virtq_used *used, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (unlikely(!forget(q, used[i].id, used[i].descriptors)))
			return;
		q->unsignalled =
			(uint16_t)MIN(q->unsignalled + used[i].descriptors, UINT16_MAX);
	}
	if (!count)
		return;
	if (q->packed)
		packed_push(q, used, count);
	else
		split_push(q, used, count);
}

bool virtq_should_interrupt(struct virtq *q)
{
	bool should;

	if (!q->live || !q->unsignalled)
		return false;
	should = q->packed ? packed_should_interrupt(q) : split_should_interrupt(q);
	q->unsignalled = 0;
	return should;
}

bool virtq_notify_on(struct virtq *q)
{
	if (!q->live)
		return false;
	return q->packed ? packed_notify_on(q) : split_notify_on(q);
}

void virtq_notify_off(struct virtq *q)
{
	if (!q->live)
		return;
	if (q->packed)
		packed_notify_off(q);
	else
		split_notify_off(q);
}

/* Moves bytes between `buf` and segments[first .. end - 1], from byte `at` of these on. */
static uint32_t copy(struct virtq *q, const struct virtq_segment *first,
		     const struct virtq_segment *end, uint32_t at, void *buf, uint32_t bytes,
		     bool to_guest)
{
	uint32_t done = 0;

	for (const struct virtq_segment *s = first; s < end && done < bytes; s++) {
		uint32_t piece;
		int err;

		if (at >= s->bytes) {
			at -= s->bytes;
			continue;
		}
		piece = MIN(s->bytes - at, bytes - done);
		err = to_guest ? gmem_write(q->gm, s->gpa + at, (char *)buf + done, piece)
			       : gmem_read(q->gm, s->gpa + at, (char *)buf + done, piece);
		if (err)
			break;
		done += piece;
		at = 0;
	}
	return done;
}

uint32_t virtq_read(struct virtq *q, const struct virtq_chain *chain, uint32_t at, void *buf,
		    uint32_t bytes)
{
	return copy(q, chain->segments, chain->segments + chain->readable, at, buf, bytes,
		    false);
}

uint32_t virtq_write(struct virtq *q, const struct virtq_chain *chain, uint32_t at,
		     const void *buf, uint32_t bytes)
{
	return copy(q, chain->segments + chain->readable, chain->segments + chain->count, at,
		    (void *)buf, bytes, true);
}

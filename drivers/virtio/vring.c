/* Section numbers are of virtio 1.2. */
#include "drivers/virtio/vring.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

static size_t avail_at(unsigned size)
{
	return size * sizeof(struct virtq_desc);
}

static size_t used_at(unsigned size)
{
	return ALIGN_UP(avail_at(size) + virtq_avail_bytes(size), VIRTQ_USED_ALIGN);
}

size_t vring_bytes(unsigned size)
{
	return used_at(size) + virtq_used_bytes(size);
}

size_t vring_table_bytes(unsigned size, unsigned entries)
{
	return (size_t)size * entries * sizeof(struct virtq_desc);
}

void vring_init(struct vring *r, unsigned size, void *memory, uint64_t phys)
{
	char *base = memory;

	memset(r, 0, sizeof(*r));
	r->size = (uint16_t)size;
	r->desc = memory;
	r->avail = (struct virtq_avail *)(base + avail_at(size));
	r->used = (struct virtq_used_ring *)(base + used_at(size));
	r->used_event = (_Atomic uint16_t *)&r->avail->ring[size];
	r->avail_event = (volatile uint16_t *)(void *)&r->used->ring[size];
	r->desc_phys = phys;
	r->avail_phys = phys + avail_at(size);
	r->used_phys = phys + used_at(size);
	vring_reset(r, false);
}

void vring_set_tables(struct vring *r, unsigned entries, void *memory, uint64_t phys)
{
	r->tables = memory;
	r->tables_phys = phys;
	r->table_entries = entries;
}

void vring_reset(struct vring *r, bool event_index)
{
	memset(r->desc, 0, vring_bytes(r->size));
	memset(r->tokens, 0, sizeof(r->tokens));
	r->event_index = event_index;
	r->broken = false;
	r->added = r->kicked = r->taken = 0;
	r->free_first = 0;
	r->free_count = r->size;
	for (unsigned i = 0; i < r->size; i++)
		r->desc[i].split.next = (uint16_t)(i + 1);
}

static bool is_indirect(const struct vring *r, unsigned buffers)
{
	return r->tables && buffers > 1 && buffers <= r->table_entries;
}

bool vring_has_room(const struct vring *r, unsigned buffers)
{
	return r->free_count >= (is_indirect(r, buffers) ? 1 : buffers);
}

static void describe(struct virtq_desc *desc, const struct vring_buffer *buffer, bool in)
{
	desc->addr = buffer->phys;
	desc->bytes = buffer->bytes;
	desc->split.flags = in ? DESC_WRITE : 0;
}

/* One descriptor, which leads to a table of them. */
static void add_table(struct vring *r, const struct vring_buffer *buffers, unsigned out,
		      unsigned count)
{
	unsigned id = r->free_first;
	struct virtq_desc *table = r->tables + (size_t)id * r->table_entries;
	struct virtq_desc *desc = &r->desc[id];

	for (unsigned i = 0; i < count; i++) {
		describe(&table[i], &buffers[i], i >= out);
		if (i + 1 < count)
			table[i].split.flags |= DESC_NEXT;
		table[i].split.next = (uint16_t)(i + 1);
	}
	r->free_first = desc->split.next;
	r->free_count--;
	desc->addr = r->tables_phys + (uint64_t)((char *)table - (char *)r->tables);
	desc->bytes = count * (uint32_t)sizeof(*table);
	desc->split.flags = DESC_INDIRECT;
}

/* Descriptors of the ring itself, in the order in which they are free. */
static void add_chain(struct vring *r, const struct vring_buffer *buffers, unsigned out,
		      unsigned count)
{
	struct virtq_desc *desc = NULL;

	for (unsigned i = 0; i < count; i++) {
		desc = &r->desc[r->free_first];
		describe(desc, &buffers[i], i >= out);
		desc->split.flags |= DESC_NEXT;
		r->free_first = desc->split.next;
	}
	desc->split.flags &= (uint16_t)~DESC_NEXT;
	r->free_count = (uint16_t)(r->free_count - count);
}

int vring_add(struct vring *r, const struct vring_buffer *buffers, unsigned out, unsigned in,
	      void *token)
{
	unsigned count = out + in, id = r->free_first;

	if (!is_indirect(r, count) && count > r->size)
		return -E2BIG;
	if (!vring_has_room(r, count))
		return -EAGAIN;
	if (is_indirect(r, count))
		add_table(r, buffers, out, count);
	else
		add_chain(r, buffers, out, count);
	r->tokens[id] = token;
	r->avail->ring[r->added++ % r->size] = (uint16_t)id;
	return 0;
}

bool vring_publish(struct vring *r)
{
	uint16_t before = r->kicked;

	if (r->added == before)
		return false;
	r->kicked = r->added;
	__atomic_store_n(&r->avail->idx, r->added, __ATOMIC_RELEASE);
	/* The index must be there before the device's wish is looked at: 2.7.13.4.1. */
	atomic_thread_fence(memory_order_seq_cst);
	if (r->event_index)
		return virtq_passed(*r->avail_event, r->added, before);
	return !(*(volatile uint16_t *)&r->used->flags & VIRTQ_USED_NO_NOTIFY);
}

static void free_chain(struct vring *r, unsigned id)
{
	unsigned last = id, count = 1;

	for (; r->desc[last].split.flags & DESC_NEXT; count++)
		last = r->desc[last].split.next;
	r->desc[last].split.next = r->free_first;
	r->free_first = (uint16_t)id;
	r->free_count = (uint16_t)(r->free_count + count);
}

void *vring_take(struct vring *r, uint32_t *bytes_written)
{
	struct virtq_used_elem entry;
	void *token;

	if (r->broken || __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) == r->taken)
		return NULL;
	entry = r->used->ring[r->taken % r->size];
	token = entry.id < r->size ? r->tokens[entry.id] : NULL;
	if (!token) {
		r->broken = true;
		return NULL;
	}
	r->tokens[entry.id] = NULL;
	free_chain(r, entry.id);
	r->taken++;
	*bytes_written = entry.bytes;
	return token;
}

void *vring_abandon(struct vring *r)
{
	for (unsigned id = 0; id < r->size; id++) {
		void *token = r->tokens[id];

		r->tokens[id] = NULL;
		if (token)
			return token;
	}
	return NULL;
}

bool vring_interrupt_on(struct vring *r)
{
	r->avail->flags = 0;
	atomic_store_explicit(r->used_event, r->taken, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	return __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) != r->taken;
}

/* With event indices the flag must stay 0; an index that lies behind says the same. */
void vring_interrupt_off(struct vring *r)
{
	r->avail->flags = r->event_index ? 0 : VIRTQ_AVAIL_NO_INTERRUPT;
	atomic_store_explicit(r->used_event, (uint16_t)(r->taken - 1), memory_order_relaxed);
}

/* The packed virtqueue (virtio 1.2, 2.8), for queue.c. */
#include "guests/devices/virtio/queue_internal.h"

/* The event suppression structure (2.8.14), little-endian: where in the low half, whether in
 * the high one. Read and written as one. */
enum { EVENT_ENABLE = 0, EVENT_DISABLE = 1, EVENT_DESC = 2, EVENT_FLAGS = 3 };
#define EVENT_FLAGS_SHIFT 16
#define EVENT_WRAP	  0x8000u

struct ring_layout packed_layout(uint16_t size)
{
	return (struct ring_layout){
		.desc_bytes = size * sizeof(struct virtq_desc),
		.driver_bytes = sizeof(uint32_t),
		.device_bytes = sizeof(uint32_t),
		.driver_align = VIRTQ_EVENT_ALIGN,
		.device_align = VIRTQ_EVENT_ALIGN,
	};
}

static void advance(const struct virtq *q, uint16_t *position, bool *wrap, uint16_t by)
{
	*position = (uint16_t)(*position + by);
	if (*position >= q->size) {
		*position = (uint16_t)(*position - q->size);
		*wrap = !*wrap;
	}
}

/* 2.8.1: available in this lap of the ring, and not used. */
static bool available(uint16_t flags, bool wrap)
{
	return !(flags & DESC_AVAIL) == !wrap && !(flags & DESC_USED) == wrap;
}

static struct virtq_desc load(const struct virtq *q, uint16_t position)
{
	struct virtq_desc desc;

	user_access_begin();
	desc = ring_load_desc(&((const struct virtq_desc *)q->desc)[position]);
	user_access_end();
	return desc;
}

/* The chain is one table (2.8.8): all of it, in order. */
static int walk_table(struct virtq *q, struct virtq_chain *chain, const struct virtq_desc *desc)
{
	struct desc_table table;
	int err = table_open(q, &table, desc);

	for (uint32_t i = 0; !err && i < table.count; i++) {
		const struct virtq_desc *copy = table_at(q, &table, i);

		if (!copy)
			return -EINVAL;
		if (copy->packed.flags & DESC_INDIRECT)
			return virtq_break(q, "an indirect table holds another");
		err = chain_add(q, chain, copy, copy->packed.flags & DESC_WRITE);
	}
	return err;
}

/* Follows the chain that begins with `desc` at the ring's next position. Its slots are counted
 * in *slots, its ID is the last one's. */
static int walk(struct virtq *q, struct virtq_chain *chain, struct virtq_desc desc,
		uint16_t *slots, uint16_t *id)
{
	uint16_t position = q->last_avail;
	bool wrap = q->avail_wrap;

	for (*slots = 1;; ++*slots) {
		int err;

		if (unlikely(q->in_flight + *slots > q->size))
			return virtq_break(q, "a chain runs into descriptors that are in use");
		if (unlikely(!available(desc.packed.flags, wrap)))
			return virtq_break(q, "a chain runs into one that is not available");
		*id = desc.packed.id;
		if (desc.packed.flags & DESC_INDIRECT)
			return *slots > 1 || desc.packed.flags & DESC_NEXT
				       ? virtq_break(q, "an indirect descriptor in a chain")
				       : walk_table(q, chain, &desc);
		err = chain_add(q, chain, &desc, desc.packed.flags & DESC_WRITE);
		if (err || !(desc.packed.flags & DESC_NEXT))
			return err;
		advance(q, &position, &wrap, 1);
		desc = load(q, position);
	}
}

int packed_pop(struct virtq *q, struct virtq_chain *chain)
{
	struct virtq_desc first = load(q, q->last_avail);
	uint16_t slots = 0, id = 0;
	int err;

	if (!available(first.packed.flags, q->avail_wrap))
		return 0;
	chain_begin(chain);
	err = walk(q, chain, first, &slots, &id);
	if (!err)
		err = chain_end(q, chain, id, slots);
	if (err)
		return err;
	advance(q, &q->last_avail, &q->avail_wrap, slots);
	return 1;
}

void packed_unpop(struct virtq *q, uint16_t descriptors)
{
	if (q->last_avail < descriptors) {
		q->last_avail = (uint16_t)(q->last_avail + q->size);
		q->avail_wrap = !q->avail_wrap;
	}
	q->last_avail = (uint16_t)(q->last_avail - descriptors);
}

/* The first one's flags are written last: up to there the driver sees none of them. */
void packed_push(struct virtq *q, const struct virtq_used *chains, unsigned count)
{
	struct virtq_desc *ring = q->desc, *first = &ring[q->used];
	uint16_t first_flags = 0;

	user_access_begin();
	for (unsigned i = 0; i < count; i++) {
		struct virtq_desc *desc = &ring[q->used];
		uint16_t flags = chains[i].bytes ? DESC_WRITE : 0;

		if (q->used_wrap)
			flags |= DESC_AVAIL | DESC_USED;
		advance(q, &q->used, &q->used_wrap, chains[i].descriptors);
		ring_store32(&desc->bytes, chains[i].bytes);
		ring_store16(&desc->packed.id, chains[i].id);
		if (desc == first)
			first_flags = flags;
		else
			ring_store16(&desc->packed.flags, flags);
	}
	ring_store16(&first->packed.flags, first_flags);
	user_access_end();
}

bool packed_should_interrupt(struct virtq *q)
{
	uint32_t event;
	uint16_t at;

	ring_fence(); /* as in split_should_interrupt() */
	user_access_begin();
	event = ring_load32(q->driver);
	user_access_end();
	switch (event >> EVENT_FLAGS_SHIFT & EVENT_FLAGS) {
	case EVENT_DISABLE: return false;
	case EVENT_DESC:
		if (!q->event_idx)
			return true;
		at = event & (EVENT_WRAP - 1);
		if (!(event & EVENT_WRAP) == q->used_wrap)
			at = (uint16_t)(at - q->size); /* the lap before */
		return ring_passed(q, at, q->used);
	default: return true;
	}
}

bool packed_notify_on(struct virtq *q)
{
	uint32_t event = EVENT_ENABLE << EVENT_FLAGS_SHIFT;

	if (q->event_idx)
		event = (uint32_t)EVENT_DESC << EVENT_FLAGS_SHIFT |
			(q->avail_wrap ? EVENT_WRAP : 0) | q->last_avail;
	user_access_begin();
	ring_store32(q->device, event);
	ring_fence(); /* as in split_notify_on() */
	user_access_end();
	return available(load(q, q->last_avail).packed.flags, q->avail_wrap);
}

void packed_notify_off(struct virtq *q)
{
	user_access_begin();
	ring_store32(q->device, EVENT_DISABLE << EVENT_FLAGS_SHIFT);
	user_access_end();
}

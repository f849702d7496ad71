/* The split virtqueue (virtio 1.2, 2.7), for queue.c. */
#include "guests/devices/virtio/queue_internal.h"

static uint16_t *used_event(const struct virtq *q)
{
	return &((struct virtq_avail *)q->driver)->ring[q->size];
}

static uint16_t *avail_event(const struct virtq *q)
{
	return (uint16_t *)&((struct virtq_used_ring *)q->device)->ring[q->size];
}

struct ring_layout split_layout(uint16_t size)
{
	return (struct ring_layout){
		.desc_bytes = size * sizeof(struct virtq_desc),
		.driver_bytes = (uint32_t)virtq_avail_bytes(size),
		.device_bytes = (uint32_t)virtq_used_bytes(size),
		.driver_align = VIRTQ_AVAIL_ALIGN,
		.device_align = VIRTQ_USED_ALIGN,
	};
}

/* The head of the next chain. 1, 0, or -EINVAL. */
static int next_head(struct virtq *q, uint16_t *head)
{
	const struct virtq_avail *avail = q->driver;
	uint16_t waiting;

	user_access_begin();
	waiting = (uint16_t)(ring_load16(&avail->idx) - q->last_avail);
	*head = ring_load16(&avail->ring[q->last_avail & (q->size - 1)]);
	user_access_end();
	if (unlikely(waiting > q->size))
		return virtq_break(q, "the available ring runs ahead");
	return waiting > 0;
}

/* Follows the chain from descriptor `index` of the table on, or of the queue's own where
 * `table` is NULL. */
static int walk(struct virtq *q, struct virtq_chain *chain, struct desc_table *table,
		uint32_t index);

/* The chain ends in a table (2.7.5.3). DESC_WRITE says nothing there. */
static int walk_table(struct virtq *q, struct virtq_chain *chain, const struct virtq_desc *desc)
{
	struct desc_table table;
	int err;

	if (desc->split.flags & DESC_NEXT)
		return virtq_break(q, "an indirect descriptor has a next one");
	err = table_open(q, &table, desc);
	return err ? err : walk(q, chain, &table, 0);
}

static int walk(struct virtq *q, struct virtq_chain *chain, struct desc_table *table,
		uint32_t index)
{
	const struct virtq_desc *ring = q->desc;
	uint32_t count = table ? table->count : q->size;

	for (uint32_t steps = 0;; steps++) {
		struct virtq_desc desc;
		int err;

		if (unlikely(index >= count))
			return virtq_break(q, "a descriptor's number is out of range");
		if (unlikely(steps == count))
			return virtq_break(q, "a chain is a loop");
		if (table) {
			const struct virtq_desc *copy = table_at(q, table, index);

			if (!copy)
				return -EINVAL;
			desc = *copy;
		} else {
			user_access_begin();
			desc = ring_load_desc(&ring[index]);
			user_access_end();
		}
		if (desc.split.flags & DESC_INDIRECT)
			return table ? virtq_break(q, "an indirect table holds another")
				     : walk_table(q, chain, &desc);
		err = chain_add(q, chain, &desc, desc.split.flags & DESC_WRITE);
		if (err || !(desc.split.flags & DESC_NEXT))
			return err;
		index = desc.split.next;
	}
}

int split_pop(struct virtq *q, struct virtq_chain *chain)
{
	uint16_t head;
	int err = next_head(q, &head);

	if (err <= 0)
		return err;
	chain_begin(chain);
	err = walk(q, chain, NULL, head);
	if (!err)
		err = chain_end(q, chain, head, 1);
	if (err)
		return err;
	q->last_avail++;
	return 1;
}

void split_push(struct virtq *q, const struct virtq_used *chains, unsigned count)
{
	struct virtq_used_ring *used = q->device;

	user_access_begin();
	for (unsigned i = 0; i < count; i++) {
		struct virtq_used_elem *elem = &used->ring[q->used++ & (q->size - 1)];

		ring_store32(&elem->id, chains[i].id);
		ring_store32(&elem->bytes, chains[i].bytes);
	}
	ring_store16(&used->idx, q->used);
	user_access_end();
}

bool split_should_interrupt(struct virtq *q)
{
	const struct virtq_avail *avail = q->driver;
	uint16_t word;

	/* The driver writes used_event or the flag, then looks at used->idx once more
	 * (2.7.7.1): ours must be written before theirs is read. */
	ring_fence();
	user_access_begin();
	word = ring_load16(q->event_idx ? used_event(q) : &avail->flags);
	user_access_end();
	return q->event_idx ? ring_passed(q, word, q->used)
			    : !(word & VIRTQ_AVAIL_NO_INTERRUPT);
}

bool split_notify_on(struct virtq *q)
{
	const struct virtq_avail *avail = q->driver;
	struct virtq_used_ring *used = q->device;
	bool more;

	user_access_begin();
	if (q->event_idx)
		ring_store16(avail_event(q), q->last_avail);
	else
		ring_store16(&used->flags, 0);
	ring_fence(); /* the driver writes avail->idx, then reads what was just written */
	more = ring_load16(&avail->idx) != q->last_avail;
	user_access_end();
	return more;
}

/* With event indices there is nothing to do: avail_event lies behind what was taken, and the
 * driver passes it once. */
void split_notify_off(struct virtq *q)
{
	struct virtq_used_ring *used = q->device;

	if (q->event_idx)
		return;
	user_access_begin();
	ring_store16(&used->flags, VIRTQ_USED_NO_NOTIFY);
	user_access_end();
}

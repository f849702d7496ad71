/* The buddy allocator: free lists by order, linked by index. No locks, no access to the memory.
 */
#include "kernel/mem/buddy.h"

#include <errno.h>

enum buddy_state {
	BUDDY_INSIDE = 0, /* not the first unit of a block, or never given */
	BUDDY_FREE,
	BUDDY_USED,
};

void buddy_init(struct buddy *b, unsigned unit_shift, struct buddy_range *ranges,
		unsigned range_max, struct buddy_unit *units, uint32_t unit_max)
{
	*b = (struct buddy){
		.unit_shift = unit_shift,
		.ranges = ranges,
		.range_max = range_max,
		.units = units,
		.unit_max = unit_max,
	};
	for (unsigned order = 0; order < BUDDY_ORDERS; order++)
		b->free_list[order] = BUDDY_NONE;
}

int buddy_add_range(struct buddy *b, uint64_t base, uint64_t bytes)
{
	uint64_t count = bytes >> b->unit_shift;

	if (b->range_count == b->range_max || count > b->unit_max - b->unit_count)
		return -ENOSPC;
	b->ranges[b->range_count++] = (struct buddy_range){
		.base = base,
		.first = b->unit_count,
		.count = (uint32_t)count,
	};
	b->unit_count += (uint32_t)count;
	return 0;
}

static const struct buddy_range *range_of(const struct buddy *b, uint64_t address)
{
	for (unsigned i = 0; i < b->range_count; i++) {
		const struct buddy_range *r = &b->ranges[i];

		if (address - r->base < (uint64_t)r->count << b->unit_shift)
			return r;
	}
	return NULL;
}

static uint32_t index_in(const struct buddy *b, const struct buddy_range *r, uint64_t address)
{
	return r->first + (uint32_t)((address - r->base) >> b->unit_shift);
}

uint32_t buddy_index(const struct buddy *b, uint64_t address)
{
	const struct buddy_range *r = range_of(b, address);

	return r ? index_in(b, r, address) : BUDDY_NONE;
}

static uint64_t address_of(const struct buddy *b, uint32_t index)
{
	for (unsigned i = 0; i < b->range_count; i++) {
		const struct buddy_range *r = &b->ranges[i];

		if (index - r->first < r->count)
			return r->base + ((uint64_t)(index - r->first) << b->unit_shift);
	}
	return 0;
}

static void push_free(struct buddy *b, uint32_t index, unsigned order)
{
	uint32_t head = b->free_list[order];

	b->units[index] = (struct buddy_unit){
		.next = head,
		.prev = BUDDY_NONE,
		.state = BUDDY_FREE,
		.order = (uint8_t)order,
	};
	if (head != BUDDY_NONE)
		b->units[head].prev = index;
	b->free_list[order] = index;
}

static void unlink_free(struct buddy *b, uint32_t index)
{
	struct buddy_unit *u = &b->units[index];

	if (u->prev != BUDDY_NONE)
		b->units[u->prev].next = u->next;
	else
		b->free_list[u->order] = u->next;
	if (u->next != BUDDY_NONE)
		b->units[u->next].prev = u->prev;
	u->state = BUDDY_INSIDE;
}

/* Puts a block on its free list, joined with its buddies as far as they are free. Buddies are
 * told by address, not by index, so that blocks stay aligned whatever the ranges' bases. */
static void join_free(struct buddy *b, const struct buddy_range *r, uint64_t address,
		      unsigned order)
{
	for (; order < BUDDY_ORDERS - 1; order++) {
		uint64_t size = 1ull << (order + b->unit_shift);
		uint64_t buddy = address ^ size;

		if (buddy - r->base >= (uint64_t)r->count << b->unit_shift)
			break;
		uint32_t index = index_in(b, r, buddy);

		if (b->units[index].state != BUDDY_FREE || b->units[index].order != order)
			break;
		unlink_free(b, index);
		b->units[index_in(b, r, address)].state = BUDDY_INSIDE;
		address &= ~size;
	}
	push_free(b, index_in(b, r, address), order);
}

void buddy_give(struct buddy *b, uint64_t base, uint64_t bytes)
{
	const struct buddy_range *r = range_of(b, base);

	if (!r)
		return;
	b->total_units += (uint32_t)(bytes >> b->unit_shift);
	b->free_units += (uint32_t)(bytes >> b->unit_shift);
	while (bytes) {
		unsigned order = 0;

		while (order < BUDDY_ORDERS - 1 && bytes >> (order + 1 + b->unit_shift) &&
		       IS_ALIGNED(base, 1ull << (order + 1 + b->unit_shift)))
			order++;
		join_free(b, r, base, order);
		base += 1ull << (order + b->unit_shift);
		bytes -= 1ull << (order + b->unit_shift);
	}
}

uint64_t buddy_alloc(struct buddy *b, unsigned order)
{
	unsigned from = order;

	while (from < BUDDY_ORDERS && b->free_list[from] == BUDDY_NONE)
		from++;
	if (from >= BUDDY_ORDERS)
		return 0;

	uint32_t index = b->free_list[from];

	unlink_free(b, index);
	while (from > order) { /* keep the lower half, give back the upper */
		from--;
		push_free(b, index + (1u << from), from);
	}
	b->units[index].state = BUDDY_USED;
	b->units[index].order = (uint8_t)order;
	b->free_units -= 1u << order;
	return address_of(b, index);
}

int buddy_free(struct buddy *b, uint64_t address, unsigned order)
{
	const struct buddy_range *r = range_of(b, address);

	if (!r || !IS_ALIGNED(address, 1ull << b->unit_shift))
		return -EINVAL;

	struct buddy_unit *u = &b->units[index_in(b, r, address)];

	if (u->state != BUDDY_USED || u->order != order)
		return -EINVAL;
	u->state = BUDDY_INSIDE;
	b->free_units += 1u << order;
	join_free(b, r, address, order);
	return 0;
}

int buddy_split(struct buddy *b, uint64_t address, unsigned order)
{
	uint32_t index = buddy_index(b, address);

	if (index == BUDDY_NONE || b->units[index].state != BUDDY_USED ||
	    b->units[index].order != order)
		return -EINVAL;
	for (uint32_t i = 0; i < 1u << order; i++)
		b->units[index + i] = (struct buddy_unit){.state = BUDDY_USED};
	return 0;
}

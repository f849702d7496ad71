/*
 * A buddy allocator over address ranges. Its state is kept beside the memory, never in it, so
 * that it can manage memory that is mapped nowhere. Knows nothing of locks, pages' contents,
 * or what the memory is for: kernel/mem/frames makes the two pools out of it.
 */
#ifndef KERNEL_MEM_BUDDY_H
#define KERNEL_MEM_BUDDY_H

#include "kernel/lib/types.h"

#define BUDDY_ORDERS 20 /* orders 0 .. 19; 2^19 units are the largest block */

/* One unit of managed memory. All state but `state` and `order` of a block is in its first. */
struct buddy_unit {
	uint32_t next, prev; /* neighbours in the free list of `order`, or BUDDY_NONE */
	uint8_t state;	     /* enum buddy_state */
	uint8_t order;
};

struct buddy_range {
	uint64_t base;	       /* unit-aligned */
	uint32_t first, count; /* its units in the array of all units */
};

/* Guarded by the caller's lock, all of it. */
struct buddy {
	unsigned unit_shift;
	struct buddy_range *ranges;
	unsigned range_count, range_max;
	struct buddy_unit *units;
	uint32_t unit_count, unit_max;
	uint32_t total_units; /* given by buddy_give */
	uint32_t free_units;
	uint32_t free_list[BUDDY_ORDERS];
};

/* Starts with no memory. `ranges` and `units` are the caller's, zeroed, and stay in use. */
void buddy_init(struct buddy *b, unsigned unit_shift, struct buddy_range *ranges,
		unsigned range_max, struct buddy_unit *units, uint32_t unit_max);

/* Makes [base, base + bytes) manageable, with nothing of it free yet. Unit-aligned, disjoint
 * from earlier ranges, not at address 0. 0, or -ENOSPC when the arrays are full. */
int buddy_add_range(struct buddy *b, uint64_t base, uint64_t bytes);

/* Gives a part of an added range to the allocator. Each unit can be given once. */
void buddy_give(struct buddy *b, uint64_t base, uint64_t bytes);

/* 2^order units, contiguous, aligned to their size. Returns the address, or 0. */
uint64_t buddy_alloc(struct buddy *b, unsigned order);

/* -EINVAL, changing nothing, when `address` is no allocated block of that order. */
int buddy_free(struct buddy *b, uint64_t address, unsigned order);

/* Makes 2^order allocated blocks of one unit out of one of that order, to be freed one by one.
 * -EINVAL as above. */
int buddy_split(struct buddy *b, uint64_t address, unsigned order);

/* Index of the unit at `address` in the array of all units; BUDDY_NONE outside all ranges. */
uint32_t buddy_index(const struct buddy *b, uint64_t address);

#define BUDDY_NONE UINT32_MAX

#endif

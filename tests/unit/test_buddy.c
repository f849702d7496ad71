/*
 * The buddy allocator against a model, which knows of each unit who has it; and the split of a
 * machine's memory, over random memory maps.
 */
/* links: kernel/mem/buddy.c kernel/mem/plan.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/mem/buddy.h"
#include "kernel/mem/plan.h"

#define SHIFT	  12
#define UNITS	  4096
#define RANGES	  3
#define ORDER_MAX 6
#define HELD_MAX  512

static struct buddy buddy;
static struct buddy_unit units[UNITS];
static struct buddy_range ranges[RANGES];

/* The model: ranges in units, with gaps, odd starts and neighbours that must not be joined. */
static const struct {
	uint64_t first, count;
} layout[RANGES] = {{3, 1000}, {1003, 29}, {70001, 2048}};

static struct held {
	uint64_t address;
	unsigned order;
} held[HELD_MAX];
static unsigned held_count;

static bool inside(uint64_t unit, uint64_t count)
{
	for (unsigned i = 0; i < RANGES; i++)
		if (unit >= layout[i].first &&
		    unit + count <= layout[i].first + layout[i].count)
			return true;
	return false;
}

static uint32_t all_units(void)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < RANGES; i++)
		sum += (uint32_t)layout[i].count;
	return sum;
}

static uint32_t held_units(void)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < held_count; i++)
		sum += 1u << held[i].order;
	return sum;
}

static int start(void **state)
{
	(void)state;
	memset(units, 0, sizeof(units));
	memset(ranges, 0, sizeof(ranges));
	held_count = 0;
	buddy_init(&buddy, SHIFT, ranges, RANGES, units, UNITS);
	for (unsigned i = 0; i < RANGES; i++) {
		assert_int_equal(buddy_add_range(&buddy, layout[i].first << SHIFT,
						 layout[i].count << SHIFT),
				 0);
		buddy_give(&buddy, layout[i].first << SHIFT, layout[i].count << SHIFT);
	}
	return 0;
}

static void check_new(uint64_t address, unsigned order)
{
	uint64_t first = address >> SHIFT, count = 1ull << order;

	assert_true(IS_ALIGNED(address, count << SHIFT));
	assert_true(inside(first, count));
	for (unsigned i = 0; i < held_count; i++) {
		uint64_t other = held[i].address >> SHIFT;

		assert_true(first + count <= other || other + (1ull << held[i].order) <= first);
	}
}

/* Whether the model has a free, aligned run of 2^order units. */
static bool model_has(unsigned order)
{
	static bool used[80000];
	uint64_t count = 1ull << order;

	memset(used, 0, sizeof(used));
	for (unsigned i = 0; i < held_count; i++)
		memset(used + (held[i].address >> SHIFT), 1, 1ull << held[i].order);
	for (uint64_t unit = count; unit + count <= ARRAY_SIZE(used); unit += count)
		if (inside(unit, count) && !memchr(used + unit, 1, count))
			return true;
	return false;
}

static void free_one(unsigned index)
{
	assert_int_equal(buddy_free(&buddy, held[index].address, held[index].order), 0);
	held[index] = held[--held_count];
}

/* A held block becomes as many of one unit each, as far as there is room to remember them. */
static void split_one(unsigned which)
{
	struct held block = held[which];
	unsigned count = 1u << block.order;

	if (held_count + count > HELD_MAX)
		return;
	assert_int_equal(buddy_split(&buddy, block.address, block.order + 1), -EINVAL);
	assert_int_equal(buddy_split(&buddy, block.address, block.order), 0);
	held[which].order = 0;
	for (unsigned i = 1; i < count; i++)
		held[held_count++] = (struct held){block.address + ((uint64_t)i << SHIFT), 0};
}

/* Every block is aligned, inside, and nobody else's; none is refused while there is one; freed
 * neighbours join. */
static void test_random_operations(void **state)
{
	(void)state;
	srand(3);
	for (unsigned step = 0; step < 60000; step++) {
		unsigned order = (unsigned)rand() % (ORDER_MAX + 1);

		if (rand() % 100 < (step / 5000 % 2 ? 70 : 40) && held_count < HELD_MAX) {
			uint64_t address = buddy_alloc(&buddy, order);

			if (address) {
				check_new(address, order);
				held[held_count++] = (struct held){address, order};
			} else {
				assert_false(model_has(order));
			}
		} else if (held_count && rand() % 50 == 0) {
			split_one((unsigned)rand() % held_count);
		} else if (held_count) {
			free_one((unsigned)rand() % held_count);
		}
		assert_int_equal(buddy.free_units, all_units() - held_units());
	}
	while (held_count)
		free_one(0);
	/* All joined again: the largest aligned block of the third range is to be had. */
	assert_int_equal(buddy_alloc(&buddy, 10) >> SHIFT, 70656);
}

/* What is not allocated so, is not freed, and nothing changes. */
static void test_wrong_frees(void **state)
{
	uint64_t address = buddy_alloc(&buddy, 2);
	uint32_t free_units = buddy.free_units;

	(void)state;
	assert_int_equal(buddy_free(&buddy, address, 1), -EINVAL);
	assert_int_equal(buddy_free(&buddy, address + (1 << SHIFT), 0), -EINVAL);
	assert_int_equal(buddy_free(&buddy, address + 1, 2), -EINVAL);
	assert_int_equal(buddy_free(&buddy, 0, 0), -EINVAL);
	assert_int_equal(buddy_free(&buddy, 2000ull << SHIFT, 0), -EINVAL);
	assert_int_equal(buddy.free_units, free_units);
	assert_int_equal(buddy_free(&buddy, address, 2), 0);
	assert_int_equal(buddy_free(&buddy, address, 2), -EINVAL);
}

/* A range may be given piece by piece; the pieces join. */
static void test_given_in_pieces(void **state)
{
	(void)state;
	memset(units, 0, sizeof(units));
	buddy_init(&buddy, SHIFT, ranges, RANGES, units, UNITS);
	assert_int_equal(buddy_add_range(&buddy, 1024ull << SHIFT, 1024ull << SHIFT), 0);
	assert_int_equal(buddy_alloc(&buddy, 0), 0);
	buddy_give(&buddy, 1536ull << SHIFT, 512ull << SHIFT);
	buddy_give(&buddy, 1024ull << SHIFT, 100ull << SHIFT);
	assert_int_equal(buddy.total_units, 612);
	buddy_give(&buddy, 1124ull << SHIFT, 412ull << SHIFT);
	assert_int_equal(buddy_alloc(&buddy, 10), 1024ull << SHIFT);
	assert_int_equal(buddy_add_range(&buddy, 1ull << 40, (UNITS - 1023ull) << SHIFT),
			 -ENOSPC);
}

/* A random memory map, sorted and without overlaps, as boot makes it. */
static unsigned random_map(struct handoff_range *map, unsigned max)
{
	unsigned count = 1 + (unsigned)rand() % (max - 1);
	uint64_t at = 0;

	for (unsigned i = 0; i < count; i++) {
		uint64_t pages =
			rand() % 3 ? (uint64_t)rand() % 600 : (uint64_t)rand() % 300000;

		if (rand() % 4 == 0)
			at += (uint64_t)(rand() % 100000) * PAGE_BYTES;
		map[i] = (struct handoff_range){
			.base = at,
			.bytes = (1 + pages) * PAGE_BYTES,
			.type = rand() % 3 ? HANDOFF_MEM_USABLE
					   : (uint32_t)(1 + rand() % HANDOFF_MEM_MMIO),
		};
		at += map[i].bytes;
	}
	return count;
}

static uint32_t type_of(const struct handoff_range *map, unsigned count, uint64_t base,
			uint64_t bytes)
{
	for (unsigned i = 0; i < count; i++)
		if (base >= map[i].base && base + bytes <= map[i].base + map[i].bytes)
			return map[i].type;
	return 0;
}

static bool overlap(const struct mem_extent *a, const struct mem_extent *b)
{
	return a->base < b->base + b->bytes && b->base < a->base + a->bytes;
}

/* Each piece is memory of the right kind, no two overlap, none is in the first MiB, and no
 * whole block is left out. */
static void check_plan(const struct mem_plan *plan, const struct handoff_range *map,
		       unsigned count)
{
	struct mem_extent all[400];
	unsigned total = plan->host_count;
	uint64_t given = 0, blocks = 0;

	memcpy(all, plan->host, sizeof(plan->host));
	total += mem_plan_guest(plan, map, count, all + total, 300);
	for (unsigned i = 0; i < total; i++) {
		const struct mem_extent *e = &all[i];

		assert_int_equal(type_of(map, count, e->base, e->bytes),
				 e->loader ? HANDOFF_MEM_LOADER : HANDOFF_MEM_USABLE);
		assert_true(e->base >= MIB);
		assert_true(e->loader || IS_ALIGNED(e->base | e->bytes, PAGE_2M));
		for (unsigned j = 0; j < i; j++)
			assert_false(overlap(e, &all[j]));
		given += e->loader ? 0 : e->bytes;
	}
	for (unsigned i = 0; i < count; i++) {
		uint64_t from = ALIGN_UP(map[i].base ? map[i].base : MIB, PAGE_2M);
		uint64_t to = ALIGN_DOWN(map[i].base + map[i].bytes, PAGE_2M);

		if (map[i].type == HANDOFF_MEM_USABLE && from < to)
			blocks += to - from;
	}
	assert_int_equal(given, blocks);
}

static void test_any_memory_map(void **state)
{
	struct handoff_range map[100];
	struct mem_plan plan;
	unsigned fit = 0;

	(void)state;
	srand(4);
	for (unsigned round = 0; round < 3000; round++) {
		unsigned count = random_map(map, ARRAY_SIZE(map));

		if (mem_plan_host(&plan, map, count))
			continue;
		check_plan(&plan, map, count);
		fit++;
	}
	assert_true(fit > 1000);
}

/* The host pool is where it should be, and as large. */
static void test_plan_of_a_server(void **state)
{
	const struct handoff_range map[] = {
		{.base = 0, .bytes = 640 * KIB, .type = HANDOFF_MEM_USABLE},
		{.base = MIB, .bytes = 2047 * MIB, .type = HANDOFF_MEM_USABLE},
		{.base = 4 * GIB, .bytes = 62 * GIB, .type = HANDOFF_MEM_USABLE},
	};
	struct mem_plan plan;
	struct mem_extent guest[6];

	(void)state;
	assert_int_equal(mem_plan_host(&plan, map, 3), 0);
	assert_int_equal(plan.host_count, 1);
	assert_int_equal(plan.host[0].base, 16 * MIB);
	assert_int_equal(plan.host[0].bytes, GIB);
	assert_int_equal(mem_plan_guest(&plan, map, 3, guest, 6), 3);
	assert_int_equal(guest[0].base, 2 * MIB);
	assert_int_equal(guest[0].bytes, 14 * MIB);
	assert_int_equal(guest[1].base, 16 * MIB + GIB);
	assert_int_equal(guest[2].bytes, 62 * GIB);
}

static void test_too_small(void **state)
{
	const struct handoff_range map[] = {
		{.base = MIB, .bytes = 39 * MIB, .type = HANDOFF_MEM_USABLE},
		{.base = 40 * MIB, .bytes = 500 * MIB, .type = HANDOFF_MEM_RESERVED},
	};
	struct mem_plan plan;

	(void)state;
	assert_int_equal(mem_plan_host(&plan, map, 2), -ENOMEM);
	assert_int_equal(mem_plan_host(&plan, NULL, 0), -ENOMEM);
	assert_int_equal(mem_plan_host_bytes(2 * GIB), 128 * MIB);
	assert_int_equal(mem_plan_host_bytes(33 * MIB), 66 * MIB);
	assert_int_equal(mem_plan_host_bytes(1024 * GIB), GIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_random_operations, start),
		cmocka_unit_test_setup(test_wrong_frees, start),
		cmocka_unit_test(test_given_in_pieces),
		cmocka_unit_test(test_any_memory_map),
		cmocka_unit_test(test_plan_of_a_server),
		cmocka_unit_test(test_too_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

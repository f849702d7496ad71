/* The memory map that boot hands to the kernel, against a model with one byte for each page. */
/* links: boot/memmap.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "boot/memmap.h"

#define PAGE  4096ull
#define PAGES 512u /* of the model */
#define ADDS  64u  /* ranges added at most */

static void settled_is(const struct handoff_range *wanted, uint32_t wanted_count,
		       struct memmap *map)
{
	struct handoff_range ranges[2 * ADDS];
	const uint32_t count = memmap_settle(map, ranges);

	assert_int_equal(count, wanted_count);
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(ranges[i].base, wanted[i].base);
		assert_int_equal(ranges[i].bytes, wanted[i].bytes);
		assert_int_equal(ranges[i].type, wanted[i].type);
		assert_int_equal(ranges[i].reserved, 0);
	}
}

static void an_empty_map_has_no_ranges(void **state)
{
	struct memmap_edge edges[2];
	struct memmap map = {.edges = edges, .capacity = 2};

	(void)state;
	assert_int_equal(memmap_add(&map, PAGE, 0, HANDOFF_MEM_USABLE), 0);
	settled_is(NULL, 0, &map);
}

static void neighbours_of_one_type_become_one(void **state)
{
	static const struct handoff_range wanted[] = {
		{0x1000, 0x3000, HANDOFF_MEM_USABLE, 0},
		{0x4000, 0x1000, HANDOFF_MEM_RUNTIME, 0},
		{0x6000, 0x1000, HANDOFF_MEM_RUNTIME, 0},
	};
	struct memmap_edge edges[10];
	struct memmap map = {.edges = edges, .capacity = 10};

	(void)state;
	memmap_add(&map, 0x6000, 0x1000, HANDOFF_MEM_RUNTIME);
	memmap_add(&map, 0x2000, 0x1000, HANDOFF_MEM_USABLE);
	memmap_add(&map, 0x1000, 0x1000, HANDOFF_MEM_USABLE);
	memmap_add(&map, 0x4000, 0x1000, HANDOFF_MEM_RUNTIME);
	memmap_add(&map, 0x3000, 0x1000, HANDOFF_MEM_USABLE);
	settled_is(wanted, 3, &map);
}

static void our_own_is_carved_out(void **state)
{
	static const struct handoff_range wanted[] = {
		{0x100000, 0x10000, HANDOFF_MEM_USABLE, 0},
		{0x110000, 0x1000, HANDOFF_MEM_LOADER, 0},
		{0x111000, 0x2000, HANDOFF_MEM_FILE, 0}, /* 4097 bytes */
		{0x113000, 0x1000, HANDOFF_MEM_LOADER, 0},
		{0x114000, 0x2000, HANDOFF_MEM_KERNEL, 0},
		{0x116000, 0x1000, HANDOFF_MEM_RESERVED, 0},
	};
	struct memmap_edge edges[10];
	struct memmap map = {.edges = edges, .capacity = 10};

	(void)state;
	memmap_add(&map, 0x110000, 0x6000, HANDOFF_MEM_LOADER);
	memmap_add(&map, 0x100000, 0x17000, HANDOFF_MEM_USABLE);
	memmap_add(&map, 0x116000, 0x1000, HANDOFF_MEM_RESERVED);
	memmap_add(&map, 0x114000, 0x2000, HANDOFF_MEM_KERNEL);
	memmap_add(&map, 0x111000, 4097, HANDOFF_MEM_FILE);
	settled_is(wanted, 6, &map);
}

static void what_no_memory_can_be_is_refused(void **state)
{
	struct memmap_edge edges[5];
	struct memmap map = {.edges = edges, .capacity = 5};

	(void)state;
	assert_int_equal(memmap_add(&map, 0x1001, PAGE, HANDOFF_MEM_USABLE), -1);
	assert_int_equal(memmap_add(&map, PAGE, UINT64_MAX, HANDOFF_MEM_USABLE), -1);
	assert_int_equal(memmap_add(&map, -PAGE, 1, HANDOFF_MEM_USABLE), -1);
	assert_int_equal(map.count, 0);
	assert_int_equal(memmap_add(&map, -2 * PAGE, PAGE, HANDOFF_MEM_USABLE), 0);
	assert_int_equal(memmap_add(&map, 0, PAGE, HANDOFF_MEM_USABLE), 0);
	assert_int_equal(memmap_add(&map, 0, PAGE, HANDOFF_MEM_USABLE), -1); /* no edges left */
	assert_int_equal(map.count, 4);
}

static void uefi_types_become_ours(void **state)
{
	const uint64_t persistent = 0x8000, specific = 0x40000, runtime = 1ull << 63, wb = 8;
	const struct {
		uint32_t uefi;
		uint64_t attribute;
		enum handoff_mem_type type;
	} cases[] = {
		{0, wb, HANDOFF_MEM_RESERVED},
		{1, wb, HANDOFF_MEM_LOADER},
		{2, wb, HANDOFF_MEM_LOADER},
		{3, wb, HANDOFF_MEM_USABLE},
		{4, wb, HANDOFF_MEM_USABLE},
		{5, wb | runtime, HANDOFF_MEM_RUNTIME},
		{6, wb | runtime, HANDOFF_MEM_RUNTIME},
		{7, wb, HANDOFF_MEM_USABLE},
		{8, wb, HANDOFF_MEM_RESERVED},
		{9, wb, HANDOFF_MEM_ACPI},
		{10, wb, HANDOFF_MEM_ACPI_NVS},
		{11, runtime, HANDOFF_MEM_MMIO},
		{12, runtime, HANDOFF_MEM_MMIO},
		{13, wb, HANDOFF_MEM_RESERVED}, /* Itanium's */
		{14, wb, HANDOFF_MEM_RESERVED}, /* persistent memory */
		{15, wb, HANDOFF_MEM_RESERVED}, /* not accepted yet, as in TDX */
		{0x80000000, wb, HANDOFF_MEM_RESERVED},
		{7, wb | persistent, HANDOFF_MEM_RESERVED},
		{7, wb | specific, HANDOFF_MEM_RESERVED},
		{4, wb | runtime, HANDOFF_MEM_RUNTIME},
		{9, wb | specific, HANDOFF_MEM_ACPI},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(memmap_type(cases[i].uefi, cases[i].attribute), cases[i].type);
}

/* The model's view of `ranges`: sorted, apart from each other, merged; type by page. */
static void expand(const struct handoff_range *ranges, uint32_t count, uint8_t *pages)
{
	uint64_t end = 0;

	memset(pages, 0, PAGES);
	for (uint32_t i = 0; i < count; i++) {
		assert_true(ranges[i].base >= end && ranges[i].bytes > 0);
		assert_false(i > 0 && ranges[i].base == end &&
			     ranges[i].type == ranges[i - 1].type);
		assert_int_equal((ranges[i].base | ranges[i].bytes) % PAGE, 0);
		end = ranges[i].base + ranges[i].bytes;
		assert_true(end <= PAGES * PAGE);
		memset(pages + ranges[i].base / PAGE, (int)ranges[i].type,
		       ranges[i].bytes / PAGE);
	}
}

static void random_maps_agree_with_the_model(void **state)
{
	struct memmap_edge edges[2 * ADDS];

	(void)state;
	srand(1);
	for (unsigned round = 0; round < 20000; round++) {
		struct memmap map = {.edges = edges, .capacity = 2 * ADDS};
		const unsigned adds = (unsigned)rand() % (ADDS + 1);
		uint8_t model[PAGES] = {0}, pages[PAGES];

		/* Few large ranges in one round, many small ones in another. */
		const unsigned longest = 1 + (unsigned)rand() % (PAGES / 4);
		for (unsigned i = 0; i < adds; i++) {
			const unsigned bytes = (unsigned)rand() % (longest * (unsigned)PAGE);
			const unsigned count = (bytes + (unsigned)PAGE - 1) / (unsigned)PAGE;
			const unsigned first = (unsigned)rand() % (PAGES - count);
			const int type = 1 + rand() % HANDOFF_MEM_MMIO;
			assert_int_equal(memmap_add(&map, first * PAGE, bytes,
						    (enum handoff_mem_type)type),
					 0);
			for (unsigned page = first; page < first + count; page++) {
				if (model[page] < type)
					model[page] = (uint8_t)type;
			}
		}

		/* Exactly the room that is promised to be enough; the sanitizer watches. */
		const uint32_t room = map.count;
		struct handoff_range *ranges = malloc(room * sizeof(*ranges) + 1);
		const uint32_t count = memmap_settle(&map, ranges);
		expand(ranges, count, pages);
		assert_memory_equal(pages, model, PAGES);

		uint64_t usable = 0;
		for (unsigned page = 0; page < PAGES; page++)
			usable += model[page] == HANDOFF_MEM_USABLE ? PAGE : 0;
		assert_int_equal(memmap_bytes(ranges, count, HANDOFF_MEM_USABLE), usable);
		free(ranges);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_map_has_no_ranges),
		cmocka_unit_test(neighbours_of_one_type_become_one),
		cmocka_unit_test(our_own_is_carved_out),
		cmocka_unit_test(what_no_memory_can_be_is_refused),
		cmocka_unit_test(uefi_types_become_ours),
		cmocka_unit_test(random_maps_agree_with_the_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

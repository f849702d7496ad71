/* The page tables that boot hands over, walked as the CPU walks them. Not their loading. */
/* links: boot/paging.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "boot/paging.h"

#define PAGE	   4096ull
#define GIB	   (1ull << 30)
#define TABLES_MAX 256
#define RAM	   (PAGING_WRITE | PAGING_NO_EXECUTE)

static void *tables[TABLES_MAX];
static unsigned tables_made, tables_allowed;

static void *new_table(void)
{
	if (tables_made == tables_allowed)
		return NULL;
	void *table = aligned_alloc(PAGE, PAGE);
	assert_non_null(table);
	memset(table, 0, PAGE);
	return tables[tables_made++] = table;
}

static struct paging start(unsigned allowed)
{
	tables_allowed = allowed;
	return (struct paging){.pml4 = new_table(), .new_table = new_table};
}

static int end(void **state)
{
	(void)state;
	while (tables_made > 0)
		free(tables[--tables_made]);
	return 0;
}

/*
 * What `virt` leads to: the physical address and the permissions of all levels together, as
 * SDM vol. 3A 4.6 has it; 0 if nothing.
 */
static uint64_t walk(const struct paging *paging, uint64_t virt)
{
	const uint64_t *table = paging->pml4;
	uint64_t write = PAGING_WRITE, no_execute = 0;

	for (int level = 3;; level--) {
		const unsigned shift = 12 + 9 * (unsigned)level;
		const uint64_t entry = table[virt >> shift & 511];
		const uint64_t address = entry & 0x000ffffffffff000;
		if (!(entry & 1))
			return 0;
		assert_int_equal(entry & 0x7ff000000000007c, 0); /* no bits we do not mean */
		write &= entry;
		no_execute |= entry & PAGING_NO_EXECUTE;
		if (level == 0 || (entry & 0x80)) {
			assert_in_range(level, 0, 1);
			assert_int_equal(entry & 0x80, level == 1 ? 0x80 : 0); /* else PAT */
			const uint64_t offset = virt & ((1ull << shift) - 1) & -PAGE;
			assert_int_equal(address & ((1ull << shift) - 1), 0);
			return (address + offset) | write | no_execute | 1;
		}
		table = (const uint64_t *)(uintptr_t)address;
	}
}

static void the_kernel_gets_its_permissions(void **state)
{
	const uint64_t text = 0xffffffff80100000, phys = 0x7de00000;
	struct paging paging = start(TABLES_MAX);

	(void)state;
	assert_true(paging_map(&paging, text, phys, 2 * PAGE, 0));
	assert_true(paging_map(&paging, text + 2 * PAGE, phys + 2 * PAGE, PAGE, RAM));
	assert_int_equal(walk(&paging, text), phys | 1);
	assert_int_equal(walk(&paging, text + PAGE), (phys + PAGE) | 1);
	assert_int_equal(walk(&paging, text + 2 * PAGE), (phys + 2 * PAGE) | RAM | 1);
	assert_int_equal(walk(&paging, text + 3 * PAGE), 0);
	assert_int_equal(walk(&paging, text - PAGE), 0);
}

static void ram_is_mapped_and_reserved_ranges_above_4_gib_are_not(void **state)
{
	static const struct handoff_range ranges[] = {
		{0x1000, 0x80000000 - 0x1000, HANDOFF_MEM_USABLE, 0},
		{0xfed00000, 0x1000, HANDOFF_MEM_MMIO, 0},
		{3 * GIB, 2 * GIB, HANDOFF_MEM_USABLE, 0}, /* across 4 GiB */
		{5 * GIB, 0x3000, HANDOFF_MEM_RUNTIME, 0},
		{5 * GIB + 0x3000, GIB - 0x3000, HANDOFF_MEM_USABLE, 0},
		{6 * GIB, GIB, HANDOFF_MEM_RESERVED, 0},
		{7 * GIB, GIB, HANDOFF_MEM_MMIO, 0},
		{1024 * GIB + PAGE, 2 * PAGE, HANDOFF_MEM_ACPI, 0},
	};
	struct paging paging = start(TABLES_MAX);

	(void)state;
	assert_true(paging_map_ram(&paging, ranges, sizeof(ranges) / sizeof(ranges[0])));
	for (uint64_t at = 0; at < 9 * GIB; at += GIB / 512)
		assert_int_equal(walk(&paging, at), at < 6 * GIB ? at | RAM | 1 : 0);
	assert_int_equal(walk(&paging, 6 * GIB - PAGE), (6 * GIB - PAGE) | RAM | 1);
	assert_int_equal(walk(&paging, 1024 * GIB), 0);
	assert_int_equal(walk(&paging, 1024 * GIB + PAGE), (1024 * GIB + PAGE) | RAM | 1);
	assert_int_equal(walk(&paging, 1024 * GIB + 3 * PAGE), 0);
	/* Six page directories of 2 MiB pages, and 3 tables for the odd one far up. */
	assert_int_equal(tables_made, 1 + 1 + 6 + 3);
}

static void one_page_is_cut_out_of_a_large_one(void **state)
{
	const uint64_t jump = 0x7deaa000;
	struct paging paging = start(TABLES_MAX);

	(void)state;
	assert_true(paging_map_ram(&paging, NULL, 0));
	assert_true(paging_map(&paging, jump, jump, PAGE, 0));
	assert_int_equal(walk(&paging, jump), jump | 1);
	for (uint64_t at = jump & -0x200000ull; at <= (jump | 0x1fffff); at += PAGE) {
		if (at != jump)
			assert_int_equal(walk(&paging, at), at | RAM | 1);
	}
}

static void running_out_of_tables_is_told(void **state)
{
	(void)state;
	for (unsigned allowed = 1; allowed < 6; allowed++) {
		struct paging paging = start(allowed);
		assert_false(paging_map_ram(&paging, NULL, 0));
		end(NULL);
	}
	struct paging paging = start(6);
	assert_true(paging_map_ram(&paging, NULL, 0));
	assert_false(paging_map(&paging, PAGE, PAGE, PAGE, 0));
}

/* Mappings over mappings, around the place where all four levels change over. */
static void random_mappings_agree_with_the_model(void **state)
{
	enum { PAGES = 4096 };
	const uint64_t base = (512 * GIB) - PAGES / 2 * PAGE;
	static uint64_t model[PAGES];

	(void)state;
	srand(1);
	for (unsigned round = 0; round < 100; round++) {
		struct paging paging = start(TABLES_MAX);
		memset(model, 0, sizeof(model));
		for (unsigned i = 0; i < 12; i++) {
			static const uint64_t permissions[] = {0, PAGING_WRITE, RAM,
							       PAGING_NO_EXECUTE};
			const uint64_t permission = permissions[rand() % 4];
			uint64_t first = (unsigned)rand() % PAGES;
			if (rand() % 2)
				first &= -512ull;
			const uint64_t count = 1 + (unsigned)rand() % (PAGES - first);
			uint64_t phys = ((unsigned)rand() % 0x1000000) * PAGE;
			if (rand() % 2) /* in step with `virt`: room for large pages */
				phys = (phys & -0x200000ull) + first % 512 * PAGE;
			assert_true(paging_map(&paging, base + first * PAGE, phys, count * PAGE,
					       permission));
			for (uint64_t page = 0; page < count; page++)
				model[first + page] = (phys + page * PAGE) | permission | 1;
		}
		for (unsigned page = 0; page < PAGES; page++)
			assert_int_equal(walk(&paging, base + page * PAGE), model[page]);
		assert_int_equal(walk(&paging, base - PAGE), 0);
		assert_int_equal(walk(&paging, base + PAGES * PAGE), 0);
		end(NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(the_kernel_gets_its_permissions, end),
		cmocka_unit_test_teardown(ram_is_mapped_and_reserved_ranges_above_4_gib_are_not,
					  end),
		cmocka_unit_test_teardown(one_page_is_cut_out_of_a_large_one, end),
		cmocka_unit_test_teardown(running_out_of_tables_is_told, end),
		cmocka_unit_test_teardown(random_mappings_agree_with_the_model, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The formats of nested page tables, bit by bit as the manuals have them, and the shared walk
 * over them.
 */
/* links: kernel/mem/pt_long.c */
/* links: kernel/vmm/nested.c kernel/mem/pagetable.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "kernel/vmm/nested.h"

#define RWX (PT_READ | PT_WRITE | PT_EXEC)

static void *alloc(void *arg, uint64_t *phys)
{
	void *table = aligned_alloc(PAGE_BYTES, PAGE_BYTES);

	for (unsigned i = 0; i < PAGE_BYTES / 8; i++)
		((uint64_t *)table)[i] = 0;
	*phys = (uint64_t)table;
	(*(unsigned *)arg)++;
	return table;
}

static void release(void *arg, void *table, uint64_t phys)
{
	assert_ptr_equal(table, (void *)phys);
	(*(unsigned *)arg)--;
	free(table);
}

static void *at(void *arg, uint64_t phys)
{
	(void)arg;
	return (void *)phys;
}

static unsigned tables;
static const struct pt_pages pages = {alloc, release, at, &tables};

/* APM vol. 2 15.25.5: nested entries need U/S = 1; NX is bit 63, PS bit 7. */
static void npt_entries(void **state)
{
	const struct pt_format *f = &pt_format_npt;

	(void)state;
	assert_int_equal(f->leaf(0x1000, 1, RWX), 0x1007);
	assert_int_equal(f->leaf(0x200000, 2, RWX), 0x200087);
	assert_int_equal(f->leaf(0x40000000, 3, PT_READ | PT_EXEC), 0x40000085);
	assert_true(f->leaf(0x1000, 1, PT_READ | PT_WRITE) == (0x1007 | 1ull << 63));
	assert_int_equal(f->leaf(0x1000, 1, RWX | PT_UNCACHED), 0x101f);
	assert_int_equal(f->table(0x5000), 0x5007);
	assert_false(f->present(0));
}

/* Each protection, as an entry by the manual and as it reads back. What the host alone has is
 * left out, and so are A and D, which the CPU sets. */
static void npt_protections(void **state)
{
	const struct pt_format *f = &pt_format_npt;

	(void)state;
	for (unsigned prot = 0; prot < 2 * PT_WRITE_COMBINING; prot++) {
		uint64_t entry = 0x1000 | 1 | 4 | (prot & PT_WRITE ? 2 : 0) |
				 (prot & PT_UNCACHED ? 0x18 : 0) |
				 (prot & PT_EXEC ? 0 : 1ull << 63);

		assert_true(f->leaf(0x1000, 1, prot) == entry);
		assert_true(f->leaf(0x1000, 2, prot) == (entry | 0x80));
		assert_int_equal(f->prot(entry, 1),
				 PT_READ | (prot & (PT_WRITE | PT_EXEC | PT_UNCACHED)));
	}
	assert_false(f->is_leaf(0x1007, 2));
	assert_true(f->is_leaf(0x1007, 1));
	assert_true(f->is_leaf(0x1087, 3));
}

/* SDM vol. 3C tables 28-2 to 28-6: R W X in bits 0 to 2, memory type in 3 to 5 of leaves (WB is
 * 6, UC 0), large page bit 7; upper levels have no memory type. */
static void ept_entries(void **state)
{
	const struct pt_format *f = &pt_format_ept;

	(void)state;
	assert_int_equal(f->leaf(0x1000, 1, RWX), 0x1000 | 6 << 3 | 7);
	assert_int_equal(f->leaf(0x200000, 2, RWX), 0x200000 | 1 << 7 | 6 << 3 | 7);
	assert_int_equal(f->leaf(0x40000000, 3, PT_READ), 0x40000000 | 1 << 7 | 6 << 3 | 1);
	assert_int_equal(f->leaf(0x1000, 1, PT_READ | PT_WRITE | PT_UNCACHED), 0x1003);
	assert_int_equal(f->leaf(0x1000, 1, PT_WRITE) & 3, 3); /* never write-only: 28.3.3.1 */
	assert_int_equal(f->table(0x5000), 0x5007);
	assert_false(f->present(6 << 3)); /* a memory type alone maps nothing */
	assert_true(f->present(4));
}

/* Every kind of leaf, read back through the walk. */
static void maps_read_back(void **state)
{
	static const struct pt_format *const formats[] = {&pt_format_npt, &pt_format_ept};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct pagetable pt;
		uint64_t phys;
		unsigned prot;

		assert_int_equal(pagetable_init(&pt, formats[i], &pages, 3), 0);
		assert_int_equal(pagetable_map(&pt, PAGE_1G, 4 * PAGE_1G, PAGE_1G, RWX), 0);
		assert_int_equal(pagetable_map(&pt, PAGE_2M, 6 * PAGE_2M, PAGE_2M, PT_READ), 0);
		assert_int_equal(
			pagetable_map(&pt, 0, 0x7000, PAGE_BYTES, PT_READ | PT_UNCACHED), 0);

		assert_int_equal(pagetable_lookup(&pt, PAGE_1G + 12345, &phys, &prot), 3);
		assert_int_equal(phys, 4 * PAGE_1G + 12345);
		assert_int_equal(prot, RWX);
		assert_int_equal(pagetable_lookup(&pt, PAGE_2M + 4097, &phys, &prot), 2);
		assert_int_equal(phys, 6 * PAGE_2M + 4097);
		assert_int_equal(prot, PT_READ);
		assert_int_equal(pagetable_lookup(&pt, 5, &phys, &prot), 1);
		assert_int_equal(phys, 0x7005);
		assert_int_equal(prot, PT_READ | PT_UNCACHED);
		assert_int_equal(pagetable_lookup(&pt, PAGE_BYTES, &phys, &prot), 0);
		pagetable_fini(&pt);
		assert_int_equal(tables, 0);
	}
}

/* What gmem does: 2 MiB parts one by one, then one 1 GiB leaf over them. The table that it
 * replaces is freed through the pages' own `free`. */
static void parts_become_one_leaf(void **state)
{
	struct pagetable pt;
	uint64_t phys;
	unsigned prot, before;

	(void)state;
	assert_int_equal(pagetable_init(&pt, &pt_format_npt, &pages, 3), 0);
	for (uint64_t a = 0; a < PAGE_1G; a += PAGE_2M)
		assert_int_equal(pagetable_map(&pt, a, PAGE_1G + a, PAGE_2M, RWX), 0);
	assert_int_equal(pagetable_lookup(&pt, 3 * PAGE_2M, &phys, &prot), 2);
	before = tables;
	assert_int_equal(pagetable_map(&pt, 0, PAGE_1G, PAGE_1G, RWX), 0);
	assert_int_equal(tables, before - 1);
	assert_int_equal(pagetable_lookup(&pt, 3 * PAGE_2M + 9, &phys, &prot), 3);
	assert_int_equal(phys, PAGE_1G + 3 * PAGE_2M + 9);
	pagetable_fini(&pt);
	assert_int_equal(tables, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(npt_entries),		 cmocka_unit_test(npt_protections),
		cmocka_unit_test(ept_entries),		 cmocka_unit_test(maps_read_back),
		cmocka_unit_test(parts_become_one_leaf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

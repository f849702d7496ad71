/*
 * Random maps and unmaps of a page table in any format against a model: one entry per page.
 * Include it in one test; give it a format and the largest leaf.
 */
#ifndef TESTS_PAGETABLE_MODEL_H
#define TESTS_PAGETABLE_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/mem/pagetable.h"

/* Tables live in an arena; a table's physical address is its offset and some high bits. */
#define MODEL_TABLES	 4096
#define MODEL_TABLE_PHYS 0x7f00000000ull

static _Alignas(4096) uint64_t model_arena[MODEL_TABLES][512];
static bool model_used[MODEL_TABLES];
static unsigned model_tables, model_limit;

static void *model_alloc(void *arg, uint64_t *phys)
{
	(void)arg;
	if (model_tables >= model_limit)
		return NULL;
	for (unsigned i = 0; i < MODEL_TABLES; i++) {
		if (model_used[i])
			continue;
		model_used[i] = true;
		model_tables++;
		*phys = MODEL_TABLE_PHYS + i * PAGE_BYTES;
		return memset(model_arena[i], 0, PAGE_BYTES);
	}
	return NULL;
}

static void *model_at(void *arg, uint64_t phys)
{
	uint64_t i = (phys - MODEL_TABLE_PHYS) / PAGE_BYTES;

	(void)arg;
	assert_true(i < MODEL_TABLES && model_used[i] && IS_ALIGNED(phys, PAGE_BYTES));
	return model_arena[i];
}

static void model_free(void *arg, void *table, uint64_t phys)
{
	assert_ptr_equal(model_at(arg, phys), table);
	memset(table, 0xa5, PAGE_BYTES); /* who still reads it finds nonsense */
	model_used[(phys - MODEL_TABLE_PHYS) / PAGE_BYTES] = false;
	model_tables--;
}

static const struct pt_pages model_pages = {
	.alloc = model_alloc,
	.free = model_free,
	.at = model_at,
};

/* The window of addresses: two stretches around a 1 GiB and a 512 GiB boundary. */
#define MODEL_STRETCH (1536 * 512) /* pages: 3 GiB */
#define MODEL_PAGES   (2ull * MODEL_STRETCH)

static struct model_page {
	uint32_t frame; /* physical address / 4 KiB */
	uint16_t prot;
	bool mapped;
} model[MODEL_PAGES];

static uint64_t model_virt(uint64_t page)
{
	static const uint64_t base[2] = {0x40000000, 0x7f40000000};

	return base[page / MODEL_STRETCH] + page % MODEL_STRETCH * PAGE_BYTES;
}

static void model_check_page(const struct pagetable *pt, uint64_t page)
{
	uint64_t offset = (uint64_t)rand() % PAGE_BYTES, phys = 0;
	unsigned prot = 0;
	unsigned level = pagetable_lookup(pt, model_virt(page) + offset, &phys, &prot);

	assert_int_equal(level != 0, model[page].mapped);
	if (!level)
		return;
	assert_true(level <= pt->max_leaf_level);
	assert_int_equal(phys, model[page].frame * PAGE_BYTES + offset);
	assert_int_equal(prot, model[page].prot);
}

/* Checks around both ends of what changed, and here and there. */
static void model_check(const struct pagetable *pt, uint64_t page, uint64_t count)
{
	for (unsigned i = 0; i < 4; i++) {
		if (page + i >= 2)
			model_check_page(pt, MIN(page + i - 2, MODEL_PAGES - 1));
		model_check_page(pt, MIN(page + count + i - 2, MODEL_PAGES - 1));
		model_check_page(pt, page + (uint64_t)rand() % count);
		model_check_page(pt, (uint64_t)rand() % MODEL_PAGES);
	}
}

/* A range inside one stretch; often aligned, so that large leaves come about. */
static void model_pick(uint64_t *page, uint64_t *count)
{
	static const uint64_t sizes[] = {1, 5, 511, 512, 513, 4096, 262144, 300000};
	static const uint64_t aligns[] = {1, 1, 512, 512, 262144};
	uint64_t align = aligns[(unsigned)rand() % ARRAY_SIZE(aligns)], room;

	*page = ALIGN_DOWN((uint64_t)rand() % MODEL_PAGES, align);
	room = MODEL_STRETCH - *page % MODEL_STRETCH;
	*count = MIN(sizes[(unsigned)rand() % ARRAY_SIZE(sizes)], room);
}

static void model_set(uint64_t page, uint64_t count, uint64_t frame, unsigned prot)
{
	for (uint64_t i = 0; i < count; i++)
		model[page + i] = (struct model_page){
			.frame = (uint32_t)(frame + i),
			.prot = (uint16_t)prot,
			.mapped = true,
		};
}

/* The level of the leaf there; 0 for none. */
static unsigned model_level(const struct pagetable *pt, uint64_t virt)
{
	uint64_t phys;
	unsigned prot;

	return pagetable_lookup(pt, virt, &phys, &prot);
}

/* `prots`: the protections that the format can tell apart. */
static void model_run(const struct pt_format *format, unsigned max_leaf_level,
		      const unsigned *prots, unsigned prot_count, unsigned steps)
{
	struct pagetable pt;

	memset(model, 0, sizeof(model));
	memset(model_used, 0, sizeof(model_used));
	model_tables = 0;
	model_limit = MODEL_TABLES;
	assert_int_equal(pagetable_init(&pt, format, &model_pages, max_leaf_level), 0);
	for (unsigned step = 0; step < steps; step++) {
		uint64_t page, count, virt;

		model_pick(&page, &count);
		virt = model_virt(page);
		if (rand() % 3) {
			unsigned prot = prots[(unsigned)rand() % prot_count];
			/* Aligned like the address in half of the cases. */
			uint64_t frame = rand() % 2 ? virt / PAGE_BYTES % 262144 + 262144
						    : (uint64_t)rand() % 0xfffff;

			assert_int_equal(pagetable_map(&pt, virt, frame * PAGE_BYTES,
						       count * PAGE_BYTES, prot),
					 0);
			model_set(page, count, frame, prot);
		} else {
			assert_int_equal(pagetable_unmap(&pt, virt, count * PAGE_BYTES), 0);
			memset(&model[page], 0, count * sizeof(model[0]));
		}
		model_check(&pt, page, count);
	}
	for (uint64_t page = 0; page < MODEL_PAGES; page++)
		model_check_page(&pt, page);
	pagetable_fini(&pt);
	assert_int_equal(model_tables, 0); /* nothing leaks */
}

/* Leaves are as large as addresses, size and the CPU allow, and are split when they must be. */
static void model_leaf_sizes(const struct pt_format *format, unsigned prot)
{
	struct pagetable pt;

	model_limit = MODEL_TABLES;
	assert_int_equal(pagetable_init(&pt, format, &model_pages, 3), 0);
	assert_int_equal(pagetable_map(&pt, PAGE_1G, 5 * PAGE_1G, 2 * PAGE_1G, prot), 0);
	assert_int_equal(model_level(&pt, PAGE_1G), 3);
	assert_int_equal(model_tables, 2);
	assert_int_equal(pagetable_unmap(&pt, PAGE_1G + PAGE_2M + PAGE_BYTES, PAGE_BYTES), 0);
	assert_int_equal(model_level(&pt, PAGE_1G), 2);
	assert_int_equal(model_level(&pt, PAGE_1G + PAGE_2M), 1);
	assert_int_equal(model_level(&pt, PAGE_1G + PAGE_2M + PAGE_BYTES), 0);
	assert_int_equal(model_level(&pt, 2 * PAGE_1G), 3);
	assert_int_equal(pagetable_map(&pt, PAGE_1G, 5 * PAGE_1G, PAGE_1G, prot), 0);
	assert_int_equal(model_level(&pt, PAGE_1G), 3);
	assert_int_equal(model_tables, 2); /* the tables of the split are gone */
	assert_int_equal(pagetable_map(&pt, 0, PAGE_BYTES, PAGE_2M, prot), 0);
	assert_int_equal(model_level(&pt, 0), 1); /* physically unaligned */
	pagetable_fini(&pt);

	assert_int_equal(pagetable_init(&pt, format, &model_pages, 2), 0);
	assert_int_equal(pagetable_map(&pt, PAGE_1G, PAGE_1G, PAGE_1G, prot), 0);
	assert_int_equal(model_level(&pt, PAGE_1G), 2); /* a CPU without 1 GiB pages */
	pagetable_fini(&pt);
	assert_int_equal(model_tables, 0);
}

/* Out of tables: an error, and what is mapped stays right and is freed in the end. */
static void model_out_of_memory(const struct pt_format *format, unsigned prot)
{
	struct pagetable pt;
	uint64_t phys;
	unsigned found;

	model_limit = 0;
	assert_int_equal(pagetable_init(&pt, format, &model_pages, 3), -ENOMEM);
	for (model_limit = 1; model_limit < 5; model_limit++) {
		assert_int_equal(pagetable_init(&pt, format, &model_pages, 3), 0);
		assert_int_equal(pagetable_map(&pt, PAGE_2M - PAGE_BYTES, PAGE_BYTES,
					       2 * PAGE_BYTES, prot),
				 -ENOMEM);
		pagetable_fini(&pt);
		assert_int_equal(model_tables, 0);
	}
	model_limit = 2;
	assert_int_equal(pagetable_init(&pt, format, &model_pages, 3), 0);
	assert_int_equal(pagetable_map(&pt, 0, 0, PAGE_1G, prot), 0);
	assert_int_equal(pagetable_unmap(&pt, 0, PAGE_BYTES), -ENOMEM); /* cannot split */
	assert_int_equal(pagetable_lookup(&pt, 12345, &phys, &found), 3);
	assert_int_equal(phys, 12345);
	assert_int_equal(found, prot);
	pagetable_fini(&pt);
	assert_int_equal(model_tables, 0);
}

#endif

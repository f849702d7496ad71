/* Four-level page tables: map, unmap, look up. Entry formats are given; TLBs are the callers'.
 */
#include "kernel/mem/pagetable.h"

#include <errno.h>

#define LEVELS	4
#define ENTRIES 512

static uint64_t span_of(unsigned level)
{
	return 1ull << (12 + 9 * (level - 1));
}

static unsigned slot_of(uint64_t virt, unsigned level)
{
	return (virt >> (12 + 9 * (level - 1))) % ENTRIES;
}

/* Another CPU's walker may read the entry at any time: one store, never torn. */
static void set_entry(uint64_t *entry, uint64_t value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

static bool is_leaf(const struct pagetable *pt, uint64_t entry, unsigned level)
{
	return level == 1 || pt->format->is_leaf(entry, level);
}

static uint64_t *lower_of(const struct pagetable *pt, uint64_t entry)
{
	return pt->pages->at(pt->pages->arg, entry & pt->format->address_mask);
}

/* Frees what an entry of `level` pointed to, if that is a table. */
static void free_below(struct pagetable *pt, uint64_t entry, unsigned level)
{
	if (!pt->format->present(entry) || is_leaf(pt, entry, level))
		return;

	uint64_t *table = lower_of(pt, entry);

	for (unsigned i = 0; level > 2 && i < ENTRIES; i++)
		free_below(pt, table[i], level - 1);
	pt->pages->free(pt->pages->arg, table, entry & pt->format->address_mask);
}

static void replace_entry(struct pagetable *pt, uint64_t *entry, unsigned level, uint64_t value)
{
	uint64_t old = *entry;

	set_entry(entry, value);
	free_below(pt, old, level);
}

/* The table below `*entry`, made if there is none; a large leaf is split into equal smaller
 * ones. NULL when out of memory. */
static uint64_t *need_lower(struct pagetable *pt, uint64_t *entry, unsigned level)
{
	const struct pt_format *format = pt->format;
	uint64_t old = *entry, phys, *table;

	if (format->present(old) && !is_leaf(pt, old, level))
		return lower_of(pt, old);
	table = pt->pages->alloc(pt->pages->arg, &phys);
	if (!table)
		return NULL;
	if (format->present(old)) {
		uint64_t leaf_phys = old & format->address_mask & ~(span_of(level) - 1);
		unsigned prot = format->prot(old, level);

		for (unsigned i = 0; i < ENTRIES; i++)
			table[i] = format->leaf(leaf_phys + i * span_of(level - 1), level - 1,
						prot);
	}
	set_entry(entry, format->table(phys));
	return table;
}

/* Bytes from virt to the end of its entry at `level`, or `bytes` if fewer. */
static uint64_t part_in_entry(uint64_t virt, uint64_t bytes, unsigned level)
{
	uint64_t span = span_of(level);

	return MIN(bytes, span - (virt & (span - 1)));
}

static int map_in(struct pagetable *pt, uint64_t *table, unsigned level, uint64_t virt,
		  uint64_t phys, uint64_t bytes, unsigned prot)
{
	while (bytes) {
		uint64_t part = part_in_entry(virt, bytes, level);
		uint64_t *entry = &table[slot_of(virt, level)];

		if (part == span_of(level) && level <= pt->max_leaf_level &&
		    IS_ALIGNED(phys, part)) {
			replace_entry(pt, entry, level, pt->format->leaf(phys, level, prot));
		} else {
			uint64_t *lower = need_lower(pt, entry, level);
			int err = lower ? map_in(pt, lower, level - 1, virt, phys, part, prot)
					: -ENOMEM;

			if (err)
				return err;
		}
		virt += part;
		phys += part;
		bytes -= part;
	}
	return 0;
}

static int unmap_in(struct pagetable *pt, uint64_t *table, unsigned level, uint64_t virt,
		    uint64_t bytes)
{
	while (bytes) {
		uint64_t part = part_in_entry(virt, bytes, level);
		uint64_t *entry = &table[slot_of(virt, level)];

		if (part == span_of(level)) {
			replace_entry(pt, entry, level, 0);
		} else if (pt->format->present(*entry)) {
			uint64_t *lower = need_lower(pt, entry, level);
			int err = lower ? unmap_in(pt, lower, level - 1, virt, part) : -ENOMEM;

			if (err)
				return err;
		}
		virt += part;
		bytes -= part;
	}
	return 0;
}

int pagetable_init(struct pagetable *pt, const struct pt_format *format,
		   const struct pt_pages *pages, unsigned max_leaf_level)
{
	*pt = (struct pagetable){
		.format = format,
		.pages = pages,
		.max_leaf_level = max_leaf_level,
	};
	pt->root = pages->alloc(pages->arg, &pt->root_phys);
	return pt->root ? 0 : -ENOMEM;
}

void pagetable_fini(struct pagetable *pt)
{
	for (unsigned i = 0; i < ENTRIES; i++)
		free_below(pt, pt->root[i], LEVELS);
	pt->pages->free(pt->pages->arg, pt->root, pt->root_phys);
	pt->root = NULL;
}

int pagetable_map(struct pagetable *pt, uint64_t virt, uint64_t phys, uint64_t bytes,
		  unsigned prot)
{
	return map_in(pt, pt->root, LEVELS, virt, phys, bytes, prot);
}

int pagetable_unmap(struct pagetable *pt, uint64_t virt, uint64_t bytes)
{
	return unmap_in(pt, pt->root, LEVELS, virt, bytes);
}

unsigned pagetable_lookup(const struct pagetable *pt, uint64_t virt, uint64_t *phys,
			  unsigned *prot)
{
	const uint64_t *table = pt->root;

	for (unsigned level = LEVELS; level; level--) {
		uint64_t entry = table[slot_of(virt, level)], span = span_of(level);

		if (!pt->format->present(entry))
			return 0;
		if (is_leaf(pt, entry, level)) {
			*phys = (entry & pt->format->address_mask & ~(span - 1)) |
				(virt & (span - 1));
			*prot = pt->format->prot(entry, level);
			return level;
		}
		table = lower_of(pt, entry);
	}
	return 0;
}

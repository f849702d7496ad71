/*
 * Builds the page tables of the hand-off (SDM vol. 3A 4.5; APM vol. 2 5.3). Builds only: it
 * does not load them, and has no unmap.
 */
#include "boot/paging.h"
#include <stddef.h>

#define PRESENT		 1ull
#define WRITABLE	 PAGING_WRITE
#define LARGE		 (1ull << 7) /* in a page directory entry: a 2 MiB page */

#define ADDRESS_MASK	 0x000ffffffffff000ull
#define ENTRIES		 512u
#define PAGE_BYTES	 4096ull
#define LARGE_PAGE_BYTES (2ull << 20)
#define LOW_BYTES	 (4ull << 30)

/* Levels count from the bottom: 0 is a page table, 1 a page directory, 3 the PML4. */
static uint64_t *entry_of(uint64_t *table, uint64_t virt, unsigned level)
{
	return &table[(virt >> (12 + 9 * level)) % ENTRIES];
}

/* Makes `entry`, a 2 MiB page or nothing, point to a page table that maps the same. */
static uint64_t *new_level(struct paging *paging, uint64_t *entry)
{
	uint64_t *table = paging->new_table();
	if (!table)
		return NULL;
	if (*entry & PRESENT) {
		for (uint64_t i = 0; i < ENTRIES; i++)
			table[i] = (*entry & ~LARGE) + i * PAGE_BYTES;
	}
	/* Permissions are decided by the last level alone. */
	*entry = (uint64_t)(uintptr_t)table | PRESENT | WRITABLE;
	return table;
}

static uint64_t *descend(struct paging *paging, uint64_t *entry)
{
	if ((*entry & PRESENT) && !(*entry & LARGE))
		return (uint64_t *)(uintptr_t)(*entry & ADDRESS_MASK);
	return new_level(paging, entry);
}

bool paging_map(struct paging *paging, uint64_t virt, uint64_t phys, uint64_t bytes,
		uint64_t permissions)
{
	while (bytes > 0) {
		uint64_t *table = paging->pml4;
		for (unsigned level = 3; level > 1; level--) {
			table = descend(paging, entry_of(table, virt, level));
			if (!table)
				return false;
		}

		uint64_t *entry = entry_of(table, virt, 1);
		uint64_t step = LARGE_PAGE_BYTES;
		if ((virt | phys) % step == 0 && bytes >= step) {
			*entry = phys | PRESENT | LARGE | permissions;
		} else {
			step = PAGE_BYTES;
			table = descend(paging, entry);
			if (!table)
				return false;
			*entry_of(table, virt, 0) = phys | PRESENT | permissions;
		}
		virt += step;
		phys += step;
		bytes -= step;
	}
	return true;
}

static bool is_ram(const struct handoff_range *range)
{
	return range->type != HANDOFF_MEM_RESERVED && range->type != HANDOFF_MEM_MMIO;
}

bool paging_map_ram(struct paging *paging, const struct handoff_range *ranges, uint32_t count)
{
	const uint64_t permissions = PAGING_WRITE | PAGING_NO_EXECUTE;
	if (!paging_map(paging, 0, 0, LOW_BYTES, permissions))
		return false;

	/* Neighbours of different types are mapped in one go, for the sake of 2 MiB pages. */
	uint64_t base = LOW_BYTES, end = LOW_BYTES;
	for (uint32_t i = 0; i < count; i++) {
		const struct handoff_range *range = &ranges[i];
		if (!is_ram(range) || range->base + range->bytes <= LOW_BYTES)
			continue;
		if (range->base > end) {
			if (!paging_map(paging, base, base, end - base, permissions))
				return false;
			base = range->base;
		}
		end = range->base + range->bytes;
	}
	return paging_map(paging, base, base, end - base, permissions);
}

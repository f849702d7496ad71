/*
 * Pages from the firmware, of type EfiLoaderData where nothing else is said, remembered so that
 * a refusal can give every one of them back. They stay where they are when the kernel starts.
 */
#ifndef BOOT_PAGES_H
#define BOOT_PAGES_H

#include <stdint.h>

#define PAGE_BYTES	 4096ull
#define LARGE_PAGE_BYTES (2ull << 20)

static inline uint64_t pages_for(uint64_t bytes)
{
	return (bytes + PAGE_BYTES - 1) / PAGE_BYTES;
}

/* `count` contiguous pages, contents undefined; physical address, or 0 if there are none. */
uint64_t pages_get(uint64_t count);

/* The same, wholly below `limit`. */
uint64_t pages_get_below(uint64_t count, uint64_t limit);

/* The same at `base`, of type EfiReservedMemoryType: nobody's, from the kernel on too. `base`,
 * or 0 where that is not free. */
uint64_t pages_reserve_at(uint64_t count, uint64_t base);

/* The same, at an address that equals `virt` modulo 2 MiB; below 4 GiB where possible. */
uint64_t pages_get_congruent(uint64_t count, uint64_t virt);

/* One zeroed page for a page table, NULL if there is none. */
void *pages_get_table(void);

/* Gives everything back. */
void pages_release(void);

#endif

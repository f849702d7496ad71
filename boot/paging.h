/*
 * Page tables in force when the kernel is entered: 4 levels, 4 KiB and 2 MiB pages. The
 * kernel soon makes its own. Free of EFI calls, so that it is tested on the build machine.
 */
#ifndef BOOT_PAGING_H
#define BOOT_PAGING_H

#include "boot/handoff.h"
#include <stdbool.h>
#include <stdint.h>

#define PAGING_WRITE	  (1ull << 1)
#define PAGING_NO_EXECUTE (1ull << 63)

/* Tables are reached at virtual = physical, now and later. */
struct paging {
	uint64_t *pml4;
	void *(*new_table)(void); /* a zeroed 4 KiB page, or NULL */
};

/*
 * Maps [virt, virt + bytes) to phys, all 4 KiB aligned, with PAGING_* permissions, replacing
 * what was mapped there, in 2 MiB pages where both addresses allow. False when out of tables.
 */
bool paging_map(struct paging *paging, uint64_t virt, uint64_t phys, uint64_t bytes,
		uint64_t permissions);

/*
 * Maps the first 4 GiB and every range of RAM above it at virtual = physical, writable and
 * not executable. Reserved ranges and MMIO above 4 GiB stay unmapped: they may have no memory
 * behind them, and a CPU may read ahead through any mapping. False when out of tables.
 */
bool paging_map_ram(struct paging *paging, const struct handoff_range *ranges, uint32_t count);

#endif

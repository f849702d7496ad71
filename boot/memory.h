/*
 * UEFI's memory map, and the map for the kernel made from it.
 */
#ifndef BOOT_MEMORY_H
#define BOOT_MEMORY_H

#include "boot/handoff.h"
#include "boot/memmap.h"
#include <efi.h>

/* Room for both maps, taken while allocating is still possible. */
struct memory {
	uint8_t *descriptors; /* EFI_MEMORY_DESCRIPTOR, `stride` bytes apart */
	UINTN bytes, capacity_bytes, stride, key;
	struct memmap map;
	struct handoff_range *ranges;
};

/*
 * Reads the map into `memory`, growing it until the map fits with room to spare, for
 * later reads and for `own` ranges of our own. May allocate; ends in refuse() if it can't.
 */
void memory_read(struct memory *memory, uint32_t own);

/* Reads it again without allocating anything. */
EFI_STATUS memory_read_again(struct memory *memory);

/*
 * Makes the kernel's map of the last map read, with the kernel and the files of `handoff`
 * marked as such. Calls nothing of the firmware. Fills `ranges`, `range_count`.
 */
void memory_settle(struct memory *memory, struct handoff *handoff);

/* Refuses a machine with less memory than is of any use; needs a settled map. */
void memory_check(const struct handoff *handoff);

#endif

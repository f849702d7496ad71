/*
 * The memory map as the kernel gets it: UEFI's descriptors and our own allocations, laid
 * over each other, sorted and merged. Free of EFI calls and of allocation: the caller brings
 * the memory, because the last map is made after boot services are gone.
 */
#ifndef BOOT_MEMMAP_H
#define BOOT_MEMMAP_H

#include "boot/handoff.h"
#include <stdint.h>

/* One end of a range: at address `at`, `step` (+1 or -1) ranges of `type` begin. */
struct memmap_edge {
	uint64_t at;
	uint32_t type; /* enum handoff_mem_type */
	int32_t step;
};

/* Each range added takes two edges; the caller provides them and sets count to 0. */
struct memmap {
	struct memmap_edge *edges;
	uint32_t count, capacity;
};

/* What a UEFI memory type and its attributes are to the kernel (UEFI 2.10, 7.2.1 and 7.2.3). */
enum handoff_mem_type memmap_type(uint32_t uefi_type, uint64_t uefi_attribute);

/*
 * Adds [base, base + bytes), in any order, overlapping what it likes; bytes is rounded up to
 * 4 KiB. Nothing happens for 0 bytes. Returns 0, or -1 when there are no edges left, or base
 * is not 4 KiB aligned, or the range wraps around.
 */
int memmap_add(struct memmap *map, uint64_t base, uint64_t bytes, enum handoff_mem_type type);

/*
 * Sorts the edges and writes the ranges they describe, sorted by base, without overlaps,
 * neighbours of one type merged. Where ranges overlap the greater type wins: the enumeration
 * is in order of how much it binds the kernel, so a file within loader memory is a file, and
 * free memory that the firmware also calls reserved is reserved. `ranges` has room for
 * map->count entries. Returns the number written. Takes O(n log n), allocates nothing.
 */
uint32_t memmap_settle(struct memmap *map, struct handoff_range *ranges);

/* Bytes in ranges of that type. */
uint64_t memmap_bytes(const struct handoff_range *ranges, uint32_t count,
		      enum handoff_mem_type type);

#endif

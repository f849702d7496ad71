/*
 * Physical memory. Two pools made of one buddy allocator: the host pool, in 4 KiB units, which
 * is mapped for us (directmap) and carries everything the hypervisor allocates; and the guest
 * pool, in 2 MiB units, which is never mapped for us: guests' RAM is reached through gmem.
 */
#ifndef KERNEL_MEM_FRAMES_H
#define KERNEL_MEM_FRAMES_H

#include "kernel/lib/types.h"

/* Counts what is allocated for somebody (a guest, a subsystem). Fields are atomic. */
struct mem_account {
	_Atomic uint64_t bytes;
	const char *name;
};

/* 2^order pages of 4 KiB, physically contiguous and naturally aligned, zeroed, mapped at
 * directmap(phys). Returns the physical address, or 0. Any context. `account` may be NULL. */
uint64_t frames_alloc(unsigned order, struct mem_account *account);
void frames_free(uint64_t phys, unsigned order, struct mem_account *account);

/* Whoever takes frames of the guest pool says so to kernel/mem/owners.h, and when it gives them
 * back.
 *
 * 2^order blocks of 2 MiB from the guest pool, contiguous and naturally aligned, contents
 * undefined, mapped nowhere. Returns the physical address, or 0 when none is free. */
uint64_t guest_frames_alloc(unsigned order);
void guest_frames_free(uint64_t phys, unsigned order);
/* From now on the block is 2^order blocks of 2 MiB, each to be freed by itself. */
void guest_frames_split(uint64_t phys, unsigned order);
uint64_t guest_frames_free_bytes(void);
uint64_t guest_frames_total_bytes(void);
uint64_t frames_free_bytes(void);
uint64_t frames_total_bytes(void);

/* The ranges of memory that the two pools manage, by index, in the order of addresses of each
 * pool. False: there are no more. Fixed after start-up; any context. */
bool frames_range_at(unsigned index, uint64_t *base, uint64_t *bytes);
bool guest_frames_range_at(unsigned index, uint64_t *base, uint64_t *bytes);

#define GUEST_FRAMES_ORDER_MAX 9 /* 1 GiB */

/* What the owner of an allocated host-pool frame wants to find again by its address: the
 * heap's, and guarded by its locks. Cleared neither by frames_alloc nor by frames_free. */
struct frame_note {
	void *owner;
	uint32_t kind, order;
};
struct frame_note *frames_note(uint64_t phys);

/* Start-up, called by mem_init() alone. `metadata` is zeroed memory of that many bytes, for
 * `units` frames; ranges are added, then given in whole or in part. */
#define FRAMES_RANGES_MAX 32
uint64_t frames_metadata_bytes(uint32_t units);
void frames_init(void *metadata, uint32_t units);
void frames_add(uint64_t base, uint64_t bytes);
void frames_give(uint64_t base, uint64_t bytes);

struct mem_extent;
int guest_frames_init(const struct mem_extent *extents, unsigned count);

/* The hypervisor's own view of host-pool memory: virtual = physical + DIRECTMAP_BASE. */
#define DIRECTMAP_BASE 0xffff800000000000ull

static inline void *directmap(uint64_t phys)
{
	return (void *)(phys + DIRECTMAP_BASE);
}

static inline uint64_t directmap_phys(const void *virt)
{
	return (uint64_t)virt - DIRECTMAP_BASE;
}

#endif

/*
 * Which memory goes to which pool: arithmetic on the firmware's memory map and nothing else,
 * so that any map can be tried on the build machine. kernel/mem/hostmap carries it out.
 */
#ifndef KERNEL_MEM_PLAN_H
#define KERNEL_MEM_PLAN_H

#include "boot/handoff.h"
#include "kernel/lib/types.h"

#define MEM_PLAN_HOST_MAX   32 /* pieces of the host pool, loader memory included */
#define MEM_PLAN_HOST_LEAST (40 * MIB)

struct mem_extent {
	uint64_t base, bytes;
	bool loader; /* in use by boot until the hand-off has been copied */
};

struct mem_plan {
	struct mem_extent host[MEM_PLAN_HOST_MAX];
	unsigned host_count;
	uint64_t host_bytes; /* without loader memory */
	uint64_t ram_bytes;  /* all that the firmware calls usable, loader memory included */
};

/* How much of `ram_bytes` is for the host pool: 64 MiB and 1/32, at most 1 GiB, in steps of 2
 * MiB. */
uint64_t mem_plan_host_bytes(uint64_t ram_bytes);

/*
 * Host pool: mem_plan_host_bytes, from the lowest usable addresses from 16 MiB on (32-bit
 * devices and starting CPUs can reach those), then from below 16 MiB. The first MiB is left
 * alone. All of boot's own memory goes to the host pool
 * too. `ranges` as in struct handoff. Returns 0, or -ENOMEM below MEM_PLAN_HOST_LEAST.
 */
int mem_plan_host(struct mem_plan *plan, const struct handoff_range *ranges, unsigned count);

/* Guest pool: every aligned 2 MiB of usable memory that the host pool has not taken. Fills at
 * most `max` extents, returns how many there are (never more than 2 * count). */
unsigned mem_plan_guest(const struct mem_plan *plan, const struct handoff_range *ranges,
			unsigned count, struct mem_extent *extents, unsigned max);

#endif

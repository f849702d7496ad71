/* The split of physical memory into host pool and guest pool. Pure arithmetic. */
#include "kernel/mem/plan.h"

#include <errno.h>

#define LOW_END (16 * MIB)

/* The part of `r` inside [from, to) as whole 2 MiB blocks; 0 bytes if there is none. */
static struct mem_extent blocks_of(const struct handoff_range *r, uint64_t from, uint64_t to)
{
	struct mem_extent none = {0};

	if (r->type != HANDOFF_MEM_USABLE)
		return none;

	uint64_t base = ALIGN_UP(MAX(r->base, from), PAGE_2M);
	uint64_t end = ALIGN_DOWN(MIN(r->base + r->bytes, to), PAGE_2M);

	return base < end ? (struct mem_extent){.base = base, .bytes = end - base} : none;
}

static void take(struct mem_plan *plan, struct mem_extent e, uint64_t target)
{
	if (!e.bytes || plan->host_bytes >= target || plan->host_count == MEM_PLAN_HOST_MAX / 2)
		return;
	e.bytes = MIN(e.bytes, target - plan->host_bytes);
	plan->host[plan->host_count++] = e;
	plan->host_bytes += e.bytes;
}

uint64_t mem_plan_host_bytes(uint64_t ram_bytes)
{
	return ALIGN_UP(MIN(64 * MIB + ram_bytes / 32, GIB), PAGE_2M);
}

int mem_plan_host(struct mem_plan *plan, const struct handoff_range *ranges, unsigned count)
{
	uint64_t target;

	*plan = (struct mem_plan){0};
	for (unsigned i = 0; i < count; i++)
		if (ranges[i].type == HANDOFF_MEM_USABLE ||
		    ranges[i].type == HANDOFF_MEM_LOADER)
			plan->ram_bytes += ranges[i].bytes;
	target = mem_plan_host_bytes(plan->ram_bytes);

	for (unsigned i = 0; i < count; i++)
		take(plan, blocks_of(&ranges[i], LOW_END, UINT64_MAX), target);
	for (unsigned i = 0; i < count; i++)
		take(plan, blocks_of(&ranges[i], MIB, LOW_END), target);
	if (plan->host_bytes < MEM_PLAN_HOST_LEAST)
		return -ENOMEM;

	for (unsigned i = 0; i < count && plan->host_count < MEM_PLAN_HOST_MAX; i++)
		if (ranges[i].type == HANDOFF_MEM_LOADER && ranges[i].base >= MIB)
			plan->host[plan->host_count++] = (struct mem_extent){
				.base = ranges[i].base,
				.bytes = ranges[i].bytes,
				.loader = true,
			};
	return 0;
}

/* The host pool takes an extent from its start, so what is left is one extent again. */
static struct mem_extent left_by_host(const struct mem_plan *plan, struct mem_extent e)
{
	for (unsigned i = 0; i < plan->host_count; i++) {
		const struct mem_extent *host = &plan->host[i];

		if (host->base == e.base && !host->loader)
			return (struct mem_extent){
				.base = e.base + host->bytes,
				.bytes = e.bytes - host->bytes,
			};
	}
	return e;
}

unsigned mem_plan_guest(const struct mem_plan *plan, const struct handoff_range *ranges,
			unsigned count, struct mem_extent *extents, unsigned max)
{
	const uint64_t bounds[] = {MIB, LOW_END, UINT64_MAX};
	unsigned found = 0;

	for (unsigned i = 0; i < count; i++) {
		for (unsigned half = 0; half < 2; half++) {
			struct mem_extent e = left_by_host(
				plan, blocks_of(&ranges[i], bounds[half], bounds[half + 1]));

			if (!e.bytes)
				continue;
			if (found < max)
				extents[found] = e;
			found++;
		}
	}
	return found;
}

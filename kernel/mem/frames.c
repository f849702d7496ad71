/* The host pool and the guest pool: locks, zeroing and accounts around two buddy allocators. */
#include "kernel/mem/frames.h"

#include <errno.h>
#include <string.h>

#include "kernel/lib/lock.h"
#include "kernel/log/log.h"
#include "kernel/mem/buddy.h"
#include "kernel/mem/owners.h"
#include "kernel/mem/plan.h"

#define HOST_SHIFT  12
#define GUEST_SHIFT 21

struct pool {
	struct spinlock lock; /* guards buddy */
	struct buddy buddy;
};

static struct pool host = {.lock = SPINLOCK("host pool")};
static struct pool guest = {.lock = SPINLOCK("guest pool")};
static struct buddy_range host_ranges[FRAMES_RANGES_MAX];
static struct frame_note *notes; /* one per unit of the host pool */

_Static_assert(MEM_PLAN_HOST_MAX <= FRAMES_RANGES_MAX, "every planned piece has a place");

static uint64_t pool_alloc(struct pool *pool, unsigned order)
{
	uint64_t flags = spin_lock_irqsave(&pool->lock);
	uint64_t phys = buddy_alloc(&pool->buddy, order);

	spin_unlock_irqrestore(&pool->lock, flags);
	return phys;
}

static void pool_free(struct pool *pool, uint64_t phys, unsigned order)
{
	uint64_t flags = spin_lock_irqsave(&pool->lock);
	int err = buddy_free(&pool->buddy, phys, order);

	spin_unlock_irqrestore(&pool->lock, flags);
	if (err)
		panic("frames: freed %#llx of order %u, which is not allocated so",
		      (unsigned long long)phys, order);
}

uint64_t frames_alloc(unsigned order, struct mem_account *account)
{
	uint64_t bytes = PAGE_BYTES << order;
	uint64_t phys = pool_alloc(&host, order);

	if (!phys)
		return 0;
	memset(directmap(phys), 0, bytes);
	if (account)
		account->bytes += bytes;
	return phys;
}

void frames_free(uint64_t phys, unsigned order, struct mem_account *account)
{
	pool_free(&host, phys, order);
	if (account)
		account->bytes -= PAGE_BYTES << order;
}

struct frame_note *frames_note(uint64_t phys)
{
	uint32_t index = buddy_index(&host.buddy, phys);

	return index == BUDDY_NONE ? NULL : &notes[index];
}

uint64_t guest_frames_alloc(unsigned order)
{
	uint64_t phys = order <= GUEST_FRAMES_ORDER_MAX ? pool_alloc(&guest, order) : 0;

	if (phys)
		owners_free(phys, PAGE_2M << order);
	return phys;
}

void guest_frames_free(uint64_t phys, unsigned order)
{
	owners_free(phys, PAGE_2M << order);
	pool_free(&guest, phys, order);
}

void guest_frames_split(uint64_t phys, unsigned order)
{
	uint64_t flags = spin_lock_irqsave(&guest.lock);

	if (buddy_split(&guest.buddy, phys, order))
		panic("frames: %#llx of order %u is no block of the guest pool",
		      (unsigned long long)phys, order);
	spin_unlock_irqrestore(&guest.lock, flags);
}

static bool pool_range_at(const struct pool *pool, unsigned index, uint64_t *base,
			  uint64_t *bytes)
{
	const struct buddy_range *range = &pool->buddy.ranges[index];

	if (index >= pool->buddy.range_count)
		return false;
	*base = range->base;
	*bytes = (uint64_t)range->count << pool->buddy.unit_shift;
	return true;
}

bool frames_range_at(unsigned index, uint64_t *base, uint64_t *bytes)
{
	return pool_range_at(&host, index, base, bytes);
}

bool guest_frames_range_at(unsigned index, uint64_t *base, uint64_t *bytes)
{
	return pool_range_at(&guest, index, base, bytes);
}

static uint64_t pool_free_bytes(struct pool *pool, unsigned shift)
{
	uint64_t flags = spin_lock_irqsave(&pool->lock);
	uint64_t units = pool->buddy.free_units;

	spin_unlock_irqrestore(&pool->lock, flags);
	return units << shift;
}

uint64_t guest_frames_free_bytes(void)
{
	return pool_free_bytes(&guest, GUEST_SHIFT);
}

uint64_t guest_frames_total_bytes(void)
{
	return (uint64_t)guest.buddy.total_units << GUEST_SHIFT;
}

uint64_t frames_free_bytes(void)
{
	return pool_free_bytes(&host, HOST_SHIFT);
}

uint64_t frames_total_bytes(void)
{
	return (uint64_t)host.buddy.total_units << HOST_SHIFT;
}

uint64_t frames_metadata_bytes(uint32_t units)
{
	return units * (sizeof(struct frame_note) + sizeof(struct buddy_unit));
}

void frames_init(void *metadata, uint32_t units)
{
	notes = metadata;
	buddy_init(&host.buddy, HOST_SHIFT, host_ranges, FRAMES_RANGES_MAX,
		   (struct buddy_unit *)(notes + units), units);
}

void frames_add(uint64_t base, uint64_t bytes)
{
	if (buddy_add_range(&host.buddy, base, bytes))
		panic("frames: no room to describe memory at %#llx", (unsigned long long)base);
}

void frames_give(uint64_t base, uint64_t bytes)
{
	uint64_t flags = spin_lock_irqsave(&host.lock);

	buddy_give(&host.buddy, base, bytes);
	spin_unlock_irqrestore(&host.lock, flags);
}

/* Zeroed host memory for good, however large. */
static void *forever(uint64_t bytes)
{
	unsigned order = 0;

	while (PAGE_BYTES << order < bytes)
		order++;

	uint64_t phys = frames_alloc(order, NULL);

	return phys ? directmap(phys) : NULL;
}

#ifdef CHECKS
static int keep_owners(const struct mem_extent *extents, unsigned count)
{
	uint64_t end = 0;
	void *owners;

	for (unsigned i = 0; i < count; i++)
		end = MAX(end, extents[i].base + extents[i].bytes);
	owners = forever(end / PAGE_2M * sizeof(void *));
	owners_init(owners, end);
	return owners ? 0 : -ENOMEM;
}
#else
static int keep_owners(const struct mem_extent *extents, unsigned count)
{
	(void)extents;
	(void)count;
	return 0;
}
#endif

int guest_frames_init(const struct mem_extent *extents, unsigned count)
{
	struct buddy_range *ranges;
	struct buddy_unit *units;
	uint64_t blocks = 0;

	for (unsigned i = 0; i < count; i++)
		blocks += extents[i].bytes >> GUEST_SHIFT;
	if (blocks >= BUDDY_NONE)
		return -E2BIG;
	ranges = forever(count * sizeof(*ranges));
	units = forever(blocks * sizeof(*units));
	if (!ranges || !units || keep_owners(extents, count))
		return -ENOMEM;
	buddy_init(&guest.buddy, GUEST_SHIFT, ranges, count, units, (uint32_t)blocks);
	for (unsigned i = 0; i < count; i++) {
		int err = buddy_add_range(&guest.buddy, extents[i].base, extents[i].bytes);

		if (err)
			return err;
		buddy_give(&guest.buddy, extents[i].base, extents[i].bytes);
	}
	return 0;
}

/*
 * Sorted, disjoint ranges of addresses and a binary search through them. What happens inside
 * a range is its device's business, and what lies outside of all the rest's.
 */
#include "kernel/vmm/bus.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "kernel/log/log.h"
#include "kernel/vmm/place.h"
#include "kernel/vmm/vcpu.h"

/* Index of the first range that ends after `addr`; bus->count when none does. Such a range
 * holds `addr` unless it begins later. */
static unsigned bus_search(const struct bus *bus, uint64_t addr)
{
	unsigned low = 0, high = bus->count;

	while (low < high) {
		unsigned middle = (low + high) / 2;
		const struct bus_range *range = &bus->ranges[middle];

		if (addr >= range->base && addr - range->base >= range->bytes)
			low = middle + 1;
		else if (addr >= range->base)
			return middle;
		else
			high = middle;
	}
	return low;
}

int bus_add(struct bus *bus, uint64_t base, uint64_t bytes, bus_handler handler, void *device,
	    const char *name)
{
	unsigned at = bus_search(bus, base);

	if (bytes == 0 || base + (bytes - 1) < base)
		return -EINVAL;
	if (at < bus->count && bus->ranges[at].base <= base + (bytes - 1)) {
		log_error("bus", "%s at %#llx overlaps %s at %#llx: give one another place",
			  name, (unsigned long long)base, bus->ranges[at].name,
			  (unsigned long long)bus->ranges[at].base);
		return -EEXIST;
	}
	if (bus->count == BUS_RANGES_MAX) {
		log_error("bus", "no room for %s: all %u ranges are taken", name,
			  BUS_RANGES_MAX);
		return -ENOSPC;
	}
	memmove(&bus->ranges[at + 1], &bus->ranges[at],
		(bus->count - at) * sizeof(bus->ranges[0]));
	bus->ranges[at] = (struct bus_range){base, bytes, handler, device, name};
	bus->count++;
	return 0;
}

static uint64_t all_ones(unsigned bytes) /* 1 to 8 */
{
	return ~0ull >> (64 - 8 * bytes);
}

/* Runs `one` for each byte of the access, and puts what it read together again. */
static void each_byte(void (*one)(void *arg, struct bus_access *byte), void *arg,
		      struct bus_access *access)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < access->bytes; i++) {
		struct bus_access byte = {
			.vcpu = access->vcpu,
			.addr = access->addr + i,
			.offset = access->offset + i,
			.value = access->write ? access->value >> 8 * i & 0xff : 0,
			.bytes = 1,
			.write = access->write,
		};

		one(arg, &byte);
		value |= (byte.value & 0xff) << 8 * i;
	}
	if (!access->write)
		access->value = value;
}

void bus_bytewise(bus_handler handler, void *device, struct bus_access *access)
{
	each_byte(handler, device, access);
}

static void do_byte(void *bus, struct bus_access *byte)
{
	bus_do(bus, byte);
}

void bus_unclaimed(struct bus *bus, struct bus_access *access)
{
	struct vcpu *vcpu = access->vcpu;

	if (!access->write)
		access->value = all_ones(access->bytes);
	if (atomic_fetch_add_explicit(&bus->unclaimed, 1, memory_order_relaxed) + 1 !=
	    BUS_UNCLAIMED_MANY)
		return;
	log_warn(
		bus->owner,
		"has accessed %s where nothing is %u times so far, now 0x%llx on vCPU %u (%s): "
		"`show` counts on",
		bus->what, BUS_UNCLAIMED_MANY, (unsigned long long)access->addr, vcpu->id,
		vcpu_place(vcpu).text);
}

void bus_do(struct bus *bus, struct bus_access *access)
{
	unsigned at = bus_search(bus, access->addr);
	const struct bus_range *range = &bus->ranges[at];
	uint64_t bytes = access->bytes;

	if (at < bus->count && access->addr >= range->base) {
		access->offset = access->addr - range->base;
		if (likely(range->bytes - access->offset >= bytes)) {
			range->handler(range->device, access);
			access->value &= all_ones(access->bytes);
			return;
		}
	}
	if (at < bus->count &&
	    (access->addr >= range->base || range->base - access->addr < bytes)) {
		each_byte(do_byte, bus, access);
		return;
	}
	if (bus->rest && bus->rest(bus->rest_device, access)) {
		access->value &= all_ones(access->bytes);
		return;
	}
	bus_unclaimed(bus, access);
}

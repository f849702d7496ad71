/*
 * Who answers which guest-physical addresses (MMIO) and I/O ports. One bus of each kind per VM;
 * ranges are added while the VM is prepared, and looked up without a lock while it runs.
 */
#ifndef KERNEL_VMM_BUS_H
#define KERNEL_VMM_BUS_H

#include "kernel/lib/types.h"

struct vcpu;

/* One access by a guest. `value` is zero-extended; a handler of a read sets it. Everything in
 * here but `vcpu` comes from the guest: hostile, though `addr` is within the handler's range
 * and `bytes` is 1, 2, 4 or 8 (8 for MMIO only; an access never straddles the range's end). */
struct bus_access {
	struct vcpu *vcpu;
	uint64_t addr;	 /* GPA or port */
	uint64_t offset; /* from the range's base */
	uint64_t value;
	uint8_t bytes;
	bool write;
};

/* Runs on the vCPU's thread, interrupts on; must not sleep: what takes long goes to a thread.
 */
typedef void (*bus_handler)(void *device, struct bus_access *access);

struct bus_range {
	uint64_t base, bytes;
	bus_handler handler;
	void *device;
	const char *name;
};

#define BUS_RANGES_MAX 64

/* For what no range holds, as a bridge to another bus that is asked last: true, or false where
 * nobody answers there either. An access may straddle into a range: see bus_do(). */
typedef bool (*bus_rest_handler)(void *device, struct bus_access *access);

struct bus {
	const char *owner, *what; /* the guest's name, and "ports" or "memory": for messages */
	unsigned count;
	struct bus_range ranges[BUS_RANGES_MAX]; /* sorted by base, disjoint */
	bus_rest_handler rest;			 /* NULL: nobody */
	void *rest_device;
	_Atomic uint64_t unclaimed; /* bus_unclaimed() so far */
};

/* Returns 0, -EEXIST where the range overlaps another (logged with both names), -ENOSPC. */
int bus_add(struct bus *bus, uint64_t base, uint64_t bytes, bus_handler handler, void *device,
	    const char *name);

/* Runs the handler that owns the address, or the one for the rest. An access nobody answers
 * reads as all ones and writes nowhere, as on a PC, and is counted. An access over a range's
 * border is cut into bytes. On the vCPU's thread; `offset` need not be set. */
void bus_do(struct bus *bus, struct bus_access *access);

/* What becomes of an access that nobody answers. The BUS_UNCLAIMED_MANYth of a bus is logged: a
 * guest that is stuck looks so.
 */
#define BUS_UNCLAIMED_MANY 10000
void bus_unclaimed(struct bus *bus, struct bus_access *access);

/* For a device on an 8-bit bus, from its own handler: runs `handler` once per byte of a wider
 * access, lowest address first, as the ISA bus does. */
void bus_bytewise(bus_handler handler, void *device, struct bus_access *access);

#endif

/*
 * How a wide port access reaches an 8-bit ISA device: as bytes at consecutive ports, lowest
 * first. Not for devices with wide registers (PM block, PCI configuration).
 */
#ifndef GUESTS_DEVICES_ISA_H
#define GUESTS_DEVICES_ISA_H

#include "kernel/vmm/bus.h"

typedef uint8_t (*isa_read)(void *device, unsigned offset);
typedef void (*isa_write)(void *device, unsigned offset, uint8_t value);

static inline void isa_access(void *device, struct bus_access *access, isa_read read,
			      isa_write write)
{
	unsigned offset = access->offset;

	if (access->write) {
		for (unsigned i = 0; i < access->bytes; i++)
			write(device, offset + i, access->value >> 8 * i);
		return;
	}
	access->value = 0;
	for (unsigned i = 0; i < access->bytes; i++)
		access->value |= (uint64_t)read(device, offset + i) << 8 * i;
}

#endif

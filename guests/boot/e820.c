/* E820 from the size of the RAM alone: struct gmem's layout is fixed. */
#include "guests/boot/e820.h"

#include "guests/pci/pci.h"
#include "kernel/vmm/gmem.h"

uint64_t e820_low_ram_end(uint64_t ram_bytes)
{
	return MIN(ram_bytes, GMEM_LOW_MAX);
}

unsigned e820_build(struct e820_entry map[E820_ENTRIES_MAX], uint64_t ram_bytes)
{
	uint64_t low = e820_low_ram_end(ram_bytes);
	unsigned n = 0;

	map[n++] = (struct e820_entry){0, E820_LOW_END, E820_RAM};
	map[n++] =
		(struct e820_entry){E820_LOW_END, E820_HIGH_RAM - E820_LOW_END, E820_RESERVED};
	map[n++] = (struct e820_entry){E820_HIGH_RAM, low - E820_HIGH_RAM, E820_RAM};
	map[n++] = (struct e820_entry){PCI_ECAM_BASE, PCI_ECAM_BYTES, E820_RESERVED};
	if (ram_bytes > low)
		map[n++] = (struct e820_entry){GMEM_HIGH_BASE, ram_bytes - low, E820_RAM};
	return n;
}

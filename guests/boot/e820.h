/* The memory map that a guest is told (E820, ACPI 6.4, 15.1): RAM, what is reserved in it, and
 * ECAM, which systems use only where it is reserved. Other device memory is not listed. */
#ifndef GUESTS_BOOT_E820_H
#define GUESTS_BOOT_E820_H

#include "kernel/lib/types.h"

enum e820_type { E820_RAM = 1, E820_RESERVED = 2 };

struct e820_entry {
	uint64_t base, bytes;
	uint32_t type; /* enum e820_type */
} __attribute__((packed));
_Static_assert(sizeof(struct e820_entry) == 20, "ACPI 15.1");

#define E820_ENTRIES_MAX 5

/* Where the BIOS's own data would begin, and everything up to 1 MiB that is not for use: the
 * extended BIOS data area, the video window, and the BIOS area, where the ACPI tables are. */
#define E820_LOW_END  0x9fc00ull
#define E820_HIGH_RAM (1 * MIB)

/* End of the RAM below 4 GiB of a guest with `ram_bytes` (as struct gmem places it). */
uint64_t e820_low_ram_end(uint64_t ram_bytes);

/* Fills `map`, sorted and disjoint. Returns the number of entries. ram_bytes: at least 2 MiB.
 */
unsigned e820_build(struct e820_entry map[E820_ENTRIES_MAX], uint64_t ram_bytes);

#endif

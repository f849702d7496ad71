/*
 * Finds the function that an address belongs to. It does not walk stacks: that is panic's.
 */
#include "kernel/log/ksyms.h"

#include <stddef.h>

const char *ksyms_lookup(uint64_t addr, uint64_t *offset)
{
	uint32_t low = (uint32_t)addr;
	uint32_t first = 0, end = ksyms_count;
	const struct ksym *sym;

	if (addr >> 32 != UINT32_MAX)
		return NULL;
	/* The entry wanted is the last one at or below `low`: [0, first) are, [end, …) not. */
	while (first < end) {
		uint32_t middle = first + (end - first) / 2;

		if (ksyms_table[middle].addr_low <= low)
			first = middle + 1;
		else
			end = middle;
	}
	if (first == 0)
		return NULL;
	sym = &ksyms_table[first - 1];
	if (ksyms_names[sym->name_offset] == '\0')
		return NULL;
	*offset = low - sym->addr_low;
	return &ksyms_names[sym->name_offset];
}

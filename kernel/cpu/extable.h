/*
 * Instructions that may fault, and where to go on if they do. An entry covers one instruction
 * of the kernel's own; #GP and #PF at it resume at the fix-up with all registers as they were.
 */
#ifndef KERNEL_CPU_EXTABLE_H
#define KERNEL_CPU_EXTABLE_H

#include <stdint.h>

struct extable_entry {
	int32_t fault, fixup; /* relative to the field itself */
};

/* For inline assembly: the instruction's label and the fix-up's. */
#define EXTABLE(fault, fixup)              \
	".pushsection .extable, \"a\"\n\t" \
	".balign 4\n\t"                    \
	".long " fault " - .\n\t"          \
	".long " fixup " - .\n\t"          \
	".popsection\n\t"

/* The fix-up for a fault at `rip`, or 0 when there is none. Any context. */
uint64_t extable_find(uint64_t rip);

/* Reads eight bytes of memory that may not be mapped. Returns 0 or -EFAULT. */
int load_safe(uint64_t address, uint64_t *value);

#endif

/* Words behind numbers. */
#ifndef KERNEL_LIB_PLURAL_H
#define KERNEL_LIB_PLURAL_H

#include "kernel/lib/types.h"

/* What a noun ends in behind a number: "%u vCPU%s". */
static inline const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

#endif

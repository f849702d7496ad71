/* A set of physical CPUs. Plain bits, no locking. */
#ifndef KERNEL_LIB_CPUMASK_H
#define KERNEL_LIB_CPUMASK_H

#include "kernel/lib/types.h"

struct cpumask {
	uint64_t bits[CPU_MAX / 64];
};

static inline bool cpumask_test(const struct cpumask *mask, unsigned cpu)
{
	return cpu < CPU_MAX && (mask->bits[cpu / 64] >> (cpu % 64) & 1);
}

static inline void cpumask_set(struct cpumask *mask, unsigned cpu)
{
	mask->bits[cpu / 64] |= BIT(cpu % 64);
}

static inline void cpumask_clear(struct cpumask *mask, unsigned cpu)
{
	mask->bits[cpu / 64] &= ~BIT(cpu % 64);
}

/* The lowest CPU of the set from `cpu` on; CPU_MAX if there is none. */
static inline unsigned cpumask_next(const struct cpumask *mask, unsigned cpu)
{
	for (; cpu < CPU_MAX; cpu = (cpu / 64 + 1) * 64) {
		uint64_t rest = mask->bits[cpu / 64] >> (cpu % 64);

		if (rest)
			return cpu + (unsigned)__builtin_ctzll(rest);
	}
	return CPU_MAX;
}

#define cpumask_for_each(cpu, mask)                               \
	for (unsigned cpu = cpumask_next(mask, 0); cpu < CPU_MAX; \
	     cpu = cpumask_next(mask, cpu + 1))

static inline unsigned cpumask_count(const struct cpumask *mask)
{
	unsigned count = 0;

	for (unsigned i = 0; i < CPU_MAX / 64; i++)
		for (uint64_t rest = mask->bits[i]; rest; rest &= rest - 1)
			count++;
	return count;
}

#endif

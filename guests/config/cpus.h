/*
 * What a configuration does with sets of CPUs: combining them, and showing them in messages.
 * The set itself is kernel/lib/cpumask.h's.
 */
#ifndef GUESTS_CONFIG_CPUS_H
#define GUESTS_CONFIG_CPUS_H

#include "kernel/lib/cpumask.h"

#define CONFIG_CPUS_TEXT 48

/* "CPU 2", "CPUs 0-3, 6"; ends in "..." when there is no room for all. Returns `text`. */
const char *config_cpus_text(const struct cpumask *set, char text[CONFIG_CPUS_TEXT]);

static inline bool config_cpus_empty(const struct cpumask *set)
{
	return cpumask_count(set) == 0;
}

static inline struct cpumask config_cpus_and(struct cpumask a, struct cpumask b)
{
	for (size_t i = 0; i < ARRAY_SIZE(a.bits); i++)
		a.bits[i] &= b.bits[i];
	return a;
}

static inline struct cpumask config_cpus_or(struct cpumask a, struct cpumask b)
{
	for (size_t i = 0; i < ARRAY_SIZE(a.bits); i++)
		a.bits[i] |= b.bits[i];
	return a;
}

static inline struct cpumask config_cpus_without(struct cpumask a, struct cpumask b)
{
	for (size_t i = 0; i < ARRAY_SIZE(a.bits); i++)
		a.bits[i] &= ~b.bits[i];
	return a;
}

#endif

/*
 * A set of CPUs, as the hypervisor numbers them: 0 is the CPU that booted, the others follow
 * in the order of the firmware's table. Plain data; nothing here knows which CPUs there are.
 */
#ifndef GUESTS_CONFIG_CPUS_H
#define GUESTS_CONFIG_CPUS_H

#include <stdbool.h>
#include <stdint.h>

#define CONFIG_CPUS_MAX	  256
#define CONFIG_CPUS_WORDS (CONFIG_CPUS_MAX / 64)
#define CONFIG_CPUS_TEXT  48

struct config_cpus {
	uint64_t bits[CONFIG_CPUS_WORDS];
};

/* "CPU 2", "CPUs 0-3, 6": for messages; ends in "..." when there is no room. Returns `text`. */
const char *config_cpus_text(const struct config_cpus *set, char text[CONFIG_CPUS_TEXT]);

static inline bool config_cpus_has(const struct config_cpus *set, unsigned cpu)
{
	return cpu < CONFIG_CPUS_MAX && (set->bits[cpu / 64] >> (cpu % 64) & 1);
}

/* `cpu` is below CONFIG_CPUS_MAX. */
static inline void config_cpus_add(struct config_cpus *set, unsigned cpu)
{
	set->bits[cpu / 64] |= 1ull << (cpu % 64);
}

static inline bool config_cpus_empty(const struct config_cpus *set)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < CONFIG_CPUS_WORDS; i++)
		any |= set->bits[i];
	return any == 0;
}

static inline struct config_cpus config_cpus_and(struct config_cpus a, struct config_cpus b)
{
	for (unsigned i = 0; i < CONFIG_CPUS_WORDS; i++)
		a.bits[i] &= b.bits[i];
	return a;
}

static inline struct config_cpus config_cpus_or(struct config_cpus a, struct config_cpus b)
{
	for (unsigned i = 0; i < CONFIG_CPUS_WORDS; i++)
		a.bits[i] |= b.bits[i];
	return a;
}

static inline struct config_cpus config_cpus_without(struct config_cpus a, struct config_cpus b)
{
	for (unsigned i = 0; i < CONFIG_CPUS_WORDS; i++)
		a.bits[i] &= ~b.bits[i];
	return a;
}

#endif

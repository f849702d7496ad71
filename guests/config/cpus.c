/*
 * Sets of CPUs in words.
 */
#include "guests/config/cpus.h"
#include <stdio.h>

#define RANGE_MAX 16 /* ", 100-255..." */

const char *config_cpus_text(const struct cpumask *set, char text[CONFIG_CPUS_TEXT])
{
	const char *joint = "";
	size_t used = (size_t)snprintf(text, CONFIG_CPUS_TEXT, "%s",
				       cpumask_count(set) == 1 ? "CPU " : "CPUs ");

	for (unsigned first = 0, last; first < CPU_MAX; first = last + 1) {
		size_t room = CONFIG_CPUS_TEXT - used;

		last = first;
		if (!cpumask_test(set, first))
			continue;
		while (cpumask_test(set, last + 1))
			last++;
		if (room < RANGE_MAX) {
			snprintf(text + used, room, "%s...", joint);
			break;
		}
		used += (size_t)snprintf(text + used, room, "%s%u", joint, first);
		if (last > first)
			used += (size_t)snprintf(text + used, CONFIG_CPUS_TEXT - used, "-%u",
						 last);
		joint = ", ";
	}
	return text;
}

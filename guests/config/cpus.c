/*
 * Sets of CPUs in words.
 */
#include "guests/config/cpus.h"
#include <stdio.h>

#define RANGE_MAX 16 /* ", 100-255..." */

const char *config_cpus_text(const struct config_cpus *set, char text[CONFIG_CPUS_TEXT])
{
	const char *joint = "";
	unsigned count = 0;
	size_t used;

	for (unsigned cpu = 0; cpu < CONFIG_CPUS_MAX; cpu++)
		count += config_cpus_has(set, cpu);
	used = (size_t)snprintf(text, CONFIG_CPUS_TEXT, count == 1 ? "CPU " : "CPUs ");
	for (unsigned first = 0, last; first < CONFIG_CPUS_MAX; first = last + 1) {
		size_t room = CONFIG_CPUS_TEXT - used;

		last = first;
		if (!config_cpus_has(set, first))
			continue;
		while (config_cpus_has(set, last + 1))
			last++;
		if (room < RANGE_MAX) {
			snprintf(text + used, room, "...");
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

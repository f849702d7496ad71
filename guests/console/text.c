/* Numbers to short texts. No allocation. */
#include "guests/console/text.h"

#include <stdio.h>

typedef unsigned long long ull;

struct text text_size(uint64_t bytes)
{
	struct text t;

	if (bytes < MIB)
		snprintf(t.bytes, sizeof t.bytes, "%llu KiB", (ull)(bytes / KIB));
	else if (bytes < 10 * MIB)
		snprintf(t.bytes, sizeof t.bytes, "%llu.%llu MiB", (ull)(bytes / MIB),
			 (ull)(bytes % MIB * 10 / MIB));
	else
		snprintf(t.bytes, sizeof t.bytes, "%llu MiB", (ull)(bytes / MIB));
	return t;
}

struct text text_time(uint64_t ns)
{
	uint64_t s = ns / NSEC_PER_SEC;
	struct text t;

	if (s < 60)
		snprintf(t.bytes, sizeof t.bytes, "%llu.%03llu s", (ull)s,
			 (ull)(ns / NSEC_PER_MSEC % 1000));
	else if (s < 3600)
		snprintf(t.bytes, sizeof t.bytes, "%llu min %02llu s", (ull)(s / 60),
			 (ull)(s % 60));
	else
		snprintf(t.bytes, sizeof t.bytes, "%llu h %02llu min", (ull)(s / 3600),
			 (ull)(s / 60 % 60));
	return t;
}

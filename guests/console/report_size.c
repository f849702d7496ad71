/* See report_size.h. */
#include "guests/console/report_size.h"

#include <stdio.h>

typedef unsigned long long ull;

/* "512 MiB", "1.2 MiB", "64 KiB": three figures or so are enough. */
struct text report_size(uint64_t bytes)
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

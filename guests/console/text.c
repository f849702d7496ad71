/* Numbers to short texts. No allocation. */
#include "guests/console/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long ull;

struct text text_size(uint64_t bytes)
{
	struct text t;

	size_column_text(bytes, t.bytes);
	return t;
}

bool text_number(const char *typed, uint64_t *number)
{
	if (!*typed || typed[strspn(typed, "0123456789")])
		return false;
	errno = 0;
	*number = strtoull(typed, NULL, 10);
	return !errno;
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

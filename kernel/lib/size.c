/* Numbers with binary units, to text and back. */
#include "kernel/lib/size.h"

#include <stdio.h>
#include <string.h>

static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};

static const char *write(char text[SIZE_TEXT_BYTES], uint64_t number, unsigned unit)
{
	snprintf(text, SIZE_TEXT_BYTES, "%llu %s", (unsigned long long)number, units[unit]);
	return text;
}

const char *size_text(uint64_t bytes, char text[SIZE_TEXT_BYTES])
{
	unsigned unit = 0;

	while (unit + 1 < ARRAY_SIZE(units) &&
	       (bytes >= 10 * KIB || (bytes >= KIB && bytes % KIB == 0))) {
		bytes /= KIB;
		unit++;
	}
	return write(text, bytes, unit);
}

const char *size_exact_text(uint64_t bytes, char text[SIZE_TEXT_BYTES])
{
	unsigned unit = 0;

	while (unit + 1 < ARRAY_SIZE(units) && bytes && bytes % KIB == 0) {
		bytes /= KIB;
		unit++;
	}
	return write(text, bytes, unit);
}

const char *size_column_text(uint64_t bytes, char text[SIZE_TEXT_BYTES])
{
	if (bytes < MIB)
		return write(text, bytes / KIB, 1);
	if (bytes >= 10 * MIB)
		return write(text, bytes / MIB, 2);
	snprintf(text, SIZE_TEXT_BYTES, "%llu.%llu %s", bytes / MIB, bytes % MIB * 10 / MIB,
		 units[2]);
	return text;
}

bool size_parse(const char *text, uint64_t *bytes)
{
	uint64_t number = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
			return false;
	if (at == text)
		return false;
	if (*at == ' ')
		at++;
	for (unsigned unit = 1; unit < ARRAY_SIZE(units); unit++)
		if (!strcmp(at, units[unit]))
			return !__builtin_mul_overflow(number, 1ull << (10 * unit), bytes);
	return false;
}

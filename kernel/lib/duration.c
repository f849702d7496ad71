/* Numbers of seconds, with units, to text and back. */
#include "kernel/lib/duration.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	uint32_t seconds;
} units[] = {{"h", 3600}, {"min", 60}, {"s", 1}};

const char *duration_text(uint32_t seconds, char text[DURATION_TEXT_BYTES])
{
	unsigned unit = 0;

	while (units[unit].seconds > 1 &&
	       (seconds < 2 * units[unit].seconds || seconds % units[unit].seconds))
		unit++;
	snprintf(text, DURATION_TEXT_BYTES, "%u %s", seconds / units[unit].seconds,
		 units[unit].name);
	return text;
}

bool duration_parse(const char *text, uint32_t *seconds)
{
	uint32_t number = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint32_t)(*at - '0'), &number))
			return false;
	if (at == text || (*text == '0' && at > text + 1))
		return false;
	if (*at == ' ')
		at++;
	for (unsigned unit = 0; unit < ARRAY_SIZE(units); unit++)
		if (!strcmp(at, units[unit].name))
			return !__builtin_mul_overflow(number, units[unit].seconds, seconds);
	return false;
}

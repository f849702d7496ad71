/* Appending to a sentence of bounded length. */
#include "drivers/volume/why.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void why_add(char why[STORAGE_WHY_BYTES], const char *fmt, ...)
{
	size_t used = strlen(why), room = STORAGE_WHY_BYTES - used;
	va_list args;
	int needed;

	va_start(args, fmt);
	needed = vsnprintf(why + used, room, fmt, args);
	va_end(args);
	if (needed < 0 || (size_t)needed >= room)
		memcpy(why + STORAGE_WHY_BYTES - sizeof("..."), "...", sizeof("..."));
}

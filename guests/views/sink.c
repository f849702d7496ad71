/* Pieces of text to a sink that may fail. */
#include "guests/views/sink.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void sink_write(struct sink *sink, const char *text, size_t bytes)
{
	if (!sink->error && bytes)
		sink->error = sink->write(sink->arg, text, bytes);
}

void sink_text(struct sink *sink, const char *text)
{
	sink_write(sink, text, strlen(text));
}

void sink_print(struct sink *sink, const char *fmt, ...)
{
	char text[SINK_PRINT_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	sink_text(sink, text);
}

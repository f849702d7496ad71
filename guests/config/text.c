/* Text that grows by doubling. Knows nothing of what it holds. */
#include "guests/config/text.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES 1024
#define SAID_MAX    1024

static bool grow(struct config_text *text, size_t length)
{
	size_t room = text->room ? text->room : FIRST_BYTES;
	char *bytes;

	while (room - text->length <= length)
		room *= 2;
	if (room == text->room)
		return true;
	bytes = malloc(room);
	if (!bytes) {
		text->failed = true;
		return false;
	}
	if (text->length)
		memcpy(bytes, text->bytes, text->length);
	free(text->bytes);
	text->bytes = bytes;
	text->room = room;
	return true;
}

void config_text_add(struct config_text *text, const char *bytes, size_t length)
{
	if (text->fixed && length > text->room - text->length - 1)
		length = text->room - text->length - 1;
	if (text->failed || (!text->fixed && !grow(text, length)))
		return;
	if (length)
		memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	text->bytes[text->length] = '\0';
}

void config_text_say(struct config_text *text, const char *format, ...)
{
	char said[SAID_MAX];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(said, sizeof(said), format, arguments);
	va_end(arguments);
	config_text_add(text, said, length < SAID_MAX ? (size_t)length : SAID_MAX - 1);
}

void config_text_free(struct config_text *text)
{
	free(text->bytes);
	*text = (struct config_text){0};
}

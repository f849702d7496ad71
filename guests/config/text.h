/*
 * Text that grows, for writers of documents: a failure is remembered, not answered at each
 * call. Private to guests/config and guests/catalogue.
 */
#ifndef GUESTS_CONFIG_TEXT_H
#define GUESTS_CONFIG_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* NUL-terminated once anything was added. Zeroed is empty; then `bytes` is of malloc(). With
 * `fixed` they are the caller's `room` bytes, and what has none there is cut off. */
struct config_text {
	char *bytes;
	size_t length, room;
	bool fixed;
	bool failed; /* out of memory: nothing is added any more */
};

void config_text_add(struct config_text *text, const char *bytes, size_t length);
void config_text_say(struct config_text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Not for a fixed one. */
void config_text_free(struct config_text *text);

#endif

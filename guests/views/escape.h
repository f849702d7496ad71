/* Texts that disks and guests chose, as part of what programs read. */
#ifndef GUESTS_VIEWS_ESCAPE_H
#define GUESTS_VIEWS_ESCAPE_H

#include "guests/views/sink.h"

/*
 * Writes `bytes` of text as UTF-8: what is none becomes U+FFFD, byte by byte. Of the rest, each
 * ASCII character for which `escape` returns a text is written as that instead.
 */
void escape_write(struct sink *to, const char *text, size_t bytes,
		  const char *(*escape)(char c, char buf[8]));

#endif

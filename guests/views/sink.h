/* Where text goes that is made piece by piece: a terminal, a connection, a buffer of a test.
 * Whoever writes to it knows no more of it. */
#ifndef GUESTS_VIEWS_SINK_H
#define GUESTS_VIEWS_SINK_H

#include "kernel/lib/types.h"

#define SINK_PRINT_BYTES 640 /* what one sink_print() may come to, NUL included */

struct sink {
	/* Takes all of it: 0; or a negative errno, and it is not called again. May sleep, where
	 * its owner says so. */
	int (*write)(void *arg, const char *text, size_t bytes);
	void *arg;
	int error; /* the first that `write` returned */
};

void sink_write(struct sink *sink, const char *text, size_t bytes);
void sink_text(struct sink *sink, const char *text);
/* Longer text is cut. */
void sink_print(struct sink *sink, const char *fmt, ...) printf_like(2, 3);

#endif

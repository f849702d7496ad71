/* Views as words KEY=VALUE, a line for each row: for programs that read a terminal. */
#ifndef GUESTS_VIEWS_WORDS_H
#define GUESTS_VIEWS_WORDS_H

#include "guests/views/sink.h"
#include "guests/views/view.h"

/*
 * Writes "PREFIX KEY=VALUE ..." and then a line for each row of each part that is an array,
 * which begins with its label. Numbers and states only: no text that may have blanks in it.
 * Named counters are "exits.hlt=5", where not 0; a part that is there once is
 * "balloon.target_bytes=...".
 */
void words_write(struct sink *to, const char *prefix, const struct view_table *table,
		 const void *row);

#endif

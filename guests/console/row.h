/*
 * One line of a terminal as its owner sees it: text, cursor, and what the usual line editing
 * does to them. So that a line which others' output interrupted can be shown again. Not a
 * terminal: colours, other lines and the alternate screen are not known here.
 */
#ifndef GUESTS_CONSOLE_ROW_H
#define GUESTS_CONSOLE_ROW_H

#include "kernel/lib/types.h"

#define ROW_BYTES 256 /* longer lines keep their beginning */

struct row {
	uint8_t cells[ROW_BYTES];
	uint16_t used, cursor; /* cells; the cursor may be beyond `used` */
	uint8_t state;	       /* within an escape sequence */
	uint16_t parameter;    /* the sequence's first number */
};

/* Does to the row what a terminal would do with `byte`, which is anything but a line feed.
 * Input of a guest: any bytes are harmless. */
void row_put(struct row *row, uint8_t byte);

/* An empty line; an escape sequence that is under way stays so. */
void row_clear(struct row *row);

/* Whether an escape sequence is under way. */
static inline bool row_in_sequence(const struct row *row)
{
	return row->state;
}

/* The row's text, at most ROW_BYTES, that cannot do anything to a terminal but appear there:
 * printable ASCII and well-formed UTF-8; other bytes are '?'. Returns bytes. */
size_t row_text(const struct row *row, char out[ROW_BYTES]);

/* The same for any bytes: `out` has room for `bytes`. Control bytes but tab are '?' as well. */
size_t row_clean(const uint8_t *in, size_t bytes, char *out);

/* Characters between the cursor and the end of the text: how far to go back behind it. */
unsigned row_cursor_back(const struct row *row);

#endif

/*
 * Typing a command line: echo, erasing, and the last few lines again. Pure. Nothing is edited
 * in the middle of the line.
 */
#ifndef GUESTS_CONSOLE_LINEEDIT_H
#define GUESTS_CONSOLE_LINEEDIT_H

#include "kernel/lib/types.h"

#define LINEEDIT_BYTES	    512
#define LINEEDIT_HISTORY    8
#define LINEEDIT_ECHO_BYTES (2 * LINEEDIT_BYTES + 8)

struct lineedit { /* zeroed is a fresh one */
	char line[LINEEDIT_BYTES];
	unsigned used;
	char history[LINEEDIT_HISTORY][LINEEDIT_BYTES]; /* the newest first */
	unsigned back;					/* which of them was fetched; 0: none */
	uint8_t escape, last;
	bool cut; /* more was typed than a line holds */
};

enum lineedit_result {
	LINEEDIT_MORE,
	LINEEDIT_DONE,	    /* the line is in `line`, until the next call */
	LINEEDIT_ABANDONED, /* ^C */
	LINEEDIT_TOO_LONG,  /* it ended, but some of it found no room: it is dropped */
};

/* Takes a typed byte; `echo` is what the terminal is to show for it, NUL-terminated. */
enum lineedit_result lineedit_take(struct lineedit *edit, uint8_t byte,
				   char echo[LINEEDIT_ECHO_BYTES]);

#endif

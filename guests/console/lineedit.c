/* Typing a command line. */
#include "guests/console/lineedit.h"

#include <string.h>

enum { CTRL_C = 0x03, CTRL_U = 0x15, CTRL_W = 0x17, ESC = 0x1b, DELETE = 0x7f };

/* Moves the cursor back by `count` and clears what was there; returns the end of `echo`. */
static char *echo_erase(char *echo, unsigned count)
{
	memset(echo, '\b', count);
	memcpy(echo + count, "\x1b[K", 4);
	return echo + count + 3;
}

static void erase(struct lineedit *edit, unsigned count, char *echo)
{
	edit->used -= count;
	if (count)
		echo_erase(echo, count);
}

static unsigned last_word(const struct lineedit *edit)
{
	unsigned at = edit->used;

	while (at && edit->line[at - 1] == ' ')
		at--;
	while (at && edit->line[at - 1] != ' ')
		at--;
	return edit->used - at;
}

static void remember(struct lineedit *edit)
{
	edit->line[edit->used] = '\0';
	edit->back = 0;
	if (!edit->used || strcmp(edit->line, edit->history[0]) == 0)
		return;
	memmove(edit->history[1], edit->history[0],
		sizeof edit->history - sizeof edit->history[0]);
	memcpy(edit->history[0], edit->line, edit->used + 1);
}

static enum lineedit_result end(struct lineedit *edit)
{
	bool cut = edit->cut;

	if (!cut)
		remember(edit);
	edit->used = edit->back = 0;
	edit->cut = false;
	return cut ? LINEEDIT_TOO_LONG : LINEEDIT_DONE;
}

/* Replaces the line by the one that is `back` lines old; 0 is an empty one. */
static void fetch(struct lineedit *edit, unsigned back, char *echo)
{
	const char *old = back ? edit->history[back - 1] : "";

	if (back && !*old)
		return;
	echo = echo_erase(echo, edit->used);
	edit->back = back;
	edit->cut = false;
	edit->used = (unsigned)strlen(old);
	memcpy(edit->line, old, edit->used);
	memcpy(echo, old, edit->used);
	echo[edit->used] = '\0';
}

/* Within ESC [ X or ESC O X: the arrows up and down. Longer sequences are passed over. */
static void take_escaped(struct lineedit *edit, uint8_t byte, char *echo)
{
	if (edit->escape == ESC && (byte == '[' || byte == 'O')) {
		edit->escape = '[';
		return;
	}
	if (edit->escape == '[' && byte >= ' ' && byte < 0x40)
		return;
	if (edit->escape == '[' && byte == 'A' && edit->back < LINEEDIT_HISTORY)
		fetch(edit, edit->back + 1, echo);
	if (edit->escape == '[' && byte == 'B' && edit->back > 0)
		fetch(edit, edit->back - 1, echo);
	edit->escape = 0;
}

enum lineedit_result lineedit_take(struct lineedit *edit, uint8_t byte,
				   char echo[LINEEDIT_ECHO_BYTES])
{
	uint8_t last = edit->last;

	edit->last = byte;
	echo[0] = '\0';
	if (edit->escape) {
		take_escaped(edit, byte, echo);
		return LINEEDIT_MORE;
	}
	if (last == '\r' && byte == '\n')
		return LINEEDIT_MORE; /* both for one key */
	switch (byte) {
	case '\r':
	case '\n': memcpy(echo, "\n", 2); return end(edit);
	case CTRL_C:
		edit->used = edit->back = 0;
		edit->cut = false;
		memcpy(echo, "^C\n", 4);
		return LINEEDIT_ABANDONED;
	case '\b':
	case DELETE: erase(edit, edit->used > 0, echo); break;
	case CTRL_U:
		erase(edit, edit->used, echo);
		edit->cut = false;
		break;
	case CTRL_W: erase(edit, last_word(edit), echo); break;
	case ESC: edit->escape = ESC; break;
	default:
		if (byte < ' ' || byte > '~')
			break;
		edit->cut |= edit->used == LINEEDIT_BYTES - 1;
		if (edit->cut)
			break;
		edit->line[edit->used++] = (char)byte;
		echo[0] = (char)byte;
		echo[1] = '\0';
	}
	return LINEEDIT_MORE;
}

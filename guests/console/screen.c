/*
 * Which bytes make the terminal show the sources' lines. The terminal's current line is in one
 * of three states: empty; the unfinished line of the source that has the keyboard (`drawn`); or
 * something else that was not finished (`dirty` alone).
 */
#include "guests/console/screen.h"

#include <stdio.h>
#include <string.h>

/* Others' lines are shown unfinished once they are so long. */
#define LINE_BYTES 160

/* Of a line that does not change: when it comes, and at the bottom once others are quiet. */
#define SHOWS_MAX 2

/* Sources may fill this much of `out`, which bounds how long a key's effect waits behind what
 * they print on a slow line; the rest is the log's. */
#define SOURCES_BYTES 4096
/* One byte of output makes at most a prefix and a line end; and a line may be shown again. */
#define BYTES_PER_BYTE (SCREEN_NAME_BYTES + 4)
#define REDRAW_BYTES   (SCREEN_NAME_BYTES + SCREEN_HELD_BYTES + 16)

static void emit(struct screen *s, const char *bytes, size_t count)
{
	for (size_t i = 0; i < count && s->out_count < SCREEN_OUT_BYTES; i++)
		s->out[(s->out_first + s->out_count++) % SCREEN_OUT_BYTES] = bytes[i];
}

static void emit_string(struct screen *s, const char *string)
{
	emit(s, string, strlen(string));
}

static void emit_prefix(struct screen *s, unsigned source)
{
	if (source == SCREEN_HOST)
		return;
	emit_string(s, s->sources[source].name);
	emit_string(s, "| ");
}

/* Back to the ordinary character set and colours. */
static void reset_style(struct screen *s)
{
	if (s->styled)
		emit_string(s, "\x0f\x1b[m");
	s->styled = false;
}

static void end_line(struct screen *s)
{
	reset_style(s);
	emit_string(s, "\r\n");
	s->dirty = s->drawn = false;
}

/* Leaves the terminal on an empty line. */
static void begin_line(struct screen *s)
{
	if (s->dirty)
		end_line(s);
	reset_style(s);
}

static void emit_line(struct screen *s, const char *line, size_t bytes)
{
	char text[512];

	begin_line(s);
	bytes = row_clean((const uint8_t *)line, MIN(bytes, sizeof text), text);
	emit(s, text, bytes);
	end_line(s);
}

/* The line as its source sent it, if it is here whole; else as it looks. */
static void emit_row(struct screen *s, unsigned source)
{
	char text[ROW_BYTES];

	emit_prefix(s, source);
	if (source == s->focus && s->held_count) {
		emit(s, s->held, s->held_count);
		s->styled = memchr(s->held, '\x1b', s->held_count);
		s->held_count = 0;
	} else {
		emit(s, text, row_text(&s->sources[source].row, text));
	}
}

/* A source's line is complete; it is shown, if it was not while it grew. */
static void finish_line(struct screen *s, unsigned source)
{
	if (!s->solo) {
		if (source != s->focus || !s->drawn) {
			begin_line(s);
			emit_row(s, source);
		}
		end_line(s);
	}
	row_clear(&s->sources[source].row);
	if (source == s->focus)
		s->shows = 0;
}

static void draw_focus(struct screen *s)
{
	struct row *row = &s->sources[s->focus].row;
	bool whole = s->held_count;

	begin_line(s);
	emit_row(s, s->focus);
	for (unsigned n = whole ? 0 : row_cursor_back(row); n; n--)
		emit(s, "\b", 1);
	s->dirty = s->drawn = true;
	s->shows++;
	s->broken = !whole && row_in_sequence(row);
}

void screen_name(struct screen *s, unsigned source, const char *name)
{
	if (source == s->focus) {
		begin_line(s);
		s->held_count = 0;
		s->shows = 0;
	}
	snprintf(s->sources[source].name, SCREEN_NAME_BYTES, "%s", name);
	s->sources[source].cr = false;
	row_clear(&s->sources[source].row);
}

size_t screen_room(const struct screen *s)
{
	if (s->out_count + REDRAW_BYTES >= SOURCES_BYTES)
		return 0;
	return (SOURCES_BYTES - REDRAW_BYTES - s->out_count) / BYTES_PER_BYTE;
}

/* A byte of a source that has not the keyboard. */
static void put_other(struct screen *s, unsigned source, char byte)
{
	struct row *row = &s->sources[source].row;

	if (byte == '\n') {
		finish_line(s, source);
		return;
	}
	row_put(row, (uint8_t)byte);
	if (row->used >= LINE_BYTES)
		finish_line(s, source);
}

/* Sends what the source with the keyboard printed to where its line is: the terminal, or what
 * is held until the line is drawn. Of a line that was interrupted the row is enough. */
static void put_through(struct screen *s, const char *bytes, size_t count, bool whole)
{
	if (s->drawn) {
		s->styled |= bytes[0] == '\x1b';
		emit(s, bytes, count);
	} else if (whole) {
		memcpy(s->held + s->held_count, bytes, count);
		s->held_count += (unsigned)count;
		if (s->held_count > SCREEN_HELD_BYTES - SCREEN_NAME_BYTES - 4)
			draw_focus(s);
	}
}

/* A byte of the source that has the keyboard. A carriage return waits for what follows: before
 * a line feed it is part of the line's end, else the prefix has to be written again. */
static void put_focus(struct screen *s, char byte)
{
	struct screen_source *source = &s->sources[s->focus];
	bool cr = source->cr, whole = s->held_count || !source->row.used;
	char again[SCREEN_NAME_BYTES + 4];
	int bytes;

	source->cr = byte == '\r';
	if (byte == '\n') {
		finish_line(s, s->focus);
		return;
	}
	row_put(&source->row, (uint8_t)byte);
	s->shows = s->drawn;
	if (source->cr)
		return;
	if (s->drawn && s->broken) {
		s->broken = row_in_sequence(&source->row);
		return;
	}
	bytes = snprintf(again, sizeof again, "\r%s| ", source->name);
	if (cr && (s->drawn || s->held_count))
		put_through(s, again, (size_t)bytes, whole);
	put_through(s, &byte, 1, whole);
}

/* A byte of the source that has the screen. */
static void put_solo(struct screen *s, char byte)
{
	struct row *row = &s->sources[s->focus].row;

	emit(s, &byte, 1);
	s->styled = true;
	s->dirty = byte != '\n';
	if (byte == '\n')
		row_clear(row);
	else
		row_put(row, (uint8_t)byte);
}

void screen_output(struct screen *s, unsigned source, const char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (source != s->focus)
			put_other(s, source, bytes[i]);
		else if (s->solo)
			put_solo(s, bytes[i]);
		else
			put_focus(s, bytes[i]);
	}
}

void screen_log(struct screen *s, const char *line, size_t bytes)
{
	if (s->solo || s->out_count + bytes + REDRAW_BYTES > SCREEN_OUT_BYTES)
		s->log_unseen++;
	else
		emit_line(s, line, bytes);
}

void screen_note(struct screen *s, const char *text)
{
	emit_line(s, text, strlen(text));
}

void screen_set_focus(struct screen *s, unsigned source)
{
	char text[SCREEN_NAME_BYTES + 32];

	snprintf(text, sizeof text, "-- keyboard: %s --", s->sources[source].name);
	screen_note(s, text);
	s->focus = source;
	s->held_count = 0;
	s->shows = 0;
	s->sources[source].cr = false;
}

void screen_set_solo(struct screen *s, bool solo)
{
	begin_line(s);
	s->solo = solo;
	s->held_count = 0;
	s->shows = 0;
	if (solo) {
		char text[ROW_BYTES];
		size_t bytes = row_text(&s->sources[s->focus].row, text);

		emit(s, text, bytes);
		s->dirty = bytes;
	}
	s->sources[s->focus].cr = false;
}

bool screen_unsettled(const struct screen *s)
{
	return !s->solo && !s->drawn && s->shows < SHOWS_MAX &&
	       (s->held_count || s->sources[s->focus].row.used);
}

bool screen_was_shown(const struct screen *s)
{
	return s->shows;
}

void screen_typed(struct screen *s)
{
	s->shows = s->drawn;
}

void screen_settle(struct screen *s)
{
	if (screen_unsettled(s))
		draw_focus(s);
}

size_t screen_pending(const struct screen *s, const char **bytes)
{
	*bytes = s->out + s->out_first;
	return MIN(s->out_count, SCREEN_OUT_BYTES - s->out_first);
}

void screen_sent(struct screen *s, size_t bytes)
{
	s->out_first = (s->out_first + bytes) % SCREEN_OUT_BYTES;
	s->out_count -= bytes;
}

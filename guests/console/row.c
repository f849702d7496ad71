/* One line of a terminal. The control functions and their names: ECMA-48. */
#include "guests/console/row.h"

#include <string.h>

#include "kernel/lib/utf8.h"

#define ESC	  0x1b
#define BEL	  0x07
#define TAB_STOPS 8

enum row_state {
	TEXT = 0,
	ESCAPE, /* after ESC */
	CSI,	/* in a control sequence, until a final byte */
	STRING, /* in a command string (OSC and such), until BEL or ESC */
};

static void put_cell(struct row *row, uint8_t byte)
{
	if (row->cursor >= ROW_BYTES)
		return;
	while (row->used <= row->cursor)
		row->cells[row->used++] = ' ';
	row->cells[row->cursor++] = byte;
}

static void put_text(struct row *row, uint8_t byte)
{
	switch (byte) {
	case '\b': row->cursor -= row->cursor > 0; break;
	case '\r': row->cursor = 0; break;
	case '\t':
		do
			put_cell(row, ' ');
		while (row->cursor % TAB_STOPS && row->cursor < ROW_BYTES);
		break;
	case ESC: row->state = ESCAPE; break;
	default:
		if (byte >= ' ' && byte != 0x7f)
			put_cell(row, byte);
	}
}

/* DCH and ICH: takes out cells at the cursor, or puts blanks in. */
static void delete_cells(struct row *row, unsigned n)
{
	if (row->cursor >= row->used)
		return;
	n = MIN(n, (unsigned)row->used - row->cursor);
	memmove(row->cells + row->cursor, row->cells + row->cursor + n,
		row->used - row->cursor - n);
	row->used -= n;
}

static void insert_cells(struct row *row, unsigned n)
{
	unsigned kept;

	if (row->cursor >= row->used)
		return;
	n = MIN(n, (unsigned)ROW_BYTES - row->cursor);
	kept = MIN((unsigned)row->used - row->cursor, ROW_BYTES - row->cursor - n);
	memmove(row->cells + row->cursor + n, row->cells + row->cursor, kept);
	memset(row->cells + row->cursor, ' ', n);
	row->used = row->cursor + n + kept;
}

/* A control sequence with this final byte; those that do nothing within a line are ignored. */
static void control(struct row *row, uint8_t final)
{
	unsigned n = MAX(row->parameter, 1);

	switch (final) {
	case 'C': row->cursor = MIN(row->cursor + n, (unsigned)ROW_BYTES); break; /* CUF */
	case 'D': row->cursor -= MIN(n, row->cursor); break;			  /* CUB */
	case 'G': row->cursor = MIN(n - 1, (unsigned)ROW_BYTES); break;		  /* CHA */
	case 'J': /* ED and EL: from the cursor on, or all */
	case 'K':
		if (row->parameter == 0)
			row->used = MIN(row->used, row->cursor);
		else if (row->parameter == 2)
			row->used = 0;
		break;
	case 'P': delete_cells(row, n); break;
	case '@': insert_cells(row, n); break;
	default: break;
	}
}

static void put_escaped(struct row *row, uint8_t byte)
{
	switch (byte) {
	case '[':
		row->state = CSI;
		row->parameter = 0;
		break;
	case ']': /* OSC, DCS, SOS, PM, APC */
	case 'P':
	case 'X':
	case '^':
	case '_': row->state = STRING; break;
	default:
		/* Intermediate bytes go on; all other sequences are one byte long. */
		if (byte < 0x20 || byte > 0x2f)
			row->state = TEXT;
	}
}

static void put_control(struct row *row, uint8_t byte)
{
	if (byte >= '0' && byte <= '9') {
		row->parameter = MIN(row->parameter * 10u + (byte - '0'), 1000u);
	} else if (byte >= 0x40 && byte <= 0x7e) {
		row->state = TEXT;
		control(row, byte);
	} else if (byte < 0x20 || byte > 0x3f) {
		row->state = byte == ESC ? ESCAPE : TEXT; /* broken off */
	}
}

void row_put(struct row *row, uint8_t byte)
{
	switch (row->state) {
	case ESCAPE: put_escaped(row, byte); break;
	case CSI: put_control(row, byte); break;
	case STRING:
		if (byte == BEL || byte == ESC)
			row->state = byte == ESC ? ESCAPE : TEXT;
		break;
	default: put_text(row, byte);
	}
}

void row_clear(struct row *row)
{
	row->used = row->cursor = 0;
}

/* Bytes of the character at `in` if it is one that only appears: not a control character
 * (U+0000 to U+001F, U+007F to U+009F), but a tab is. */
static size_t printable(const uint8_t *in, size_t left)
{
	size_t bytes = utf8_bytes(in, left);

	if (bytes == 1)
		return (in[0] >= ' ' && in[0] != 0x7f) || in[0] == '\t';
	return bytes == 2 && in[0] == 0xc2 && in[1] < 0xa0 ? 0 : bytes;
}

size_t row_clean(const uint8_t *in, size_t bytes, char *out)
{
	for (size_t i = 0; i < bytes;) {
		size_t n = printable(in + i, bytes - i);

		if (n)
			memcpy(out + i, in + i, n);
		else
			out[i] = '?';
		i += MAX(n, 1u);
	}
	return bytes;
}

size_t row_text(const struct row *row, char out[ROW_BYTES])
{
	return row_clean(row->cells, row->used, out);
}

unsigned row_cursor_back(const struct row *row)
{
	unsigned back = 0;

	for (unsigned i = row->cursor; i < row->used; i++)
		back += row->cells[i] >> 6 != 2; /* a UTF-8 character has one such byte */
	return back;
}

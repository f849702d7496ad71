/* One line of a terminal. The control functions and their names: ECMA-48. */
#include "guests/console/row.h"

#include <string.h>

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

/* Bytes of the UTF-8 character at `in`, 0 where it is none or a control character (U+0080 to
 * U+009F). RFC 3629, section 4. */
static size_t utf8_bytes(const uint8_t *in, size_t left)
{
	static const struct {
		uint8_t lead_first, lead_last, second_first, second_last, bytes;
	} forms[] = {
		{0xc2, 0xc2, 0xa0, 0xbf, 2}, {0xc3, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(forms); i++) {
		if (in[0] < forms[i].lead_first || in[0] > forms[i].lead_last)
			continue;
		if (left < forms[i].bytes || in[1] < forms[i].second_first ||
		    in[1] > forms[i].second_last)
			return 0;
		for (unsigned at = 2; at < forms[i].bytes; at++)
			if (in[at] >> 6 != 2)
				return 0;
		return forms[i].bytes;
	}
	return 0;
}

size_t row_clean(const uint8_t *in, size_t bytes, char *out)
{
	for (size_t i = 0; i < bytes;) {
		bool plain = (in[i] >= ' ' && in[i] < 0x7f) || in[i] == '\t';
		size_t n = plain ? 1 : utf8_bytes(in + i, bytes - i);

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

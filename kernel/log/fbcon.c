/*
 * Draws log lines. The text is kept beside the framebuffer, which is slow to read: scrolling
 * draws again what stays, half a screen at a time, so that a line costs two on average.
 */
#include "kernel/log/fbcon.h"

#include <errno.h>
#include <string.h>

#define COLUMNS_MAX 240
#define ROWS_MAX    135

struct row {
	enum log_level level;
	char text[COLUMNS_MAX + 1];
};

/* All of it is guarded by the log's lock, under which sinks are called. */
static struct row rows[ROWS_MAX];
static unsigned row_count, column_count; /* of the screen */
static unsigned next_row;		 /* the first empty one */
static char *first_pixel;
static uint32_t pitch_bytes;
static uint32_t colours[LOG_DEBUG + 1];

#define BACKGROUND 0

static uint32_t *pixel_line(uint32_t y)
{
	return (uint32_t *)(void *)(first_pixel + (size_t)y * pitch_bytes);
}

static uint32_t colour(uint32_t format, uint32_t red, uint32_t green, uint32_t blue)
{
	return format == HANDOFF_PIXEL_RGBX ? red | green << 8 | blue << 16
					    : blue | green << 8 | red << 16;
}

static void draw_row(unsigned number)
{
	const struct row *row = &rows[number];
	uint32_t foreground = colours[row->level];

	for (unsigned y = 0; y < FBCON_GLYPH_HEIGHT; y++) {
		uint32_t *pixel = pixel_line(number * FBCON_GLYPH_HEIGHT + y);
		const char *c = row->text;

		for (unsigned column = 0; column < column_count; column++) {
			uint8_t bits = *c ? fbcon_font[(unsigned char)*c++][y] : 0;

			for (unsigned x = 0; x < FBCON_GLYPH_WIDTH; x++, bits <<= 1)
				*pixel++ = bits & 0x80 ? foreground : BACKGROUND;
		}
	}
}

/* Moves the newer half of the rows up and draws all. */
static void scroll(void)
{
	unsigned kept = row_count / 2;

	memmove(rows, rows + row_count - kept, kept * sizeof(rows[0]));
	memset(rows + kept, 0, (row_count - kept) * sizeof(rows[0]));
	for (unsigned i = 0; i < row_count; i++)
		draw_row(i);
	next_row = kept;
}

static void write_row(enum log_level level, const char *text, size_t bytes)
{
	struct row *row;

	if (next_row == row_count)
		scroll();
	row = &rows[next_row];
	row->level = level;
	for (size_t i = 0; i < bytes; i++) {
		bool ascii = text[i] >= ' ' && text[i] < 0x7f;

		row->text[i] = ascii ? text[i] : text[i] == '\t' ? ' ' : '?';
	}
	row->text[bytes] = '\0';
	draw_row(next_row++);
}

static void sink_write(struct log_sink *sink, enum log_level level, const char *line,
		       size_t bytes)
{
	(void)sink;
	do {
		size_t part = MIN(bytes, (size_t)column_count);

		write_row(level, line, part);
		line += part;
		bytes -= part;
	} while (bytes);
}

struct log_sink fbcon_sink = {.write = sink_write};

int fbcon_init(const struct handoff_framebuffer *fb, void *pixels)
{
	if (fb->format != HANDOFF_PIXEL_RGBX && fb->format != HANDOFF_PIXEL_BGRX)
		return -ENODEV;
	if (fb->width < FBCON_GLYPH_WIDTH || fb->height < FBCON_GLYPH_HEIGHT ||
	    fb->width > fb->pitch_bytes / 4 || fb->height > fb->bytes / fb->pitch_bytes)
		return -ENODEV;
	first_pixel = pixels;
	pitch_bytes = fb->pitch_bytes;
	column_count = MIN(fb->width / FBCON_GLYPH_WIDTH, (uint32_t)COLUMNS_MAX);
	row_count = MIN(fb->height / FBCON_GLYPH_HEIGHT, (uint32_t)ROWS_MAX);
	next_row = 0;
	colours[LOG_ERROR] = colour(fb->format, 255, 96, 96);
	colours[LOG_WARN] = colour(fb->format, 255, 208, 96);
	colours[LOG_INFO] = colour(fb->format, 208, 208, 208);
	colours[LOG_DEBUG] = colour(fb->format, 128, 128, 128);
	for (uint32_t y = 0; y < fb->height; y++)
		memset(pixel_line(y), BACKGROUND, (size_t)fb->width * 4);
	return 0;
}

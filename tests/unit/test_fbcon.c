/* The console on a framebuffer that is an array: what is drawn where, and that nothing else is
 * touched, whatever the firmware says of the screen. */
/* links: kernel/log/fbcon.c */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/log/fbcon.h"

/* Line 3 of each glyph is its code, so that a screen can be read back; the rest is empty. */
#define G(n)  [n] = {[3] = n}
#define G8(n) G(n), G(n + 1), G(n + 2), G(n + 3), G(n + 4), G(n + 5), G(n + 6), G(n + 7)
const uint8_t fbcon_font[FBCON_GLYPHS][FBCON_GLYPH_HEIGHT] = {
	G8(32), G8(40), G8(48), G8(56),	 G8(64),  G8(72),
	G8(80), G8(88), G8(96), G8(104), G8(112), G8(120),
};

#define PAD	  3 /* pixels between the end of a line and the next */
#define UNTOUCHED 0x5a5a5a5au

struct screen {
	struct handoff_framebuffer fb;
	uint32_t *pixels;
};

static struct screen make_screen(uint32_t width, uint32_t height)
{
	struct screen s = {.fb = {.width = width,
				  .height = height,
				  .pitch_bytes = (width + PAD) * 4,
				  .format = HANDOFF_PIXEL_BGRX}};

	s.fb.bytes = (uint64_t)s.fb.pitch_bytes * height;
	s.pixels = malloc(s.fb.bytes);
	for (size_t i = 0; i < s.fb.bytes / 4; i++)
		s.pixels[i] = UNTOUCHED;
	return s;
}

static void check_padding(const struct screen *s)
{
	for (uint32_t y = 0; y < s->fb.height; y++)
		for (uint32_t x = s->fb.width; x < s->fb.width + PAD; x++)
			assert_int_equal(s->pixels[y * (s->fb.width + PAD) + x], UNTOUCHED);
}

/* The text of a row of the screen, blanks at its end left out. */
static const char *read_row(const struct screen *s, unsigned row)
{
	static char text[512];
	const uint32_t *line = s->pixels + (size_t)(row * 16 + 3) * (s->fb.width + PAD);
	size_t end = 0;

	for (uint32_t column = 0; column < s->fb.width / 8; column++) {
		unsigned code = 0;

		for (unsigned x = 0; x < 8; x++)
			code = code << 1 | (line[column * 8 + x] != 0);
		text[column] = (char)(code ? code : ' ');
		if (code && code != ' ')
			end = column + 1;
	}
	text[end] = '\0';
	return text;
}

static void put(const char *text)
{
	fbcon_sink.write(&fbcon_sink, LOG_INFO, text, strlen(text));
}

static void lines_are_drawn_and_wrapped(void **state)
{
	struct screen s = make_screen(10 * 8 + 5, 6 * 16 + 7);

	(void)state;
	assert_int_equal(fbcon_init(&s.fb, s.pixels), 0);
	put("hello");
	put("0123456789abc");
	put("");
	put("tab\tx\x80\x7f");
	assert_string_equal(read_row(&s, 0), "hello");
	assert_string_equal(read_row(&s, 1), "0123456789");
	assert_string_equal(read_row(&s, 2), "abc");
	assert_string_equal(read_row(&s, 3), "");
	assert_string_equal(read_row(&s, 4), "tab x??");
	assert_string_equal(read_row(&s, 5), "");
	check_padding(&s);
	free(s.pixels);
}

static void scrolling_keeps_the_newest(void **state)
{
	struct screen s = make_screen(80, 7 * 16);

	(void)state;
	assert_int_equal(fbcon_init(&s.fb, s.pixels), 0);
	for (unsigned i = 0; i < 8; i++) {
		char text[8];

		snprintf(text, sizeof(text), "line %u", i);
		put(text);
	}
	assert_string_equal(read_row(&s, 0), "line 4");
	assert_string_equal(read_row(&s, 2), "line 6");
	assert_string_equal(read_row(&s, 3), "line 7");
	for (unsigned row = 4; row < 7; row++)
		assert_string_equal(read_row(&s, row), "");
	check_padding(&s);
	free(s.pixels);
}

/* One row, one column, and more than is kept: all must stay inside the array. */
static void sizes(void **state)
{
	char long_line[LOG_LINE_MAX];
	static const uint32_t cases[][2] = {{8, 16}, {8, 480}, {3840, 16}, {3840, 2400}};

	(void)state;
	memset(long_line, 'x', sizeof(long_line) - 1);
	long_line[sizeof(long_line) - 1] = '\0';
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct screen s = make_screen(cases[i][0], cases[i][1]);

		assert_int_equal(fbcon_init(&s.fb, s.pixels), 0);
		for (unsigned n = 0; n < 300; n++)
			put(n % 2 ? "xyz" : long_line);
		check_padding(&s);
		free(s.pixels);
	}
}

static void colours_follow_the_format(void **state)
{
	static const struct {
		uint32_t format, red_at;
	} cases[] = {{HANDOFF_PIXEL_RGBX, 0}, {HANDOFF_PIXEL_BGRX, 16}};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct screen s = make_screen(8, 16);
		uint32_t pixel;

		s.fb.format = cases[i].format;
		assert_int_equal(fbcon_init(&s.fb, s.pixels), 0);
		fbcon_sink.write(&fbcon_sink, LOG_ERROR, "@", 1);
		pixel = s.pixels[3 * (8 + PAD) + 1]; /* '@' is 0x40: the second pixel */
		assert_int_equal(pixel >> cases[i].red_at & 0xff, 255);
		assert_int_not_equal(pixel >> (16 - cases[i].red_at) & 0xff, 255);
		free(s.pixels);
	}
}

static void nonsense_is_refused(void **state)
{
	const struct handoff_framebuffer good = {.width = 640,
						 .height = 480,
						 .pitch_bytes = 2560,
						 .bytes = 2560 * 480,
						 .format = 1};
	struct handoff_framebuffer bad[6];

	(void)state;
	for (size_t i = 0; i < 6; i++)
		bad[i] = good;
	bad[0].format = HANDOFF_PIXEL_NONE;
	bad[1].format = 7;
	bad[2].width = 641;
	bad[3].height = 481;
	bad[4].width = 7;
	bad[5].height = 0;
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(fbcon_init(&bad[i], NULL), -ENODEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_drawn_and_wrapped),
		cmocka_unit_test(scrolling_keeps_the_newest),
		cmocka_unit_test(sizes),
		cmocka_unit_test(colours_follow_the_format),
		cmocka_unit_test(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the terminal shows of several guests: a model terminal reads what the screen sends. */
/* links: guests/console/screen.c guests/console/row.c kernel/lib/utf8.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/console/screen.h"

enum { HOST, ALPHA, BETA };

static struct screen *screen;
static char sent[1 << 20]; /* what a terminal without any intelligence received */
static size_t sent_bytes;

static int fresh(void **state)
{
	(void)state;
	screen = calloc(1, sizeof *screen);
	screen_name(screen, HOST, "host");
	screen_name(screen, ALPHA, "alpha");
	screen_name(screen, BETA, "beta");
	screen->focus = ALPHA;
	sent_bytes = 0;
	return 0;
}

static int done(void **state)
{
	(void)state;
	free(screen);
	return 0;
}

static void drain(void)
{
	const char *bytes;
	size_t n;

	while ((n = screen_pending(screen, &bytes))) {
		n = n > 7 ? 7 : n; /* as a FIFO takes it */
		assert_true(sent_bytes + n < sizeof sent);
		memcpy(sent + sent_bytes, bytes, n);
		sent_bytes += n;
		screen_sent(screen, n);
	}
	sent[sent_bytes] = '\0';
}

static void prints(unsigned source, const char *text)
{
	screen_output(screen, source, text, strlen(text));
}

static void logs(const char *line)
{
	screen_log(screen, line, strlen(line));
}

/* What was sent since the last look is exactly this. */
static void sends(const char *wanted)
{
	drain();
	assert_string_equal(sent, wanted);
	sent_bytes = 0;
}

static void lines_carry_their_guest_s_name(void **state)
{
	(void)state;
	prints(ALPHA, "one\n\n");
	prints(BETA, "two\n");
	prints(HOST, "three\n");
	sends("alpha| one\r\nalpha| \r\nbeta| two\r\nthree\r\n");
}

static void carriage_returns_before_a_line_feed_are_the_line_s_end(void **state)
{
	(void)state;
	prints(ALPHA, "one\r\ntwo\r\r\n");
	prints(BETA, "three\r\n");
	sends("alpha| one\r\nalpha| two\r\nbeta| three\r\n");
}

static void only_the_keyboard_s_guest_shows_unfinished_lines(void **state)
{
	(void)state;
	prints(BETA, "login: ");
	sends("");
	prints(ALPHA, "~ # ");
	sends(""); /* most lines are finished soon */
	screen_settle(screen);
	sends("alpha| ~ # ");
	prints(ALPHA, "l");
	sends("l");
	prints(BETA, "root\n");
	sends("\r\nbeta| login: root\r\n");
}

static void an_interrupted_line_comes_back_once_it_is_quiet(void **state)
{
	(void)state;
	prints(ALPHA, "~ # ls");
	screen_settle(screen);
	sends("alpha| ~ # ls");
	assert_false(screen_unsettled(screen));
	logs("[1.0] smp: one");
	logs("[1.1] smp: two");
	assert_true(screen_unsettled(screen));
	sends("\r\n[1.0] smp: one\r\n[1.1] smp: two\r\n");
	screen_settle(screen);
	sends("alpha| ~ # ls");
	screen_settle(screen);
	sends("");
	prints(ALPHA, " -l");
	sends(" -l");
}

static void an_idle_line_comes_back_once(void **state)
{
	(void)state;
	prints(ALPHA, "~ # ");
	assert_false(screen_was_shown(screen));
	screen_settle(screen);
	logs("one");
	assert_true(screen_unsettled(screen) && screen_was_shown(screen));
	screen_settle(screen);
	logs("two");
	assert_false(screen_unsettled(screen));
	screen_settle(screen);
	sends("alpha| ~ # \r\none\r\nalpha| ~ # \r\ntwo\r\n");
	screen_typed(screen);
	assert_true(screen_unsettled(screen) && !screen_was_shown(screen));
	screen_settle(screen);
	logs("three");
	prints(ALPHA, "l"); /* it changes: it is another line */
	assert_true(screen_unsettled(screen) && !screen_was_shown(screen));
	screen_settle(screen);
	sends("alpha| ~ # \r\nthree\r\nalpha| ~ # l");
	prints(ALPHA, "s");
	logs("four");
	assert_true(screen_unsettled(screen)); /* as long as it was shown it changed */
	screen_settle(screen);
	sends("s\r\nfour\r\nalpha| ~ # ls");
}

static void an_interrupted_line_comes_back_when_it_is_finished(void **state)
{
	(void)state;
	prints(ALPHA, "~ # ls");
	screen_settle(screen);
	logs("a line");
	prints(ALPHA, " -l\r\n");
	sends("alpha| ~ # ls\r\na line\r\nalpha| ~ # ls -l\r\n");
}

static void a_line_that_is_finished_soon_is_shown_once_and_as_it_came(void **state)
{
	(void)state;
	prints(ALPHA, "\x1b[31mls");
	logs("a line");
	prints(ALPHA, " -l\x1b[m\r\n");
	sends("a line\r\nalpha| \x1b[31mls -l\x1b[m\x0f\x1b[m\r\n");
}

static void a_long_line_is_not_held_for_long(void **state)
{
	char line[2000];

	(void)state;
	memset(line, 'x', sizeof line);
	screen_output(screen, ALPHA, line, sizeof line);
	drain();
	assert_int_equal(sent_bytes, strlen("alpha| ") + sizeof line);
}

static void a_line_that_was_edited_comes_back_as_it_looked(void **state)
{
	(void)state;
	/* "cat", one back and erased, "r" inserted, cursor left on the "r". */
	prints(ALPHA, "cat\b\x1b[K\x1b[1Dr\b");
	screen_settle(screen);
	sends("alpha| cat\b\x1b[K\x1b[1Dr\b");
	logs("x");
	screen_settle(screen);
	sends("\x0f\x1b[m\r\nx\r\nalpha| cr\b");
}

static void editing_within_a_line_is_understood(void **state)
{
	static const struct {
		const char *typed, *row;
		unsigned back;
	} cases[] = {
		{"abc\rX", "Xbc", 2},
		{"a\tb", "a       b", 0},
		{"abcdef\x1b[3D\x1b[2P", "abcf", 1},
		{"abcd\x1b[2D\x1b[2@", "ab  cd", 4},
		{"abcdef\x1b[3G\x1b[J", "ab", 0},
		{"abc\x1b[2K", "", 0},
		{"abc\x1b[1Kd", "abcd", 0},
		{"ab\x1b[3Cc", "ab   c", 0},
		{"\x1b[1;32mgreen\x1b[0m", "green", 0},
		{"\x1b]0;title\aabc", "abc", 0},
		{"\x1b]0;title\x1b\\abc", "abc", 0},
		{"\x1bPq#0\x1b\\abc", "abc", 0},
		{"\x1b(Babc", "abc", 0},
		{"\b\b\babc", "abc", 0},
		{"\x1b[99999999999Dabc", "abc", 0},
		{"\x1b[12\x01"
		 "abc",
		 "abc", 0},
	};
	char text[ROW_BYTES];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct row row = {0};
		size_t bytes;

		for (const char *c = cases[i].typed; *c; c++)
			row_put(&row, (uint8_t)*c);
		bytes = row_text(&row, text);
		assert_int_equal(bytes, strlen(cases[i].row));
		assert_memory_equal(text, cases[i].row, bytes);
		assert_int_equal(row_cursor_back(&row), cases[i].back);
	}
}

static void a_carriage_return_keeps_the_prefix(void **state)
{
	(void)state;
	prints(ALPHA, "10 %\r20 %\n");
	sends("alpha| 10 %\ralpha| 20 %\r\n");
	prints(ALPHA, "10 %");
	screen_settle(screen);
	prints(ALPHA, "\r20 %");
	sends("alpha| 10 %\ralpha| 20 %");
	prints(BETA, "10 %\r20 %\n");
	sends("\r\nbeta| 20 %\r\n");
}

static void others_cannot_reach_the_terminal(void **state)
{
	(void)state;
	prints(BETA, "\x1b[2J\x1b[Ha\x07\x0e\x1b]0;evil\x07\x7f"
		     "b\xc2\x9b"
		     "2Jc\x9b\xff\n");
	sends("beta| ab??2Jc??\r\n");
	logs("alpha: \x1b[2J");
	sends("alpha: ?[2J\r\n");
}

static void utf_8_passes_if_it_is_well_formed(void **state)
{
	(void)state;
	prints(BETA, "\xc3\xbc \xe2\x97\x8f \xf0\x9f\x98\x80\n");
	sends("beta| \xc3\xbc \xe2\x97\x8f \xf0\x9f\x98\x80\r\n");
	/* Overlong, surrogate, beyond U+10FFFF, cut short. */
	prints(BETA, "\xc0\xaf|\xe0\x80\xaf|\xed\xa0\x80|\xf4\x90\x80\x80|\xe2\x97\n");
	sends("beta| ??|???|???|????|??\r\n");
}

static void an_interrupted_sequence_s_rest_is_not_text(void **state)
{
	(void)state;
	prints(ALPHA, "a\x1b[1;3");
	screen_settle(screen);
	logs("x");
	screen_settle(screen);
	prints(ALPHA, "1mred");
	sends("alpha| a\x1b[1;3\x0f\x1b[m\r\nx\r\nalpha| ared");
}

static void colours_end_with_the_line(void **state)
{
	(void)state;
	prints(ALPHA, "\x1b[31mred\n");
	prints(BETA, "plain\n");
	sends("alpha| \x1b[31mred\x0f\x1b[m\r\nbeta| plain\r\n");
}

static void long_lines_of_others_are_shown_in_pieces(void **state)
{
	char line[400];

	(void)state;
	memset(line, 'x', sizeof line);
	screen_output(screen, BETA, line, sizeof line);
	drain();
	assert_int_equal(sent_bytes, 2 * (strlen("beta| ") + 160 + 2));
}

static void the_keyboard_changes_hands(void **state)
{
	(void)state;
	prints(ALPHA, "~ # ");
	prints(BETA, "beta:~ # ");
	screen_settle(screen);
	sends("alpha| ~ # ");
	screen_set_focus(screen, BETA);
	assert_true(screen_unsettled(screen));
	screen_settle(screen);
	sends("\r\n-- keyboard: beta --\r\nbeta| beta:~ # ");
	prints(ALPHA, "\nnext\n");
	sends("\r\nalpha| ~ # \r\nalpha| next\r\n");
	/* A carriage return from before is no part of what comes after. */
	screen_set_focus(screen, ALPHA);
	prints(ALPHA, "a\r");
	screen_set_focus(screen, BETA);
	prints(ALPHA, "bc");
	screen_set_focus(screen, ALPHA);
	screen_settle(screen);
	drain();
	sent_bytes = 0;
	prints(ALPHA, "d");
	sends("d");
}

static void one_alone_has_the_screen_raw(void **state)
{
	(void)state;
	screen_set_solo(screen, true);
	prints(ALPHA, "\x1b[2J\r\nvi\r");
	prints(BETA, "hidden\n");
	logs("hidden too");
	sends("\x1b[2J\r\nvi\r");
	assert_int_equal(screen->log_unseen, 1);
	assert_false(screen_unsettled(screen));
	screen_set_solo(screen, false);
	prints(BETA, "shown\n");
	screen_settle(screen);
	sends("\x0f\x1b[m\r\nbeta| shown\r\nalpha| vi\b\b");
}

static void a_slow_line_holds_guests_back_but_not_the_log(void **state)
{
	char flood[128];
	unsigned lines = 0;

	(void)state;
	memset(flood, '\n', sizeof flood);
	for (size_t room; (room = screen_room(screen));)
		screen_output(screen, BETA, flood, MIN(room, sizeof flood));
	assert_true(screen->out_count < 5000); /* half a second at 115200 baud */
	for (; !screen->log_unseen; lines++)
		logs("a line of forty bytes, not more or less!");
	assert_true(lines > 500);
	drain();
	assert_true(screen_room(screen) > 0);
	assert_non_null(strstr(sent, "a line of forty bytes, not more or less!\r\n"));
}

/* Whatever a guest sends, in whatever pieces, what the others see stays within their lines, and
 * nothing is written beyond its place. */
static void hostile_bytes_do_no_harm(void **state)
{
	static const char interesting[] =
		"ab\x1b\x1b[[]0123456789;;CDGJKP@m\r\n\b\t\x07\xc2\x9b\xe2";
	char piece[64];

	(void)state;
	srand(1);
	for (unsigned round = 0; round < 20000; round++) {
		size_t n = MIN((size_t)rand() % sizeof piece, screen_room(screen));

		for (size_t i = 0; i < n; i++)
			piece[i] = rand() % 4 ? interesting[rand() % (sizeof interesting - 1)]
					      : (char)rand();
		if (rand() % 50 == 0)
			screen_set_focus(screen, rand() % 2 ? HOST : BETA);
		screen_output(screen, ALPHA, piece, n);
		if (rand() % 8 == 0)
			screen_settle(screen);
		drain();
		/* ALPHA has not the keyboard: no control byte of its own comes through. */
		for (size_t i = 0; round && i < sent_bytes; i++)
			assert_true((uint8_t)sent[i] >= ' ' || sent[i] == '\r' ||
				    sent[i] == '\n');
		sent_bytes = 0;
		if (!round)
			screen_set_focus(screen, BETA);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)
	const struct CMUnitTest tests[] = {
		TEST(lines_carry_their_guest_s_name),
		TEST(carriage_returns_before_a_line_feed_are_the_line_s_end),
		TEST(only_the_keyboard_s_guest_shows_unfinished_lines),
		TEST(an_interrupted_line_comes_back_once_it_is_quiet),
		TEST(an_idle_line_comes_back_once),
		TEST(an_interrupted_line_comes_back_when_it_is_finished),
		TEST(a_line_that_is_finished_soon_is_shown_once_and_as_it_came),
		TEST(a_long_line_is_not_held_for_long),
		TEST(a_line_that_was_edited_comes_back_as_it_looked),
		TEST(editing_within_a_line_is_understood),
		TEST(a_carriage_return_keeps_the_prefix),
		TEST(others_cannot_reach_the_terminal),
		TEST(utf_8_passes_if_it_is_well_formed),
		TEST(an_interrupted_sequence_s_rest_is_not_text),
		TEST(colours_end_with_the_line),
		TEST(long_lines_of_others_are_shown_in_pieces),
		TEST(the_keyboard_changes_hands),
		TEST(one_alone_has_the_screen_raw),
		TEST(a_slow_line_holds_guests_back_but_not_the_log),
		TEST(hostile_bytes_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

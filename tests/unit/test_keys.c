/* What typed bytes mean: to the terminal, and on the operator's command line. */
/* links: guests/console/keys.c guests/console/lineedit.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/console/keys.h"
#include "guests/console/lineedit.h"

#define CTRL_BRACKET "\x1d"

/* The last byte of `typed` means this. */
static void means(const char *typed, enum key_action action, uint8_t value)
{
	struct keys keys = {0};
	struct key key = {0};

	for (; *typed; typed++)
		key = keys_take(&keys, (uint8_t)*typed);
	assert_int_equal(key.action, action);
	assert_int_equal(key.value, value);
}

static void ordinary_bytes_are_typed(void **state)
{
	struct keys keys = {0};

	(void)state;
	for (unsigned byte = 0; byte < 256; byte++) {
		struct key key;

		if (byte == 0x1d)
			continue;
		key = keys_take(&keys, (uint8_t)byte);
		assert_int_equal(key.action, KEY_TYPE);
		assert_int_equal(key.value, byte);
	}
}

static void commands_follow_the_bracket(void **state)
{
	(void)state;
	means(CTRL_BRACKET, KEY_NONE, 0);
	means(CTRL_BRACKET "n", KEY_NEXT, 0);
	means(CTRL_BRACKET "p", KEY_PREVIOUS, 0);
	means(CTRL_BRACKET "1", KEY_SOURCE, 1);
	means(CTRL_BRACKET "9", KEY_SOURCE, 9);
	means(CTRL_BRACKET "h", KEY_SOURCE, 0);
	means(CTRL_BRACKET "o", KEY_SOLO, 0);
	means(CTRL_BRACKET "l", KEY_LOG, 0);
	means(CTRL_BRACKET "?", KEY_HELP, 0);
	means(CTRL_BRACKET "x", KEY_WRONG, 'x');
	means(CTRL_BRACKET "\x1b", KEY_WRONG, 0x1b);
	means(CTRL_BRACKET CTRL_BRACKET, KEY_TYPE, 0x1d);
	means(CTRL_BRACKET "na", KEY_TYPE, 'a');
	means(CTRL_BRACKET "xn", KEY_TYPE, 'n');
}

static void quitting_takes_two_keys(void **state)
{
	(void)state;
	means(CTRL_BRACKET "q", KEY_ASK_POWER_OFF, 0);
	means(CTRL_BRACKET "qq", KEY_POWER_OFF, 0);
	means(CTRL_BRACKET "qy", KEY_POWER_OFF, 0);
	means(CTRL_BRACKET "qw", KEY_WAIT_LONGER, 0);
	means(CTRL_BRACKET "qc", KEY_STAY_ON, 0);
	means(CTRL_BRACKET "qn", KEY_NOT_POWER_OFF, 0);
	means(CTRL_BRACKET "q" CTRL_BRACKET, KEY_NOT_POWER_OFF, 0);
	means(CTRL_BRACKET "qnq", KEY_TYPE, 'q');
}

/* Types all; the terminal's side is collected in `echoed`. The last result is returned. */
static char echoed[4096];

static enum lineedit_result types(struct lineedit *edit, const char *typed)
{
	enum lineedit_result result = LINEEDIT_MORE;
	char echo[LINEEDIT_ECHO_BYTES];

	echoed[0] = '\0';
	for (; *typed; typed++) {
		result = lineedit_take(edit, (uint8_t)*typed, echo);
		strcat(echoed, echo);
	}
	return result;
}

static void gives(struct lineedit *edit, const char *typed, const char *line)
{
	assert_int_equal(types(edit, typed), LINEEDIT_DONE);
	assert_string_equal(edit->line, line);
}

static void a_line_is_typed_and_erased(void **state)
{
	struct lineedit edit = {0};

	(void)state;
	gives(&edit, "list\r", "list");
	assert_string_equal(echoed, "list\n");
	assert_int_equal(types(&edit, "\n"), LINEEDIT_MORE); /* the same key's */
	gives(&edit, "lost\b\x7f\x7fist\n", "list");
	assert_string_equal(echoed, "lost\b\x1b[K\b\x1b[K\b\x1b[Kist\n");
	gives(&edit, "\b\bshow\x15stop me  \x17you\r", "stop you");
	gives(&edit, "\r", "");
	gives(&edit, "\a\x01\xc3\xbcx\r", "x");
	assert_int_equal(types(&edit, "half a li\x03"), LINEEDIT_ABANDONED);
	gives(&edit, "ne\r", "ne");
}

static void arrows_fetch_old_lines(void **state)
{
	struct lineedit edit = {0};

	(void)state;
	assert_int_equal(types(&edit, "\x1b[A"), LINEEDIT_MORE);
	assert_string_equal(echoed, "");
	gives(&edit, "one\r", "one");
	gives(&edit, "two\r", "two");
	gives(&edit, "two\r", "two"); /* remembered once */
	gives(&edit, "\x1b[A\r", "two");
	gives(&edit, "\x1b[A\x1b[A\r", "one");
	gives(&edit, "x\x1bOA\x1bOA\x1bOA\x1bOB\r", "two");
	gives(&edit, "\x1b[A\x1b[B\x1b[B\r", "");
	gives(&edit, "a\x1b[1;5Cb\x1b[3~c\r", "abc");
	for (char c = 'a'; c < 'a' + 20; c++)
		gives(&edit, (char[]){c, '\r', 0}, (char[]){c, 0});
	types(&edit, "\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A");
	gives(&edit, "\r", "m"); /* the eighth from the end */
}

/* The longest is taken; of a longer one nothing is, as its beginning may mean something else.
 */
static void a_line_too_long_is_refused(void **state)
{
	struct lineedit edit = {0};
	char line[LINEEDIT_BYTES];

	(void)state;
	memset(line, 'x', sizeof line - 1);
	line[sizeof line - 1] = '\0';
	types(&edit, line);
	gives(&edit, "\r", line);
	types(&edit, line);
	types(&edit, "\x1b[A"); /* the longest echo there is */
	assert_int_equal(strlen(echoed), sizeof line - 1 + 3 + sizeof line - 1);
	types(&edit, "yyy\b"); /* what is erased is another character than was lost */
	assert_string_equal(echoed, "\b\x1b[K");
	assert_int_equal(types(&edit, "z\r"), LINEEDIT_TOO_LONG);
	assert_string_equal(echoed, "\n");
	gives(&edit, "next\r", "next");
	types(&edit, line);
	types(&edit, "y");
	gives(&edit, "\x1b[A\r", "next"); /* it is gone, whole, as the next two are */
	types(&edit, line);
	types(&edit, "y");
	gives(&edit, "\x15new\r", "new");
	types(&edit, line);
	assert_int_equal(types(&edit, "y\x03"), LINEEDIT_ABANDONED);
	gives(&edit, "new\r", "new");
}

static void any_bytes_do_no_harm(void **state)
{
	struct lineedit edit = {0};
	char echo[LINEEDIT_ECHO_BYTES];

	(void)state;
	srand(1);
	for (unsigned i = 0; i < 200000; i++) {
		static const char likely[] = "\x1b[AB\b\r\n\x15\x17 ab";
		uint8_t byte =
			(uint8_t)(rand() % 3 ? likely[rand() % (sizeof likely - 1)] : rand());

		lineedit_take(&edit, byte, echo);
		assert_true(edit.used < LINEEDIT_BYTES);
		assert_non_null(memchr(echo, '\0', sizeof echo));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_bytes_are_typed),
		cmocka_unit_test(commands_follow_the_bracket),
		cmocka_unit_test(quitting_takes_two_keys),
		cmocka_unit_test(a_line_is_typed_and_erased),
		cmocka_unit_test(arrows_fetch_old_lines),
		cmocka_unit_test(a_line_too_long_is_refused),
		cmocka_unit_test(any_bytes_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

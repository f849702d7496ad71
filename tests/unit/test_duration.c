/* Lengths of time as text and back: the first and last value of each unit, and what is none. */
/* links: kernel/lib/duration.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/lib/duration.h"

static void forms(void **state)
{
	static const struct {
		uint32_t seconds;
		const char *text;
	} cases[] = {
		{0, "0 s"},	   {1, "1 s"},
		{60, "60 s"},	   {119, "119 s"},
		{120, "2 min"},	   {121, "121 s"},
		{300, "5 min"},	   {3600, "60 min"},
		{7140, "119 min"}, {7200, "2 h"},
		{7201, "7201 s"},  {7260, "121 min"},
		{86400, "24 h"},   {UINT32_MAX, "4294967295 s"},
	};
	char text[DURATION_TEXT_BYTES];
	uint32_t seconds;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_string_equal(duration_text(cases[i].seconds, text), cases[i].text);
		assert_true(duration_parse(text, &seconds));
		assert_int_equal(seconds, cases[i].seconds);
	}
}

static void other_ways_to_write_it(void **state)
{
	uint32_t seconds;

	(void)state;
	assert_true(duration_parse("60s", &seconds));
	assert_int_equal(seconds, 60);
	assert_true(duration_parse("1 min", &seconds));
	assert_int_equal(seconds, 60);
	assert_true(duration_parse("1193046 h", &seconds));
	assert_int_equal(seconds, 4294965600);
}

static void what_is_none(void **state)
{
	static const char *const none[] = {
		"",	     "s",    "60",   "60 ",  "60  s", "60 sec", "-1 s",
		"1.5 min",   "06 s", "00 s", "60 S", " 60 s", "60 s ",	"4294967296 s",
		"1193047 h", "1 m"};
	uint32_t seconds;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(none); i++)
		if (duration_parse(none[i], &seconds))
			fail_msg("'%s' is no duration", none[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(other_ways_to_write_it),
		cmocka_unit_test(what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

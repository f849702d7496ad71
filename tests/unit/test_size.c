/* Sizes as text, in each of the forms, and back: the first and last value of each unit. */
/* links: kernel/lib/size.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "kernel/lib/size.h"

#define TIB (1ull << 40)

static void forms(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *rounded, *exact, *column;
	} cases[] = {
		{0, "0 bytes", "0 bytes", "0 KiB"},
		{1023, "1023 bytes", "1023 bytes", "0 KiB"},
		{KIB, "1 KiB", "1 KiB", "1 KiB"},
		{KIB + 1, "1025 bytes", "1025 bytes", "1 KiB"},
		{10 * KIB - 1, "10239 bytes", "10239 bytes", "9 KiB"},
		{10 * KIB + 1, "10 KiB", "10241 bytes", "10 KiB"},
		{MIB - 1, "1023 KiB", "1048575 bytes", "1023 KiB"},
		{MIB, "1 MiB", "1 MiB", "1.0 MiB"},
		{MIB + 256 * KIB, "1280 KiB", "1280 KiB", "1.2 MiB"},
		{10 * MIB - 1, "10239 KiB", "10485759 bytes", "9.9 MiB"},
		{10 * MIB, "10 MiB", "10 MiB", "10 MiB"},
		{1536 * MIB, "1536 MiB", "1536 MiB", "1536 MiB"},
		{4 * GIB, "4 GiB", "4 GiB", "4096 MiB"},
		{37 * GIB + 1, "37 GiB", "39728447489 bytes", "37888 MiB"},
		{TIB, "1 TiB", "1 TiB", "1048576 MiB"},
		{2048 * TIB, "2048 TiB", "2048 TiB", "2147483648 MiB"},
		{UINT64_MAX, "16777215 TiB", "18446744073709551615 bytes",
		 "17592186044415 MiB"},
	};
	char text[SIZE_TEXT_BYTES];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_string_equal(size_text(cases[i].bytes, text), cases[i].rounded);
		assert_string_equal(size_exact_text(cases[i].bytes, text), cases[i].exact);
		assert_string_equal(size_column_text(cases[i].bytes, text), cases[i].column);
	}
}

/* What is written exactly reads back, but for bytes, which a configuration does not know. */
static void reads_back(void **state)
{
	static const uint64_t sizes[] = {KIB,	     1023 * KIB, MIB,	    1025 * KIB,
					 1536 * MIB, 4 * GIB,	 TIB - GIB, 16777215 * TIB};
	char text[SIZE_TEXT_BYTES];
	uint64_t bytes;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_true(size_parse(size_exact_text(sizes[i], text), &bytes));
		assert_int_equal(bytes, sizes[i]);
	}
	assert_false(size_parse("1023 bytes", &bytes));
	assert_false(size_parse("16777216 TiB", &bytes)); /* 2^64 */
	assert_false(size_parse("MiB", &bytes));
	assert_false(size_parse("1  MiB", &bytes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

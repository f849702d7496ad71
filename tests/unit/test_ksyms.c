/* Looking up addresses in a small symbol table. Not the making of the table. */
/* links: kernel/log/ksyms.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/log/ksyms.h"

#define TEXT 0xffffffff80100000ull

const struct ksym ksyms_table[] = {
	{0x80100000, 1},  /* entry */
	{0x80100040, 7},  /* main */
	{0x80100041, 12}, /* halt */
	{0x80101000, 0},  /* end of text */
};
const uint32_t ksyms_count = 4;
const char ksyms_names[] = "\0entry\0main\0halt";

static void names_hold_their_functions(void **state)
{
	static const struct {
		uint64_t addr;
		const char *name;
		uint64_t offset;
	} cases[] = {
		{TEXT, "entry", 0},
		{TEXT + 0x3f, "entry", 0x3f},
		{TEXT + 0x40, "main", 0},
		{TEXT + 0x41, "halt", 0},
		{TEXT + 0xfff, "halt", 0xfbe},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t offset = UINT64_MAX;

		assert_string_equal(ksyms_lookup(cases[i].addr, &offset), cases[i].name);
		assert_int_equal(offset, cases[i].offset);
	}
}

static void addresses_outside_text_have_no_name(void **state)
{
	static const uint64_t cases[] = {0, TEXT - 1, TEXT + 0x1000, UINT64_MAX, 0x80100000};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t offset = 77;

		assert_null(ksyms_lookup(cases[i], &offset));
		assert_int_equal(offset, 77);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_hold_their_functions),
		cmocka_unit_test(addresses_outside_text_have_no_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

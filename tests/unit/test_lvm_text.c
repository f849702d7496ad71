/*
 * LVM2's metadata text: what LVM2 wrote comes back byte for byte, numbers and strings are
 * found, and text that is none is refused with its line.
 */
/* links: drivers/volume/lvm/text.c drivers/volume/lvm/print.c drivers/volume/lvm/disk.c */
/* links: kernel/lib/crc32.c tests/unit/lvm_image.c */
/* links: kernel/lib/sort.c tests/unit/fake_turns.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/lvm/text.h"
#include "tests/unit/lvm_image.h"

static char why[LVM_WHY_BYTES];

static struct lvm_text parse(const char *words)
{
	struct lvm_text text = {0};

	assert_int_equal(lvm_text_parse(&text, words, strlen(words), why), 0);
	return text;
}

static void what_lvm2_wrote_comes_back(void **state)
{
	struct lvm_text text = parse(lvm_image_text);
	struct lvm_node *group = lvm_text_find(&text.root, LVM_SECTION, "vg0");
	struct lvm_node top = {.first = group};
	const char *tail = strstr(lvm_image_text, "# Generated");
	size_t bytes = (size_t)(tail - lvm_image_text), printed;
	char *buf = malloc(bytes);

	(void)state;
	group->next = NULL;
	printed = lvm_text_print(&top, buf, bytes);
	assert_int_equal(printed, bytes);
	assert_memory_equal(buf, lvm_image_text, bytes);
	assert_int_equal(lvm_text_print(&top, buf, 10), bytes); /* fits or not */
	free(buf);
	lvm_text_free(&text);
}

static void values_are_found(void **state)
{
	struct lvm_text text =
		parse("a { n = 42 s=\"x \\\"y\\\" \\\\\" l = [ \"p\" , \"q\" ]\n"
		      "e = [] two = [1, 2] # n = 43\n big = 99999999999999999999 "
		      "neg = -1\n b{} }");
	const struct lvm_node *a = lvm_text_find(&text.root, LVM_SECTION, "a");
	uint64_t n;

	(void)state;
	assert_int_equal(lvm_text_number(a, "n", 100, &n), 0);
	assert_int_equal(n, 42);
	assert_int_equal(lvm_text_number(a, "n", 41, &n), -EINVAL);
	assert_int_equal(lvm_text_number(a, "m", 100, &n), -ENOENT);
	assert_int_equal(lvm_text_number(a, "s", 100, &n), -EINVAL);
	assert_int_equal(lvm_text_number(a, "two", 100, &n), -EINVAL);
	assert_int_equal(lvm_text_number(a, "big", UINT64_MAX, &n), -EINVAL);
	assert_int_equal(lvm_text_number(a, "neg", UINT64_MAX, &n), -EINVAL);
	assert_string_equal(lvm_text_string(a, "s"), "x \\\"y\\\" \\\\");
	assert_null(lvm_text_string(a, "n"));
	assert_true(lvm_text_lists(a, "l", "q"));
	assert_false(lvm_text_lists(a, "e", "q"));
	assert_int_equal(lvm_text_sections(a), 1);
	lvm_text_free(&text);
}

static void what_stands_behind_a_nul_does_not_count(void **state)
{
	static const char words[] = "a { }\0}}}";
	struct lvm_text text = {0};

	(void)state;
	assert_int_equal(lvm_text_parse(&text, words, sizeof(words), why), 0);
	lvm_text_free(&text);
}

static void built_trees_are_printed(void **state)
{
	struct lvm_text text = {0};
	struct lvm_node *a = lvm_text_section(&text, &text.root, "a");
	struct lvm_node *b = lvm_text_field(&text, a, "b");
	struct lvm_node *c = lvm_text_field(&text, a, "c");
	char buf[64] = "";

	(void)state;
	lvm_text_value(&text, b, LVM_NUMBER, "1");
	c->list = true;
	lvm_text_value(&text, c, LVM_STRING, "x");
	lvm_text_value(&text, c, LVM_NUMBER, "2");
	lvm_text_print(&text.root, buf, sizeof(buf) - 1);
	assert_string_equal(buf, "a {\nb = 1\nc = [\"x\", 2]\n}\n");
	lvm_text_remove(a, c);
	lvm_text_remove(a, c); /* once more is harmless */
	lvm_text_value(&text, lvm_text_field(&text, a, "d"), LVM_NUMBER, "3");
	lvm_text_remove(a, b);
	memset(buf, 0, sizeof(buf));
	lvm_text_print(&text.root, buf, sizeof(buf) - 1);
	assert_string_equal(buf, "a {\nd = 3\n}\n");
	lvm_text_free(&text);
}

static void what_is_no_metadata_is_refused(void **state)
{
	static const struct {
		const char *words, *why;
	} cases[] = {
		{"a {\n", "a section without an end in line 2"},
		{"a {\n}\n}", "a '}' that closes nothing in line 3"},
		{"a\n", "a name without '=' or '{' in line 2"},
		{"a = \n", "neither number nor string in line 2"},
		{"a = x", "neither number nor string in line 1"},
		{"a = 'x'", "neither number nor string in line 1"},
		{"a = [1 2]", "a list without an end in line 1"},
		{"a = [1,\n", "neither number nor string in line 2"},
		{"a = \"x", "a string without an end in line 1"},
		{"a = \"x\\", "a string without an end in line 1"},
		{"a = \"x\n\"", "a string without an end in line 1"},
		{"a = \"x\\\n\"", "a string without an end in line 1"},
		{"@ = 1", "a byte that belongs to no name in line 1"},
		{"= 1", "a byte that belongs to no name in line 1"},
		{"a{a{a{a{a{a{a{a{a{a{a{a{", "too many sections in each other in line 1"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lvm_text text = {0};

		assert_int_equal(
			lvm_text_parse(&text, cases[i].words, strlen(cases[i].words), why),
			-EINVAL);
		assert_non_null(strstr(why, cases[i].why));
		lvm_text_free(&text);
	}
}

static void too_many_words_are_refused(void **state)
{
	const size_t bytes = 2 * (LVM_TEXT_NODES_MAX + 8);
	char *words = malloc(bytes);
	struct lvm_text text = {0};

	(void)state;
	memcpy(words, "a = [", 5);
	for (size_t i = 5; i + 1 < bytes; i += 2)
		memcpy(words + i, "1,", 2);
	assert_int_equal(lvm_text_parse(&text, words, bytes - 1, why), -EINVAL);
	assert_non_null(strstr(why, "more than 262144 words"));
	lvm_text_free(&text);
	free(words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_lvm2_wrote_comes_back),
		cmocka_unit_test(values_are_found),
		cmocka_unit_test(what_stands_behind_a_nul_does_not_count),
		cmocka_unit_test(built_trees_are_printed),
		cmocka_unit_test(what_is_no_metadata_is_refused),
		cmocka_unit_test(too_many_words_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

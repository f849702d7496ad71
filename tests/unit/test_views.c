/*
 * Views and their tables: every member of every view is described once, and names and units
 * keep their rules. What writers make of them is test_view_writers'.
 */
/* links: guests/views/view.c guests/views/guest.c guests/views/machine.c */
/* links: guests/views/disks.c guests/views/networks.c guests/views/sink.c */
/* links: guests/views/escape.c guests/views/metrics.c kernel/lib/utf8.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "guests/views/metrics.h"

#define NAMES_MAX 512

static void each_table(const struct view_table *table, void (*fn)(const struct view_table *))
{
	fn(table);
	for (uint32_t i = 0; i < table->field_count; i++)
		if (table->fields[i].table)
			each_table(table->fields[i].table, fn);
}

static void all_tables(void (*fn)(const struct view_table *))
{
	for (const struct view_table *const *table = view_tables; *table; table++)
		each_table(*table, fn);
}

static const struct view_field *field_at(const struct view_table *table, uint32_t offset)
{
	const struct view_field *found = NULL;

	for (uint32_t i = 0; i < table->field_count; i++) {
		if (table->fields[i].offset != offset)
			continue;
		assert_null(found); /* once */
		found = &table->fields[i];
	}
	return found;
}

static uint32_t bytes_of(const struct view_field *field)
{
	switch (field->type) {
	case VIEW_U32: return 4;
	case VIEW_U64: return 8;
	case VIEW_COUNTS: return sizeof(struct view_count);
	case VIEW_ROWS: return field->table->bytes;
	default: return 1;
	}
}

/* Field by field from the struct's beginning to its end: none is left out, none is there twice,
 * and there is no gap. */
static void covers(const struct view_table *table)
{
	uint32_t at = 0, seen = 0;

	while (at < table->bytes) {
		const struct view_field *field = field_at(table, at);

		if (!field)
			fail_msg("%s: what is at offset %u is in no field", table->name, at);
		assert_int_equal(field->bytes % bytes_of(field), 0);
		if (field->type == VIEW_U32 || field->type == VIEW_U64)
			assert_int_equal(field->bytes, bytes_of(field));
		at += field->bytes;
		seen++;
	}
	assert_int_equal(at, table->bytes);
	assert_int_equal(seen, table->field_count);
}

static void test_every_member_is_described_once(void **state)
{
	(void)state;
	all_tables(covers);
}

static void is_consistent(const struct view_table *table)
{
	for (uint32_t i = 0; i < table->field_count; i++) {
		const struct view_field *f = &table->fields[i];
		bool array = f->type == VIEW_COUNTS || f->type == VIEW_ROWS;

		if (array && f->size_offset != VIEW_ALONE) {
			const struct view_field *size = field_at(table, f->size_offset);

			assert_non_null(size);
			assert_int_equal(size->kind, VIEW_SIZE);
			assert_int_equal(size->type, VIEW_U32);
		}
		if (f->type == VIEW_ROWS && f->size_offset == VIEW_ALONE)
			assert_int_equal(f->bytes, f->table->bytes);
		assert_int_equal(f->kind == VIEW_PART, f->type == VIEW_ROWS);
		assert_int_equal(f->kind == VIEW_STATE, f->words != NULL);
		assert_int_equal(f->kind == VIEW_LABEL || f->type == VIEW_COUNTS,
				 f->label != NULL);
		if (f->kind == VIEW_GAUGE)
			assert_true(f->type == VIEW_U32 || f->type == VIEW_U64);
		if (f->type == VIEW_TEXT)
			assert_true(f->kind <= VIEW_STATE);
		for (const char *const *word = f->words; word && *word; word++)
			assert_true(strlen(*word) < f->bytes);
	}
}

static void test_kinds_and_types_agree(void **state)
{
	(void)state;
	all_tables(is_consistent);
}

/* A sentence that any of the formats may hold as it is. */
static void is_sentence(const char *help)
{
	size_t length = strlen(help);

	assert_in_range(length, 5, 200);
	assert_true((help[0] >= 'A' && help[0] <= 'Z') || help[0] == '`');
	assert_int_equal(help[length - 1], '.');
	assert_null(strpbrk(help, "\\\n|\""));
}

static bool ends_or_begins(const char *name, const char *word)
{
	size_t length = strlen(name), bytes = strlen(word);

	return length >= bytes && (!strcmp(name + length - bytes, word) ||
				   (!strncmp(name, word, bytes) && name[bytes] == '_'));
}

static void is_described(const struct view_table *table)
{
	is_sentence(table->help);
	for (uint32_t i = 0; i < table->field_count; i++) {
		const struct view_field *f = &table->fields[i];
		static const char *const words[] = {
			[VIEW_BYTES] = "bytes",
			[VIEW_NS] = "ns",
			[VIEW_RATE] = "bytes_per_second",
		};

		if (f->kind == VIEW_SIZE)
			continue;
		is_sentence(f->help);
		for (unsigned unit = VIEW_BYTES; unit <= VIEW_NS; unit++)
			if (f->unit == unit)
				assert_true(ends_or_begins(f->name, words[unit]));
			else if (f->type == VIEW_U64 && f->unit != VIEW_RATE)
				assert_false(ends_or_begins(f->name, words[unit]));
	}
}

static void test_help_and_units(void **state)
{
	(void)state;
	all_tables(is_described);
}

static char names[NAMES_MAX][METRICS_NAME_BYTES];
static unsigned name_count;

static void has_names_of_its_own(const struct view_table *table)
{
	bool informed = false;

	for (uint32_t i = 0; i < table->field_count; i++) {
		const struct view_field *f = &table->fields[i];
		bool info = f->kind == VIEW_INFO;

		if (!metrics_name(table, f, names[name_count]) || (info && informed))
			continue;
		informed |= info;
		assert_true(strlen(names[name_count]) < METRICS_NAME_BYTES - 1);
		for (unsigned n = 0; n < name_count; n++)
			assert_string_not_equal(names[n], names[name_count]);
		assert_true(++name_count < NAMES_MAX);
	}
}

static void test_families_have_names_of_their_own(void **state)
{
	(void)state;
	all_tables(has_names_of_its_own);
	assert_true(name_count > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_member_is_described_once),
		cmocka_unit_test(test_kinds_and_types_agree),
		cmocka_unit_test(test_help_and_units),
		cmocka_unit_test(test_families_have_names_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

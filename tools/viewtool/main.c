/*
 * What the writers of guests/views make of sample views, on the build machine:
 *
 *     viewtool json|metrics|words [hostile]    all tables, two rows each where a label tells
 * them apart viewtool names                           each field: path, type, unit, metric
 *     viewtool docs                            the tables of docs/counters.md
 *
 * The samples are made by walking the tables, so that no field is forgotten: numbers are all
 * different, beginning at the largest there is; with `hostile`, texts are what a disk or a
 * guest could say to mislead who reads them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/views/json.h"
#include "guests/views/metrics.h"
#include "guests/views/rows.h"
#include "guests/views/words.h"

#define TABLES_MAX 32
#define ROWS	   2
#define ELEMENTS   2 /* of an array */

static const char *const hostile_texts[] = {
	"\"} 1\nbulkhead_evil 2",
	"\\",
	"end\xff\xfe\x80",
	"\x1b[2J\x07\x7f",
	"</script>\t\r\n\"\\\"\\\\n",
	"",
	"\xc3\xa4\xe2\x82\xac",
	"\xf0\x9f\x92\xa5\xed\xa0\x80",
};

static bool hostile;
static uint64_t next_number = UINT64_MAX;
static unsigned next_text;

/* ---- samples ----------------------------------------------------------------------------- */

static void set_text(char *to, size_t bytes)
{
	unsigned n = next_text++;

	/* Labels must tell rows apart, whatever else is in them. */
	if (hostile)
		snprintf(to, bytes, "%u%s", n, hostile_texts[n % ARRAY_SIZE(hostile_texts)]);
	else
		snprintf(to, bytes, "text-%u", n);
}

static void set_number(const struct view_field *field, uint8_t *row)
{
	uint64_t value = next_number--;
	uint32_t low;

	if (field->unit == VIEW_FLAG)
		value %= 2;
	low = (uint32_t)value;
	if (field->type == VIEW_U32)
		memcpy(row + field->offset, &low, sizeof low);
	else
		memcpy(row + field->offset, &value, sizeof value);
}

static void set_elements(const struct view_field *field, uint8_t *row)
{
	uint32_t elements = ELEMENTS;

	if (field->size_offset != VIEW_ALONE)
		memcpy(row + field->size_offset, &elements, sizeof elements);
}

static void fill(const struct view_table *table, uint8_t *row)
{
	for (uint32_t i = 0; i < table->field_count; i++) {
		const struct view_field *f = &table->fields[i];
		struct view_count *counts = (void *)(row + f->offset);

		if (f->kind == VIEW_SIZE)
			continue;
		if (f->type == VIEW_COUNTS || f->type == VIEW_ROWS)
			set_elements(f, row);
		switch (f->type) {
		case VIEW_TEXT:
			if (f->kind == VIEW_STATE)
				snprintf((char *)row + f->offset, f->bytes, "%s",
					 f->words[next_text++ % 2]);
			else
				set_text((char *)row + f->offset, f->bytes);
			break;
		case VIEW_COUNTS:
			for (uint32_t n = 0; n < view_elements(f, row); n++) {
				set_text(counts[n].name, sizeof counts[n].name);
				counts[n].count = next_number--;
			}
			break;
		case VIEW_ROWS:
			for (uint32_t n = 0; n < view_elements(f, row); n++)
				fill(f->table, row + f->offset + (size_t)n * f->table->bytes);
			break;
		default: set_number(f, row);
		}
	}
}

/* Rows that nothing tells apart could not be metrics of their own. */
static bool has_label(const struct view_table *table)
{
	for (uint32_t i = 0; i < table->field_count; i++)
		if (table->fields[i].kind == VIEW_LABEL)
			return true;
	return false;
}

static struct view_rows sample(const struct view_table *table)
{
	struct view_rows rows = view_rows(table);
	uint8_t *row = malloc(table->bytes);

	for (unsigned i = 0; row && i < (has_label(table) ? ROWS : 1); i++) {
		memset(row, 0, table->bytes);
		fill(table, row);
		view_rows_add(&rows, row);
	}
	free(row);
	return rows;
}

/* ---- descriptions ------------------------------------------------------------------------ */

static const char *const kind_names[] = {
	[VIEW_LABEL] = "label", [VIEW_INFO] = "information", [VIEW_NOTE] = "note",
	[VIEW_STATE] = "state", [VIEW_GAUGE] = "gauge",	     [VIEW_COUNTER] = "counter",
	[VIEW_PART] = "rows",
};
static const char *const unit_names[] = {
	[VIEW_NONE] = "", [VIEW_FLAG] = "yes or no",	    [VIEW_BYTES] = "bytes",
	[VIEW_NS] = "ns", [VIEW_RATE] = "bytes per second",
};

static void print_names(const struct view_table *table, const char *path)
{
	char name[METRICS_NAME_BYTES], below[128];

	for (uint32_t i = 0; i < table->field_count; i++) {
		const struct view_field *f = &table->fields[i];

		if (f->kind == VIEW_SIZE)
			continue;
		printf("%s.%s|%s|%s|%s\n", path, f->name, kind_names[f->kind],
		       unit_names[f->unit], metrics_name(table, f, name) ? name : "");
		if (f->kind != VIEW_PART)
			continue;
		snprintf(below, sizeof below, "%s.%s", path, f->name);
		print_names(f->table, below);
	}
}

static void print_state(const struct view_field *field)
{
	printf(" One of");
	for (const char *const *word = field->words; *word; word++)
		printf("%s `%s`", word == field->words ? "" : ",", *word);
	printf(".");
}

static void print_table(const struct view_table *table, const char *path)
{
	char name[METRICS_NAME_BYTES], below[128];

	printf("\n### %s\n\n%s\n\n| field | kind | unit | | metric |\n|---|---|---|---|---|\n",
	       path, table->help);
	for (uint32_t i = 0; i < table->field_count; i++) {
		const struct view_field *f = &table->fields[i];
		bool metric = metrics_name(table, f, name);

		if (f->kind == VIEW_SIZE)
			continue;
		printf("| `%s` | %s | %s | %s", f->name, kind_names[f->kind],
		       unit_names[f->unit], f->help);
		if (f->kind == VIEW_STATE)
			print_state(f);
		if (f->label)
			printf(" %s `%s`.", f->kind == VIEW_LABEL ? "Label" : "By the label",
			       f->label);
		printf(" | %s%s%s |\n", metric ? "`" : "", metric ? name : "",
		       metric ? "`" : "");
	}
	for (uint32_t i = 0; i < table->field_count; i++) {
		if (table->fields[i].kind != VIEW_PART)
			continue;
		snprintf(below, sizeof below, "%s.%s", path, table->fields[i].name);
		print_table(table->fields[i].table, below);
	}
}

/* ---- the program ------------------------------------------------------------------------- */

static int print(void *arg, const char *text, size_t bytes)
{
	(void)arg;
	return fwrite(text, 1, bytes, stdout) == bytes ? 0 : -1;
}

static void each_table(void (*fn)(const struct view_table *table, const char *path))
{
	for (const struct view_table *const *table = view_tables; *table; table++)
		fn(*table, (*table)->name);
}

static int write_samples(const char *how)
{
	const struct view_rows *lists[TABLES_MAX];
	struct view_rows rows[TABLES_MAX];
	struct sink to = {.write = print};
	unsigned count = 0;

	for (; view_tables[count]; count++) {
		rows[count] = sample(view_tables[count]);
		lists[count] = &rows[count];
	}
	if (!strcmp(how, "json"))
		json_write(&to, lists, count);
	else if (!strcmp(how, "metrics"))
		metrics_write(&to, lists, count);
	else
		for (unsigned l = 0; l < count; l++)
			for (uint32_t i = 0; i < rows[l].count; i++)
				words_write(&to, view_tables[l]->name, view_tables[l],
					    rows[l].rows[i]);
	while (count)
		view_rows_free(&rows[--count]);
	return to.error != 0;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";

	hostile = argc > 2 && !strcmp(argv[2], "hostile");
	if (!strcmp(how, "names"))
		each_table(print_names);
	else if (!strcmp(how, "docs"))
		each_table(print_table);
	else if (!strcmp(how, "json") || !strcmp(how, "metrics") || !strcmp(how, "words"))
		return write_samples(how);
	else
		return fprintf(stderr, "usage: viewtool json|metrics|words|names|docs\n"), 2;
	return 0;
}

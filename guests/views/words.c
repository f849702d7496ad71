/* Words from tables. */
#include "guests/views/words.h"

#include <stdio.h>
#include <string.h>

typedef unsigned long long ull;

static const void *at(const struct view_field *field, const void *row, uint32_t element)
{
	return (const uint8_t *)row + field->offset + (size_t)element * field->table->bytes;
}

static void counts(struct sink *to, const struct view_field *field, const void *row)
{
	const struct view_count *count = (const void *)((const uint8_t *)row + field->offset);

	for (uint32_t i = 0; i < view_elements(field, row); i++)
		if (count[i].count)
			sink_print(to, " %s.%.*s=%llu", field->name,
				   (int)strnlen(count[i].name, sizeof count[i].name),
				   count[i].name, (ull)count[i].count);
}

/* `group` is "" or "balloon.". */
static void fields(struct sink *to, const char *group, const struct view_table *table,
		   const void *row)
{
	for (uint32_t i = 0; i < table->field_count; i++) {
		const struct view_field *field = &table->fields[i];
		bool number = field->type == VIEW_U32 || field->type == VIEW_U64;

		if (field->type == VIEW_COUNTS)
			counts(to, field, row);
		else if (number && field->kind != VIEW_SIZE)
			sink_print(to, " %s%s=%llu", group,
				   field->kind == VIEW_LABEL ? field->label : field->name,
				   (ull)view_number(field, row));
		else if (field->kind == VIEW_STATE)
			sink_print(
				to, " %s%s=%.*s", group, field->name,
				(int)strnlen((const char *)row + field->offset, field->bytes),
				(const char *)row + field->offset);
	}
}

static void line(struct sink *to, const char *prefix, const struct view_table *table,
		 const void *row)
{
	char group[32];

	sink_text(to, prefix);
	fields(to, "", table, row);
	for (uint32_t i = 0; i < table->field_count; i++) {
		const struct view_field *field = &table->fields[i];

		if (field->type != VIEW_ROWS || field->size_offset != VIEW_ALONE)
			continue;
		snprintf(group, sizeof group, "%s.", field->name);
		fields(to, group, field->table, at(field, row, 0));
	}
	sink_text(to, "\n");
}

void words_write(struct sink *to, const char *prefix, const struct view_table *table,
		 const void *row)
{
	line(to, prefix, table, row);
	for (uint32_t i = 0; i < table->field_count; i++) {
		const struct view_field *field = &table->fields[i];

		if (field->type != VIEW_ROWS || field->size_offset == VIEW_ALONE)
			continue;
		for (uint32_t n = 0; n < view_elements(field, row); n++)
			words_write(to, prefix, field->table, at(field, row, n));
	}
}

/* JSON from tables. Depth is the tables', so recursion has an end. */
#include "guests/views/json.h"

#include <stdio.h>
#include <string.h>

#include "guests/views/escape.h"

/* What must be escaped in a string: RFC 8259, section 7. DEL may be as it is, but is no more
 * use to anyone than the others. */
static const char *escape(char c, char buf[8])
{
	if (c != '"' && c != '\\' && (uint8_t)c >= ' ' && c != 0x7f)
		return NULL;
	if (c == '"' || c == '\\')
		snprintf(buf, 8, "\\%c", c);
	else
		snprintf(buf, 8, "\\u%04x", (unsigned)(uint8_t)c);
	return buf;
}

static void string(struct sink *to, const char *text, size_t bytes)
{
	sink_text(to, "\"");
	escape_write(to, text, bytes, escape);
	sink_text(to, "\"");
}

/* Begins an element or member; `*first` is for it to know whether another was before. */
static void begin(struct sink *to, unsigned depth, bool *first)
{
	sink_print(to, "%s\n%*s", *first ? "" : ",", (int)depth * 2, "");
	*first = false;
}

static void end(struct sink *to, unsigned depth, bool empty, const char *bracket)
{
	if (!empty)
		sink_print(to, "\n%*s", (int)depth * 2, "");
	sink_text(to, bracket);
}

static void counts(struct sink *to, const struct view_field *field, const void *row,
		   unsigned depth)
{
	const struct view_count *at = (const void *)((const uint8_t *)row + field->offset);
	bool first = true;

	sink_text(to, "{");
	for (uint32_t i = 0; i < view_elements(field, row); i++) {
		begin(to, depth + 1, &first);
		string(to, at[i].name, strnlen(at[i].name, sizeof at[i].name));
		sink_print(to, ": %llu", (unsigned long long)at[i].count);
	}
	end(to, depth, first, "}");
}

static void object(struct sink *to, const struct view_table *table, const void *row,
		   unsigned depth);

static void part(struct sink *to, const struct view_field *field, const void *row,
		 unsigned depth)
{
	const uint8_t *at = (const uint8_t *)row + field->offset;
	bool first = true;

	if (field->size_offset == VIEW_ALONE) {
		object(to, field->table, at, depth);
		return;
	}
	sink_text(to, "[");
	for (uint32_t i = 0; i < view_elements(field, row); i++) {
		begin(to, depth + 1, &first);
		object(to, field->table, at + (size_t)i * field->table->bytes, depth + 1);
	}
	end(to, depth, first, "]");
}

static void value(struct sink *to, const struct view_field *field, const void *row,
		  unsigned depth)
{
	const char *text;
	size_t bytes;

	switch (field->type) {
	case VIEW_TEXT:
		text = view_text(field, row, &bytes);
		string(to, text, bytes);
		break;
	case VIEW_COUNTS: counts(to, field, row, depth); break;
	case VIEW_ROWS: part(to, field, row, depth); break;
	default:
		if (field->unit == VIEW_FLAG)
			sink_text(to, view_number(field, row) ? "true" : "false");
		else
			sink_print(to, "%llu", (unsigned long long)view_number(field, row));
	}
}

static void object(struct sink *to, const struct view_table *table, const void *row,
		   unsigned depth)
{
	bool first = true;

	sink_text(to, "{");
	for (uint32_t i = 0; i < table->field_count; i++) {
		const struct view_field *field = &table->fields[i];

		if (field->kind == VIEW_SIZE)
			continue;
		begin(to, depth + 1, &first);
		sink_print(to, "\"%s\": ", field->name);
		value(to, field, row, depth + 1);
	}
	end(to, depth, first, "}");
}

void json_write(struct sink *to, const struct view_rows *const *lists, unsigned count)
{
	bool first = true, incomplete = false, none;

	sink_text(to, "{");
	for (unsigned l = 0; l < count; l++) {
		begin(to, 1, &first);
		sink_print(to, "\"%s\": [", lists[l]->table->name);
		none = true;
		incomplete |= lists[l]->error != 0;
		for (uint32_t i = 0; i < lists[l]->count; i++) {
			begin(to, 2, &none);
			object(to, lists[l]->table, lists[l]->rows[i], 2);
		}
		end(to, 1, none, "]");
	}
	if (incomplete) {
		begin(to, 1, &first);
		sink_text(to, "\"incomplete\": true");
	}
	end(to, 0, first, "}");
	sink_text(to, "\n");
}

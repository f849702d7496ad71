/* Reading a view by its table. */
#include "guests/views/view.h"

#include <stdio.h>
#include <string.h>

static uint32_t number32(const void *row, uint32_t offset)
{
	uint32_t value;

	memcpy(&value, (const uint8_t *)row + offset, sizeof value);
	return value;
}

static uint32_t element_bytes(const struct view_field *field)
{
	return field->type == VIEW_ROWS ? field->table->bytes : sizeof(struct view_count);
}

uint32_t view_elements(const struct view_field *field, const void *row)
{
	uint32_t room = field->bytes / element_bytes(field);

	if (field->size_offset == VIEW_ALONE)
		return room;
	return MIN(number32(row, field->size_offset), room);
}

uint64_t view_number(const struct view_field *field, const void *row)
{
	uint64_t value;

	if (field->type == VIEW_U32)
		return number32(row, field->offset);
	memcpy(&value, (const uint8_t *)row + field->offset, sizeof value);
	return value;
}

const char *view_text(const struct view_field *field, const void *row, size_t *bytes)
{
	const char *text = (const char *)row + field->offset;

	*bytes = strnlen(text, field->bytes);
	return text;
}

uint32_t view_used_bytes(const struct view_table *table, const void *row)
{
	const struct view_field *last = table->fields;
	size_t bytes;

	for (uint32_t i = 1; i < table->field_count; i++)
		if (table->fields[i].offset > last->offset)
			last = &table->fields[i];
	switch (last->type) {
	case VIEW_TEXT:
		view_text(last, row, &bytes);
		return last->offset + MIN((uint32_t)bytes + 1, last->bytes);
	case VIEW_COUNTS:
	case VIEW_ROWS: return last->offset + view_elements(last, row) * element_bytes(last);
	default: return table->bytes;
	}
}

void view_set_mac(char text[VIEW_MAC_BYTES], const uint8_t mac[6])
{
	snprintf(text, VIEW_MAC_BYTES, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
}

void view_set_count(struct view_count *at, const char *name, uint64_t count)
{
	snprintf(at->name, sizeof at->name, "%s", name);
	at->count = count;
}

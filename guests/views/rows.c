/* A list of views that grows; rows take the memory that they use. */
#include "guests/views/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_FIRST 8

struct view_rows view_rows(const struct view_table *table)
{
	return (struct view_rows){.table = table};
}

static int reserve(struct view_rows *rows)
{
	uint32_t more = rows->capacity ? 2 * rows->capacity : CAPACITY_FIRST;
	void **at;

	if (rows->count < rows->capacity)
		return 0;
	if (rows->count >= VIEW_ROWS_MAX)
		return -E2BIG;
	at = realloc(rows->rows, more * sizeof *at);
	if (!at)
		return -ENOMEM;
	rows->rows = at;
	rows->capacity = more;
	return 0;
}

void view_rows_add(struct view_rows *rows, const void *row)
{
	uint32_t bytes = view_used_bytes(rows->table, row);
	int err = reserve(rows);
	void *copy = err ? NULL : malloc(bytes);

	if (!copy) {
		rows->error = err ? err : -ENOMEM;
		return;
	}
	memcpy(copy, row, bytes);
	rows->rows[rows->count++] = copy;
}

void view_rows_free(struct view_rows *rows)
{
	for (uint32_t i = 0; i < rows->count; i++)
		free(rows->rows[i]);
	free(rows->rows);
	*rows = view_rows(rows->table);
}

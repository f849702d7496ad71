/* Rows of one table, as somebody collected them. */
#ifndef GUESTS_VIEWS_ROWS_H
#define GUESTS_VIEWS_ROWS_H

#include "guests/views/view.h"

#define VIEW_ROWS_MAX 16384 /* what strangers wrote to disks may be listed in them */

struct view_rows {
	const struct view_table *table;
	uint32_t count, capacity;
	int error;   /* -ENOMEM, or -E2BIG: some rows are left out */
	void **rows; /* each only as long as view_used_bytes() says */
};

/* An empty one for rows of this table. */
struct view_rows view_rows(const struct view_table *table);
/* Copies `row`, a view of the table; or notes in `error` that it could not. Uses malloc. */
void view_rows_add(struct view_rows *rows, const void *row);
void view_rows_free(struct view_rows *rows);

#endif

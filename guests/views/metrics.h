/* Views as metrics, in Prometheus' text exposition format, version 0.0.4. */
#ifndef GUESTS_VIEWS_METRICS_H
#define GUESTS_VIEWS_METRICS_H

#include "guests/views/rows.h"
#include "guests/views/sink.h"

/*
 * Writes the rows' metrics, each family once, with all its samples behind its HELP and TYPE.
 * Each list is of another table. A family is "bulkhead_", the table's `metric`, the field's
 * name without its unit, the unit in seconds or bytes, and "total" for counters. Seconds have
 * nine digits behind the point, so that no nanosecond is lost. A state has a sample for each
 * that it may be, 0 or 1; a table's information is labels of one "..._info". Notes are left
 * out, and so are tables without a `metric`.
 */
void metrics_write(struct sink *to, const struct view_rows *const *lists, unsigned count);

/* A family's name. False: the field has none. */
#define METRICS_NAME_BYTES 96
bool metrics_name(const struct view_table *table, const struct view_field *field,
		  char name[METRICS_NAME_BYTES]);

#endif

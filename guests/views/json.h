/* Views as JSON (RFC 8259). */
#ifndef GUESTS_VIEWS_JSON_H
#define GUESTS_VIEWS_JSON_H

#include "guests/views/rows.h"
#include "guests/views/sink.h"

/*
 * Writes one object with a member for each of `lists`: its table's name, and an array of its
 * rows. Fields are members by their names; flags are true or false, numbers are whole and
 * exact (to 64 bits, which is more than an IEEE 754 double has), named counters are an object.
 * Where a list has an error, a last member "incomplete" is true. One member a line, ended by a
 * line feed. Nothing is kept but the place in the tables.
 */
void json_write(struct sink *to, const struct view_rows *const *lists, unsigned count);

#endif

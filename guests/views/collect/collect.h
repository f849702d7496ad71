/*
 * Who reads guests and the machine into views. Each function adds rows of its own table to a
 * list. Thread context, no lock held; may sleep. They change nothing.
 */
#ifndef GUESTS_VIEWS_COLLECT_COLLECT_H
#define GUESTS_VIEWS_COLLECT_COLLECT_H

#include "guests/views/rows.h"

struct guest;

struct collector {
	const struct view_table *table;
	void (*collect)(struct view_rows *rows);
	bool reads_disks; /* which may take as long as disks do */
};

/* One for each of view_tables; ends with a table of NULL. */
extern const struct collector collectors[];
/* The collector of the table with that name; NULL: there is none. */
const struct collector *collector_find(const char *name);

/* The rows of a table that has a collector; to be freed. */
struct view_rows collect(const struct view_table *table);
/* One guest, as the only row. */
struct view_rows collect_guest(struct guest *guest);

/* The collectors. */
void collect_machine(struct view_rows *rows);
void collect_cpus(struct view_rows *rows);
void collect_memory(struct view_rows *rows);
void collect_log(struct view_rows *rows); /* the newest 64 KiB, oldest first */
void collect_previous_log(struct view_rows *rows);
void collect_guests(struct view_rows *rows);
void collect_disks(struct view_rows *rows);
void collect_sources(struct view_rows *rows);
void collect_groups(struct view_rows *rows);
void collect_strays(struct view_rows *rows);
void collect_nics(struct view_rows *rows);
void collect_networks(struct view_rows *rows);
void collect_ports(struct view_rows *rows);
void collect_stations(struct view_rows *rows);

#endif

/* The list of collectors, and guests' views. */
#include "guests/views/collect/collect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guests/guest/snapshot.h"
#include "guests/views/disks.h"
#include "guests/views/machine.h"
#include "guests/views/networks.h"

const struct collector collectors[] = {
	{&machine_table, collect_machine, false},
	{&cpu_table, collect_cpus, false},
	{&memory_table, collect_memory, false},
	{&guest_table, collect_guests, false},
	{&disk_table, collect_disks, false},
	{&source_table, collect_sources, true},
	{&group_table, collect_groups, true},
	{&stray_table, collect_strays, true},
	{&nic_table, collect_nics, false},
	{&network_table, collect_networks, false},
	{&port_table, collect_ports, false},
	{&station_table, collect_stations, false},
	{&log_table, collect_log, false},
	{&previous_log_table, collect_previous_log, false},
	{NULL, NULL, false},
};

const struct collector *collector_find(const char *name)
{
	for (const struct collector *c = collectors; c->table; c++)
		if (!strcmp(c->table->name, name))
			return c;
	return NULL;
}

struct view_rows collect(const struct view_table *table)
{
	struct view_rows rows = view_rows(table);

	for (const struct collector *c = collectors; c->table; c++)
		if (c->table == table)
			c->collect(&rows);
	return rows;
}

struct view_rows collect_guest(struct guest *guest)
{
	struct view_rows rows = view_rows(&guest_table);
	struct guest_view *view = malloc(sizeof *view);

	if (!view) {
		rows.error = -ENOMEM;
		return rows;
	}
	guest_get_info(guest, view);
	view_rows_add(&rows, view);
	free(view);
	return rows;
}

void collect_guests(struct view_rows *rows)
{
	struct guest_view *view = malloc(sizeof *view);

	if (!view) {
		rows->error = -ENOMEM;
		return;
	}
	for (struct guest *guest = guest_next(NULL); guest; guest = guest_next(guest)) {
		guest_get_info(guest, view);
		view_rows_add(rows, view);
	}
	free(view);
}

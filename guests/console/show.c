/* From collected views to reports and writers. */
#include "guests/console/show.h"

#include <stdio.h>

#include "guests/console/report.h"
#include "guests/console/report_devices.h"
#include "guests/console/report_networks.h"
#include "guests/views/collect/collect.h"
#include "guests/views/disks.h"
#include "guests/views/guest.h"
#include "guests/views/json.h"
#include "guests/views/machine.h"
#include "guests/views/metrics.h"
#include "guests/views/networks.h"
#include "guests/views/words.h"
#include "kernel/log/blackbox.h"

/* Says what is missing in what was shown, and frees it. */
static void done(struct sink *to, struct view_rows *rows)
{
	if (rows->error)
		sink_print(to, "There is no memory to show all: some of %s is left out.\n",
			   rows->table->name);
	view_rows_free(rows);
}

void show_list(struct sink *to)
{
	struct view_rows guests = collect(&guest_table);

	report_list(to, &guests);
	done(to, &guests);
}

void show_guest(struct sink *to, struct guest *guest)
{
	struct view_rows guests = collect_guest(guest);

	if (guests.count)
		report_guest(to, guests.rows[0]);
	done(to, &guests);
}

void show_counters(struct sink *to, struct guest *guest)
{
	struct view_rows guests = collect_guest(guest);
	char prefix[VIEW_NAME_BYTES + 16];

	if (guests.count) {
		snprintf(prefix, sizeof prefix, "counters %s",
			 ((const struct guest_view *)guests.rows[0])->name);
		words_write(to, prefix, &guest_table, guests.rows[0]);
	}
	done(to, &guests);
}

void show_cpus(struct sink *to)
{
	struct view_rows cpus = collect(&cpu_table), guests = collect(&guest_table);

	report_cpus(to, &cpus, &guests);
	done(to, &cpus);
	done(to, &guests);
}

void show_memory(struct sink *to)
{
	struct view_rows memory = collect(&memory_table), guests = collect(&guest_table);

	report_memory(to, &memory, &guests);
	done(to, &memory);
	done(to, &guests);
}

void show_log(struct sink *to, unsigned lines)
{
	struct view_rows log = collect(&log_table);

	report_log(to, &log, lines);
	done(to, &log);
}

void show_previous_log(struct sink *to)
{
	struct view_rows log = collect(&previous_log_table);
	const char *text;
	bool damaged;

	(void)blackbox_previous(&text, &damaged);
	if (log.count)
		report_log(to, &log, log.count);
	if (damaged)
		sink_text(to, "-- what came then is damaged --\n");
	else if (!log.count && !log.error)
		sink_text(to, "There is none: power came with this run, or this machine clears "
			      "its memory at a reset.\n");
	done(to, &log);
}

void show_disks(struct sink *to)
{
	struct view_rows disks = collect(&disk_table), sources = collect(&source_table);

	report_disks(to, &disks, &sources);
	done(to, &disks);
	done(to, &sources);
}

void show_networks(struct sink *to)
{
	struct view_rows nics = collect(&nic_table), networks = collect(&network_table),
			 ports = collect(&port_table);

	report_networks(to, &nics, &networks, &ports);
	done(to, &nics);
	done(to, &networks);
	done(to, &ports);
}

void show_stations(struct sink *to)
{
	struct view_rows networks = collect(&network_table), stations = collect(&station_table);

	report_stations(to, &networks, &stations);
	done(to, &networks);
	done(to, &stations);
}

void show_machine(struct sink *to)
{
	struct view_rows machine = collect(&machine_table);

	if (machine.count)
		report_machine(to, machine.rows[0]);
	done(to, &machine);
}

/* One list after the other, so that no more than one is in memory. What is left out is said as
 * the format says comments. */
void show_metrics(struct sink *to)
{
	for (const struct collector *c = collectors; c->table; c++) {
		struct view_rows rows;
		const struct view_rows *list = &rows;

		if (!c->table->metric || c->reads_disks)
			continue;
		rows = collect(c->table);
		metrics_write(to, &list, 1);
		if (rows.error)
			sink_print(to, "# no memory: some of %s is left out\n", c->table->name);
		view_rows_free(&rows);
	}
}

bool show_json_waits(const char *what)
{
	const struct collector *c = what ? collector_find(what) : NULL;

	return c && c->reads_disks;
}

void show_json(struct sink *to, const char *what)
{
	const struct collector *c = what ? collector_find(what) : NULL;
	struct view_rows rows;
	const struct view_rows *list = &rows;

	if (!c) {
		sink_text(to, "json takes one of:");
		for (c = collectors; c->table; c++)
			sink_print(to, " %s", c->table->name);
		sink_text(to, ".\n");
		return;
	}
	rows = collect(c->table);
	json_write(to, &list, 1);
	view_rows_free(&rows);
}

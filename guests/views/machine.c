/* What the machine's own views hold, and the list of all tables. docs/counters.md is made of
 * it. */
#include "guests/views/machine.h"

#include "guests/views/disks.h"
#include "guests/views/guest.h"
#include "guests/views/networks.h"

#define GAUGE(member, unit, help)   VIEW_FIELD(VIEW, member, VIEW_GAUGE, unit, help)
#define COUNTER(member, unit, help) VIEW_FIELD(VIEW, member, VIEW_COUNTER, unit, help)
#define INFO(member, help)	    VIEW_FIELD(VIEW, member, VIEW_INFO, VIEW_NONE, help)

#define VIEW			    machine_view
static const struct view_field machine_fields[] = {
	INFO(version, "What version of Bulkhead this is."),
	INFO(build,
	     "The commit it was built from, with `+` where the sources were changed since; "
	     "empty where that is not known."),
	INFO(backend, "How guests are run, SVM or VMX; empty where they can't be."),
	INFO(cpu_model, "What the first CPU calls itself."),
	GAUGE(cpus, VIEW_NONE, "CPUs that came up."),
	GAUGE(uptime_ns, VIEW_NS, "Time since the machine was started."),
};
const struct view_table machine_table =
	VIEW_TABLE(VIEW, "machine", "machine", machine_fields, "The machine; one row.");

#undef VIEW
#define VIEW cpu_view
static const struct view_field cpu_fields[] = {
	VIEW_NAMED(VIEW, id, "cpu", "Number of the CPU."),
	GAUGE(apic_id, VIEW_NONE, "Its local APIC ID."),
	GAUGE(housekeeping, VIEW_FLAG, "Whether it does the hypervisor's own work."),
	COUNTER(interrupts, VIEW_NONE, "Interrupts that it took."),
	COUNTER(ipis, VIEW_NONE, "Of these, those that other CPUs sent."),
};
const struct view_table cpu_table =
	VIEW_TABLE(VIEW, "cpus", "cpu", cpu_fields, "A CPU of the machine.");

#undef VIEW
#define VIEW memory_view
static const struct view_field memory_fields[] = {
	VIEW_NAMED(VIEW, pool, "pool",
		   "`hypervisor`, which it allocates from, or `guests`, whose memory it is."),
	GAUGE(total_bytes, VIEW_BYTES, "Size."),
	GAUGE(free_bytes, VIEW_BYTES, "What nobody has."),
};
const struct view_table memory_table =
	VIEW_TABLE(VIEW, "memory", "memory", memory_fields, "A pool of the machine's memory.");

#undef VIEW
#define VIEW log_view
static const struct view_field log_fields[] = {
	VIEW_FIELD(
		VIEW, line, VIEW_NOTE, VIEW_NONE,
		"Time of day (UTC), seconds since the start, what speaks, and what it says."),
};
const struct view_table log_table =
	VIEW_TABLE(VIEW, "log", NULL, log_fields, "A line of the log.");

const struct view_table previous_log_table =
	VIEW_TABLE(VIEW, "previous_log", NULL, log_fields,
		   "A line of the log of the run before the last reset, where memory kept it.");

const struct view_table *const view_tables[] = {
	&machine_table, &cpu_table,	&memory_table, &guest_table,	    &disk_table,
	&source_table,	&group_table,	&stray_table,  &nic_table,	    &network_table,
	&port_table,	&station_table, &log_table,    &previous_log_table, NULL,
};

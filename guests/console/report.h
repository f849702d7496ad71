/*
 * How guests and the machine are, in words and columns for people. Made of views alone, and
 * written to any sink: nothing here knows where the values come from, or a terminal.
 */
#ifndef GUESTS_CONSOLE_REPORT_H
#define GUESTS_CONSOLE_REPORT_H

#include "guests/views/rows.h"
#include "guests/views/sink.h"

struct guest_view;
struct machine_view;

/* Each list is of the table that its name says. */
void report_machine(struct sink *to, const struct machine_view *machine);
void report_list(struct sink *to, const struct view_rows *guests);
void report_guest(struct sink *to, const struct guest_view *guest);
/* The CPUs with the vCPUs that ran there last. */
void report_cpus(struct sink *to, const struct view_rows *cpus, const struct view_rows *guests);
void report_memory(struct sink *to, const struct view_rows *memory,
		   const struct view_rows *guests);
/* The last `lines` of the log. */
void report_log(struct sink *to, const struct view_rows *log, unsigned lines);

#endif

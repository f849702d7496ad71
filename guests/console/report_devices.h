/* Disks and NICs of guests, and the machine's disks, for people. Part of report.h's. */
#ifndef GUESTS_CONSOLE_REPORT_DEVICES_H
#define GUESTS_CONSOLE_REPORT_DEVICES_H

#include "guests/views/rows.h"
#include "guests/views/sink.h"

struct guest_view;

void report_guest_devices(struct sink *to, const struct guest_view *guest);
/* The disks with their counters, and what can be a guest's disk, with who has it. */
void report_disks(struct sink *to, const struct view_rows *disks,
		  const struct view_rows *sources);

#endif

/* NICs, networks and their ports for people. Part of report.h's. */
#ifndef GUESTS_CONSOLE_REPORT_NETWORKS_H
#define GUESTS_CONSOLE_REPORT_NETWORKS_H

#include "guests/views/rows.h"
#include "guests/views/sink.h"

void report_networks(struct sink *to, const struct view_rows *nics,
		     const struct view_rows *networks, const struct view_rows *ports);
/* Learned addresses. */
void report_stations(struct sink *to, const struct view_rows *networks,
		     const struct view_rows *stations);

#endif

/*
 * What the console can show: collects views and has them written. The sink is whoever's asks,
 * and nothing is kept. Thread context; may sleep as long as the sink, and for what reads disks.
 */
#ifndef GUESTS_CONSOLE_SHOW_H
#define GUESTS_CONSOLE_SHOW_H

#include "guests/views/sink.h"

struct guest;

void show_list(struct sink *to);
void show_guest(struct sink *to, struct guest *guest);
/* The same for programs: a line for the guest and one for each vCPU and device, "counters NAME"
 * and then words KEY=VALUE. */
void show_counters(struct sink *to, struct guest *guest);
void show_cpus(struct sink *to);
void show_memory(struct sink *to);
void show_log(struct sink *to, unsigned lines);
void show_previous_log(struct sink *to);
void show_disks(struct sink *to);
void show_networks(struct sink *to);
void show_stations(struct sink *to);
void show_machine(struct sink *to);
/* All that is cheap to know, for Prometheus. */
void show_metrics(struct sink *to);
/* The rows of one table by its name; without one, or with another, says which there are. */
void show_json(struct sink *to, const char *what);
/* Whether that reads disks, and so may wait for one; `disks` does. */
bool show_json_waits(const char *what);

#endif

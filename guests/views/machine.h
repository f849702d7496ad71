/* How the machine is: itself, its CPUs, its memory, its log. */
#ifndef GUESTS_VIEWS_MACHINE_H
#define GUESTS_VIEWS_MACHINE_H

#include "guests/views/view.h"

struct machine_view {
	char version[24], build[24]; /* as kernel/lib/version.h */
	char backend[24];	     /* "SVM"; "" without virtualisation */
	char cpu_model[56];
	uint64_t cpus, uptime_ns;
};

struct cpu_view {
	uint32_t id, apic_id;
	uint64_t housekeeping;
	uint64_t interrupts, ipis;
};

struct memory_view {
	char pool[16]; /* "hypervisor", "guests" */
	uint64_t total_bytes, free_bytes;
};

struct log_view {
	char line[512]; /* without line end */
};

extern const struct view_table machine_table, cpu_table, memory_table, log_table;
extern const struct view_table previous_log_table;

#endif

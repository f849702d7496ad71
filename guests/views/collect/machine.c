/* The machine itself as views. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/views/collect/collect.h"
#include "guests/views/machine.h"
#include "kernel/cpu/clock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/lib/version.h"
#include "kernel/log/blackbox.h"
#include "kernel/log/log.h"
#include "kernel/mem/frames.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/backend.h"

#define LOG_BYTES 65536

void collect_machine(struct view_rows *rows)
{
	struct machine_view view = {.cpus = cpu_count, .uptime_ns = clock_now_ns()};

	snprintf(view.version, sizeof view.version, "%s", version_number);
	snprintf(view.build, sizeof view.build, "%s", version_build);
	snprintf(view.backend, sizeof view.backend, "%s", vmm_backend ? vmm_backend->name : "");
	snprintf(view.cpu_model, sizeof view.cpu_model, "%s", cpu_features.brand);
	view_rows_add(rows, &view);
}

void collect_cpus(struct view_rows *rows)
{
	for (unsigned i = 0; i < cpu_count; i++) {
		const struct cpu_view view = {
			.id = i,
			.apic_id = cpus[i]->apic_id,
			.housekeeping = cpumask_test(sched_housekeeping(), i),
			.interrupts = atomic_load(&cpus[i]->interrupts),
			.ipis = atomic_load(&cpus[i]->ipis),
		};

		view_rows_add(rows, &view);
	}
}

void collect_memory(struct view_rows *rows)
{
	const struct memory_view host = {"hypervisor", frames_total_bytes(),
					 frames_free_bytes()};
	const struct memory_view guests = {"guests", guest_frames_total_bytes(),
					   guest_frames_free_bytes()};

	view_rows_add(rows, &host);
	view_rows_add(rows, &guests);
}

static void add_lines(struct view_rows *rows, const char *text, size_t bytes)
{
	const char *at = text, *end = text + bytes;
	struct log_view view;

	_Static_assert(sizeof view.line >= LOG_LINE_MAX, "a line of the log fits");
	while (at < end) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		int length = (int)((line_end ? line_end : end) - at);

		snprintf(view.line, sizeof view.line, "%.*s", length, at);
		view_rows_add(rows, &view);
		at += length + 1;
	}
}

void collect_log(struct view_rows *rows)
{
	char *text = malloc(LOG_BYTES);

	if (!text) {
		rows->error = -ENOMEM;
		return;
	}
	add_lines(rows, text, log_tail(text, LOG_BYTES));
	free(text);
}

void collect_previous_log(struct view_rows *rows)
{
	const char *text;
	bool damaged;
	size_t bytes = blackbox_previous(&text, &damaged);

	add_lines(rows, text, bytes);
}

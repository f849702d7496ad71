/* From the boot partition's file to guests. */
#include "guests/document.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guests/catalogue/catalogue.h"
#include "kernel/io/files.h"
#include "kernel/io/storage.h"
#include "kernel/log/log.h"
#include "kernel/mem/frames.h"
#include "kernel/vmm/vmm.h"

static struct config *document;
static struct config_report report;

static const struct host_config defaults = {
	.name = "bulkhead",
	.console = {.serial = CONFIG_SERIAL_COM1, .baud = 115200},
	.housekeeping = {.bits = {1}},
	.shutdown_timeout_seconds = 300, /* of guests that the operator creates all the same */
};

/* `refused`: nothing comes of the document; else guests wait for what the machine lacks. */
static void show_report(bool refused)
{
	char line[CONFIG_LINE_MAX];

	for (uint32_t i = 0; i < report.count; i++) {
		config_report_line(&report, i, line);
		if (refused)
			log_error("config", "%s", line);
		else
			log_warn("config", "%s", line);
	}
	if (report.dropped)
		log_warn("config", "and %u more", report.dropped);
	if (refused)
		log_error("config", "no guest is started: mend the document on the boot "
				    "partition and restart the machine, or have another of its "
				    "files by `apply esp:/FILE` on the operator's console");
}

bool document_read(void)
{
	static const struct config_machine unknown;
	const struct handoff_file *file = files_config();
	const char *text = file ? files_map(file) : NULL;
	int err;

	if (!text) {
		log_error("config", "%s: no guest is started",
			  file ? "bulkhead.yaml is empty" : "there is no bulkhead.yaml");
		return false;
	}
	err = config_read(text, file->bytes, file->path, &unknown, &document, &report);
	files_unmap(text);
	if (err)
		show_report(true);
	return !err;
}

const struct host_config *document_host(void)
{
	return document ? &document->host : &defaults;
}

static int file_size(void *context, const char *path, uint64_t *bytes)
{
	const struct handoff_file *file = files_find(path);

	(void)context;
	if (!file)
		return -ENOENT;
	*bytes = file->bytes;
	return 0;
}

static int check_source(void *context, const char *source, char why[CONFIG_WHY_MAX])
{
	_Static_assert(CONFIG_WHY_MAX >= STORAGE_WHY_BYTES, "storage_parse() fills it");
	(void)context;
	return storage_parse(source, why);
}

void document_start_guests(void)
{
	struct config_machine machine = {
		.cpus = vmm_cpus(),
		.memory_bytes = guest_frames_free_bytes(),
		.file_size = file_size,
		.check_source = check_source,
	};
	const struct handoff_file *file = files_config();
	struct catalogue_change change = {
		.next = document,
		.actor = &actor_document,
		.report = &report,
	};
	int err;

	machine.cpu_count = cpumask_count(&machine.cpus);
	if (catalogue_init(&machine, document_host())) {
		log_error("config", "no guest is started: the hypervisor is out of memory");
		return;
	}
	if (!document || !machine.cpu_count)
		return; /* document_read() or vmm_init() has said why */
	change.text = files_map(file);
	change.length = change.text ? file->bytes : 0;
	change.name = file->path;
	err = catalogue_apply(&change);
	files_unmap(change.text);
	if (err && !report.wrong)
		config_report_add(&report, (struct config_mark){0}, "%s", change.why);
	show_report(err != 0);
}

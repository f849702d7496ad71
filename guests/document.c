/* From the boot partition's file to guests. */
#include "guests/document.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guests/guest/guest.h"
#include "kernel/cpu/cpu.h"
#include "kernel/io/files.h"
#include "kernel/io/network.h"
#include "kernel/io/storage.h"
#include "kernel/log/log.h"
#include "kernel/mem/frames.h"

static struct config *document;
static struct config_report report;

static const struct host_config defaults = {
	.name = "bulkhead",
	.console = {.serial = CONFIG_SERIAL_COM1, .baud = 115200},
	.housekeeping = {.bits = {1}},
};

static void show_report(void)
{
	char line[CONFIG_LINE_MAX];

	for (uint32_t i = 0; i < report.count; i++) {
		config_report_line(&report, i, line);
		log_error("config", "%s", line);
	}
	if (report.dropped)
		log_error("config", "and %u more", report.dropped);
	log_error("config", "no guest is started: mend the document on the boot partition and "
			    "restart the machine");
}

bool document_read(void)
{
	const struct handoff_file *file = files_config();
	const char *text = file ? files_map(file) : NULL;
	int err;

	if (!text) {
		log_error("config", "%s: no guest is started",
			  file ? "bulkhead.yaml is empty" : "there is no bulkhead.yaml");
		return false;
	}
	err = config_parse(text, file->bytes, file->path, &document, &report);
	files_unmap(text);
	if (err)
		show_report();
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

static struct cpumask present_cpus(void)
{
	struct cpumask mask = {0};

	for (unsigned i = 0; i < cpu_count; i++)
		if (cpus[i]->backend)
			cpumask_set(&mask, i);
	return mask;
}

static int check_source(void *context, const char *source, char why[CONFIG_WHY_MAX])
{
	_Static_assert(CONFIG_WHY_MAX >= STORAGE_WHY_BYTES, "storage_parse() fills it");
	(void)context;
	return storage_parse(source, why);
}

/* ---- disks and networks ----------------------------------------------------------------- */

/* A disk of the document, by its position among the disks of all guests. */
static const struct config_disk *disk_at(unsigned position, const struct guest_config **guest,
					 unsigned *index)
{
	for (*guest = document->guests; position >= (*guest)->disk_count; (*guest)++)
		position -= (*guest)->disk_count;
	*index = position;
	return &(*guest)->disks[position];
}

static void report_use(const struct storage_use *uses, unsigned position)
{
	const struct storage_use *use = &uses[position];
	const struct guest_config *guest, *other;
	unsigned index, rival;
	const struct config_disk *disk = disk_at(position, &guest, &index), *first;

	if (use->clash < 0) {
		config_report_add(&report, disk->source_mark,
				  "guest '%s': disks[%u].source '%.64s' %s", guest->name, index,
				  use->source, use->why);
		return;
	}
	first = disk_at((unsigned)use->clash, &other, &rival);
	config_report_add(
		&report, disk->source_mark,
		"guest '%s': disks[%u] and disks[%u] of guest '%s' on line %u exclude "
		"each other: '%.64s' %s",
		guest->name, index, rival, other->name, first->source_mark.line, use->source,
		use->why);
}

/* Whether all sources are there, and none is written from two sides. */
static int check_disks(void)
{
	struct storage_use *uses;
	unsigned count = 0, position = 0;
	int err;

	for (uint32_t i = 0; i < document->guest_count; i++)
		count += document->guests[i].disk_count;
	uses = calloc(count + 1, sizeof *uses);
	if (!uses)
		return -ENOMEM;
	for (uint32_t i = 0; i < document->guest_count; i++) {
		const struct guest_config *guest = &document->guests[i];

		for (uint32_t j = 0; j < guest->disk_count; j++, position++) {
			uses[position].source = guest->disks[j].source;
			uses[position].read_only = guest->disks[j].read_only;
		}
	}
	err = storage_check(uses, count);
	for (position = 0; err && position < count; position++)
		if (uses[position].error)
			report_use(uses, position);
	free(uses);
	return err;
}

static int create_networks(void)
{
	int failed = 0;

	for (uint32_t i = 0; i < document->network_count; i++) {
		const struct config_network *network = &document->networks[i];
		struct network_config config = {.vlan = (uint16_t)network->vlan};
		char why[NETWORK_WHY_BYTES];
		int err;

		memcpy(config.name, network->name, sizeof config.name);
		memcpy(config.uplink, network->uplink, sizeof config.uplink);
		err = network_create(&config, why);
		if (!err)
			continue;
		config_report_add(&report,
				  network->uplink_mark.line ? network->uplink_mark
							    : network->name_mark,
				  "network '%s' %s", network->name, why);
		failed = err;
	}
	return failed;
}

void document_start_guests(void)
{
	struct config_machine machine = {
		.cpus = present_cpus(),
		.memory_bytes = guest_frames_free_bytes(),
		.file_size = file_size,
		.check_source = check_source,
	};

	if (!document)
		return;
	machine.cpu_count = cpumask_count(&machine.cpus);
	if (!machine.cpu_count)
		return; /* vmm_init() has said why */
	if (config_check(document, &machine, &report) || check_disks() || create_networks()) {
		show_report();
		return;
	}
	for (uint32_t i = 0; i < document->guest_count; i++) {
		const struct guest_config *guest = &document->guests[i];
		struct cpumask shared = config_shared(document, guest, &machine.cpus);

		if (guest_add(guest, &shared, &actor_document))
			log_error(guest->name, "not added: the hypervisor is out of memory");
	}
}

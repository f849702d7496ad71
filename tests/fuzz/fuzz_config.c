/*
 * Any bytes as a configuration: read, bound, checked against a machine, reported, freed.
 * What it looks for beyond crashes: messages without a place or a remedy, and configurations
 * that were accepted and yet break what config.h promises.
 */
/* links: guests/config/address.c guests/config/bind.c guests/config/check.c */
/* links: guests/config/bind_lists.c guests/config/binder.c */
/* links: guests/config/check_boot.c guests/config/sound.c guests/config/read.c */
/* links: guests/config/check_disks.c guests/config/check_networks.c guests/config/config.c */
/* links: guests/config/parse.c */
/* links: guests/config/cpus.c guests/config/derive.c guests/config/hint.c */
/* links: guests/config/report.c guests/config/schema.c guests/config/schema_devices.c */
/* links: guests/config/diff.c guests/config/merge.c guests/config/text.c */
/* links: guests/config/write.c */
/* links: kernel/lib/duration.c */
/* links: guests/config/tree.c guests/config/value.c kernel/lib/size.c */
#include "guests/config/diff.h"
#include "tests/unit/config_machine.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool promise)
{
	if (!promise)
		abort();
}

static void demand_messages(const struct config_report *report)
{
	char line[CONFIG_LINE_MAX];

	for (uint32_t i = 0; i < report->count; i++) {
		const struct config_error *error = &report->errors[i];

		demand(error->mark.line > 0 && error->mark.column > 0);
		demand(strstr(error->text, "; ") != NULL);
		config_report_line(report, i, line);
		for (const char *at = line; *at; at++)
			demand(*at >= ' ' && *at <= '~');
	}
}

static bool has_network(const struct config *config, const char *name)
{
	for (uint32_t i = 0; i < config->network_count; i++)
		if (strcmp(config->networks[i].name, name) == 0)
			return true;
	return false;
}

static void demand_devices(const struct guest_config *guest)
{
	demand(guest->disk_count <= CONFIG_DISKS_MAX && guest->nic_count <= CONFIG_NICS_MAX);
	for (uint32_t i = 0; i < guest->disk_count; i++) {
		const struct config_disk *disk = &guest->disks[i];

		demand(strchr(disk->source, ':') && strlen(disk->source) < CONFIG_SOURCE_MAX);
		demand(disk->serial[0] && strlen(disk->serial) < CONFIG_SERIAL_MAX);
		demand(disk->queues >= 1 && disk->queues <= CONFIG_QUEUES_MAX);
	}
	for (uint32_t i = 0; i < guest->nic_count; i++) {
		const struct config_nic *nic = &guest->nics[i];

		demand(!(nic->mac.bytes[0] & 1));
		demand(nic->address_count <= CONFIG_ADDRESSES_MAX);
		demand(nic->queues >= 1 && nic->queues <= CONFIG_QUEUES_MAX);
	}
}

static void demand_guest(const struct guest_config *guest)
{
	demand(guest->name[0] != '\0' && strlen(guest->name) < sizeof(guest->name));
	demand(guest->cpus.count >= 1 && guest->cpus.count <= CONFIG_VCPUS_MAX);
	demand(guest->cpus.pin_count <= CONFIG_VCPUS_MAX);
	for (uint32_t i = 0; i < guest->cpus.pin_count; i++)
		demand(guest->cpus.pin[i] < CPU_MAX);
	demand(guest->cpus.weight >= 1 && guest->cpus.weight <= 10000);
	demand(guest->memory_bytes && guest->memory_bytes % PAGE_2M == 0);
	demand(config_esp_path(guest->boot.kernel) != NULL);
	demand(strlen(guest->boot.cmdline) < sizeof(guest->boot.cmdline));
	demand(guest->boot.module_count <= CONFIG_MODULES_MAX);
	demand_devices(guest);
}

/* What a configuration that passed both stages may be relied on for; guests that lack something
 * do not start. */
static void demand_fit(const struct config *config, uint64_t lacking)
{
	uint64_t memory = 0;

	for (uint32_t i = 0; i < config->guest_count; i++) {
		const struct guest_config *guest = &config->guests[i];
		struct cpumask shared = config_shared(config, guest, &test_machine.cpus);

		if (guest->autostart && !(lacking >> i & 1))
			memory += guest->memory_bytes;
		for (uint32_t j = 0; j < guest->nic_count; j++)
			demand(has_network(config, guest->nics[j].network));
		if (guest->cpus.pin_count)
			demand(guest->cpus.pin_count == guest->cpus.count);
		else if (!(lacking >> i & 1))
			demand(!config_cpus_empty(&shared));
	}
	demand(memory <= test_machine.memory_bytes);
}

/* Written and read it is the same, and is written the same again. */
static void demand_round_trip(const struct config *config, enum config_format format)
{
	static struct config_report report;
	char *text, *again;
	size_t length, again_length;
	struct config *read;

	demand(!config_write_document(config, format, &text, &length));
	demand(!config_parse(text, length, "again.yaml", &read, &report));
	demand(!config_diff(&config_schema, config, read, NULL, NULL));
	demand(!config_write_document(read, format, &again, &again_length));
	demand(length == again_length && memcmp(text, again, length) == 0);
	free(text);
	free(again);
	config_free(read);
}

/* Both stages at once find what one after the other does, and what the first hid. */
static void demand_whole(const uint8_t *data, size_t size, int error,
			 const struct config_report *stages)
{
	static struct config_report report;
	struct config *config;
	int whole = config_read((const char *)data, size, "fuzz.yaml", &test_machine, &config,
				&report);

	demand(whole == error && (whole == 0) == (config != NULL));
	demand(report.count + report.dropped >= stages->count + stages->dropped);
	demand_messages(&report);
	config_free(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config_report report;
	struct config *config;
	int error = config_parse((const char *)data, size, "fuzz.yaml", &config, &report);

	demand((error == 0) == (config != NULL) && (error == 0) == (report.count == 0));
	if (!error) {
		demand(!config_cpus_empty(&config->host.housekeeping));
		demand(config->guest_count <= CONFIG_GUESTS_MAX);
		for (uint32_t i = 0; i < config->guest_count; i++)
			demand_guest(&config->guests[i]);
		for (unsigned format = CONFIG_YAML; format <= CONFIG_JSON; format++)
			demand_round_trip(config, format);
		error = config_check(config, &test_machine, &report);
		demand((error == 0) == (report.wrong == 0));
		if (!error)
			demand_fit(config, report.lacking);
	}
	demand_messages(&report);
	demand_whole(data, size, error, &report);
	config_free(config);
	return 0;
}

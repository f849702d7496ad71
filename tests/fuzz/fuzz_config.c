/*
 * Any bytes as a configuration: read, bound, checked against a machine, reported, freed.
 * What it looks for beyond crashes: messages without a place or a remedy, and configurations
 * that were accepted and yet break what config.h promises.
 */
/* links: guests/config/bind.c guests/config/check.c guests/config/config.c */
/* links: guests/config/cpus.c guests/config/hint.c guests/config/report.c */
/* links: guests/config/schema.c guests/config/tree.c guests/config/value.c */
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
}

/* What a configuration that passed both stages may be relied on for. */
static void demand_fit(const struct config *config)
{
	uint64_t memory = 0;

	for (uint32_t i = 0; i < config->guest_count; i++) {
		const struct guest_config *guest = &config->guests[i];
		struct cpumask shared = config_shared(config, guest, &test_machine.cpus);

		memory += guest->memory_bytes;
		if (guest->cpus.pin_count)
			demand(guest->cpus.pin_count == guest->cpus.count);
		else
			demand(!config_cpus_empty(&shared));
	}
	demand(memory <= test_machine.memory_bytes);
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
		error = config_check(config, &test_machine, &report);
		demand((error == 0) == (report.count == 0));
		if (!error)
			demand_fit(config);
	}
	demand_messages(&report);
	config_free(config);
	return 0;
}

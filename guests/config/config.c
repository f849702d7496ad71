/* Questions about a struct config. parse.c makes one of a document. */
#include "guests/config/config.h"
#include <stdlib.h>
#include <string.h>

void config_free(struct config *config)
{
	free(config);
}

const char *config_esp_path(const char *file)
{
	static const char scheme[] = "esp:/";

	return strncmp(file, scheme, sizeof(scheme) - 1) == 0 ? file + sizeof(scheme) - 1
							      : NULL;
}

struct cpumask config_pins(const struct guest_config *guest)
{
	struct cpumask pins = {0};

	for (uint32_t v = 0; v < guest->cpus.pin_count; v++)
		cpumask_set(&pins, guest->cpus.pin[v]);
	return pins;
}

struct cpumask config_pinned(const struct config *config)
{
	struct cpumask pinned = {0};

	for (uint32_t i = 0; i < config->guest_count; i++)
		pinned = config_cpus_or(pinned, config_pins(&config->guests[i]));
	return pinned;
}

struct cpumask config_housekeeping(const struct config *config, const struct cpumask *present)
{
	struct cpumask named = config->host.housekeeping;
	struct cpumask there = config_cpus_and(named, *present);

	if (config_cpus_empty(present))
		return named;
	if (config_cpus_empty(&there))
		cpumask_set(&there, cpumask_next(present, 0));
	return there;
}

/* A CPU that does the hypervisor's own work is nobody's, whoever pins it. */
struct cpumask config_shared(const struct config *config, const struct guest_config *guest,
			     const struct cpumask *present)
{
	struct cpumask owned = config_cpus_without(config_pinned(config),
						   config_housekeeping(config, present));
	struct cpumask shared = config_cpus_without(*present, owned);

	if (config_cpus_empty(&guest->cpus.allowed))
		return shared;
	return config_cpus_and(shared, guest->cpus.allowed);
}

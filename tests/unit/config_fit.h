/*
 * Configurations by chance that config_check takes on random_machine: what random_config()
 * made, mended where it does not fit, and left alone where it does.
 */
#ifndef TESTS_UNIT_CONFIG_FIT_H
#define TESTS_UNIT_CONFIG_FIT_H

#include "guests/config/address.h"
#include "tests/unit/config_random.h"

static const struct config_machine random_machine = {
	.cpu_count = RANDOM_CPUS,
	.cpus = {{(1u << RANDOM_CPUS) - 1}},
	.memory_bytes = 1ull << 40,
};

/* A name of few, so that two configurations have some in common. */
static inline void fit_name(char *name, const char *first, size_t stride, uint32_t index)
{
	for (;;) {
		uint32_t i = 0;

		if (name[0] && !name[1] && name[0] < 'a' + RANDOM_GUESTS + 2) {
			while (i < index && strcmp(first + i * stride, name) != 0)
				i++;
			if (i == index)
				return;
		}
		name[0] = (char)('a' + chance(RANDOM_GUESTS + 2));
		name[1] = '\0';
	}
}

static inline void fit_networks(struct config *config)
{
	struct config_network *networks = config->networks;

	config->network_count = MIN(config->network_count, (uint32_t)4);
	for (uint32_t i = 0; i < config->network_count; i++) {
		fit_name(networks[i].name, networks[0].name, sizeof(networks[0]), i);
		if (!networks[i].uplink[0])
			networks[i].vlan = 0;
		for (uint32_t j = 0; j < i; j++) {
			if (!networks[i].uplink[0] ||
			    strcmp(networks[i].uplink, networks[j].uplink) != 0 ||
			    networks[i].vlan != networks[j].vlan)
				continue;
			networks[i].vlan = 1 + (uint32_t)chance(4094);
			j = (uint32_t)-1;
		}
	}
}

/* Pins of CPUs that are nobody else's, housekeeping's least of all. */
static inline void fit_cpus(struct config *config)
{
	struct cpumask taken = config->host.housekeeping;

	cpumask_set(&taken, 0);
	for (uint32_t i = 0; i < config->guest_count; i++) {
		struct config_vcpus *vcpus = &config->guests[i].cpus;
		uint32_t kept = 0;

		for (uint32_t j = 0; j < vcpus->pin_count; j++) {
			if (cpumask_test(&taken, vcpus->pin[j]) || kept == 4)
				continue;
			cpumask_set(&taken, vcpus->pin[j]);
			vcpus->pin[kept++] = vcpus->pin[j];
		}
		vcpus->pin_count = kept;
		if (kept) {
			vcpus->count = kept;
			vcpus->allowed = (struct cpumask){0};
		}
	}
	for (uint32_t i = 0; i < config->guest_count; i++)
		config->guests[i].cpus.allowed = config_cpus_without(
			config->guests[i].cpus.allowed, config_pinned(config));
}

static inline bool source_is_free(const struct config *config, const struct config_disk *disk)
{
	for (uint32_t i = 0; i < config->guest_count; i++)
		for (uint32_t j = 0; j < config->guests[i].disk_count; j++) {
			const struct config_disk *other = &config->guests[i].disks[j];

			if (other == disk)
				return true;
			if (strcmp(other->source, disk->source) == 0 &&
			    !(other->read_only && disk->read_only))
				return false;
		}
	return true;
}

static inline void fit_disks(struct config *config, struct guest_config *guest)
{
	guest->disk_count = MIN(guest->disk_count, (uint32_t)2);
	for (uint32_t i = 0; i < guest->disk_count; i++) {
		struct config_disk *disk = &guest->disks[i];

		while (strlen(disk->source) != 7 || !source_is_free(config, disk))
			snprintf(disk->source, sizeof(disk->source), "lvm:v/%c",
				 (char)('a' + chance(16)));
		for (uint32_t j = 0; j <= i; j++)
			if (!disk->serial[0] ||
			    (j < i && !strcmp(guest->disks[j].serial, disk->serial)))
				snprintf(disk->serial, sizeof(disk->serial), "disk%u",
					 (unsigned)i);
		if (!disk->limits.iops)
			disk->limits.iops_burst = 0;
		if (!disk->limits.bytes_per_second)
			disk->limits.bytes_burst = 0;
	}
}

static inline bool mac_is_free(const struct config *config, const struct config_nic *nic)
{
	for (uint32_t i = 0; i < config->guest_count; i++)
		for (uint32_t j = 0; j < config->guests[i].nic_count; j++) {
			const struct config_nic *other = &config->guests[i].nics[j];

			if (other == nic)
				return true;
			if (strcmp(other->network, nic->network) == 0 &&
			    memcmp(other->mac.bytes, nic->mac.bytes, 6) == 0)
				return false;
		}
	return true;
}

static inline bool address_is_free(const struct config *config,
				   const struct guest_config *guest,
				   const struct config_nic *nic,
				   const struct config_address *address)
{
	for (const struct guest_config *other = config->guests; other < guest; other++)
		for (uint32_t i = 0; i < other->nic_count; i++) {
			const struct config_nic *theirs = &other->nics[i];

			if (strcmp(theirs->network, nic->network) != 0)
				continue;
			for (uint32_t j = 0; j < theirs->address_count; j++)
				if (config_same_address(&theirs->addresses[j], address))
					return false;
		}
	for (const struct config_address *own = nic->addresses; own < address; own++)
		if (config_same_address(own, address))
			return false;
	return true;
}

/* Those that nobody else has, nor the interface twice. */
static inline void fit_addresses(const struct config *config, const struct guest_config *guest,
				 struct config_nic *nic)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < nic->address_count; i++) {
		nic->addresses[kept] = nic->addresses[i];
		kept += address_is_free(config, guest, nic, &nic->addresses[kept]);
	}
	nic->address_count = kept;
}

static inline void fit_nics(struct config *config, struct guest_config *guest)
{
	guest->nic_count = config->network_count ? MIN(guest->nic_count, (uint32_t)2) : 0;
	for (uint32_t i = 0; i < guest->nic_count; i++) {
		struct config_nic *nic = &guest->nics[i];

		if (!config_find_network(config, nic->network))
			strcpy(nic->network,
			       config->networks[chance(config->network_count)].name);
		while (nic->mac.given && !mac_is_free(config, nic))
			nic->mac = (struct config_mac){true,
						       {2, 0, 0, 0, 0, (uint8_t)chance(256)}};
		if (!nic->filter)
			nic->address_count = 0;
		fit_addresses(config, guest, nic);
		if (!nic->limits.send_bytes_per_second && !nic->limits.receive_bytes_per_second)
			nic->limits.burst_bytes = 0;
	}
}

static inline void fit_boot(struct guest_config *guest)
{
	struct config_boot *boot = &guest->boot;

	if (boot->disk > guest->disk_count)
		boot->disk = 0;
	if (boot->disk) {
		boot->kernel[0] = boot->initrd[0] = '\0';
		boot->cmdline[CONFIG_DISK_CMDLINE_MAX - 1] = '\0';
	} else if (!boot->kernel[0]) {
		strcpy(boot->kernel, "esp:/k");
	}
	if (boot->disk || boot->initrd[0] || boot->protocol == CONFIG_PROTOCOL_LINUX)
		boot->module_count = 0;
	if ((boot->disk || boot->initrd[0]) && boot->protocol != CONFIG_PROTOCOL_LINUX)
		boot->protocol = CONFIG_PROTOCOL_AUTO;
}

static inline void random_fit(struct config *config)
{
	struct guest_config *guests = config->guests;

	fit_networks(config);
	for (uint32_t i = 0; i < config->guest_count; i++)
		fit_name(guests[i].name, guests[0].name, sizeof(guests[0]), i);
	fit_cpus(config);
	for (uint32_t i = 0; i < config->guest_count; i++) {
		fit_disks(config, &guests[i]);
		fit_nics(config, &guests[i]);
		fit_boot(&guests[i]);
	}
	config_derive(config);
}

/* Another that has much in common with it: guests lost and new, some values others. */
static inline struct config *random_neighbour(const struct config *config)
{
	struct config *other = random_config(), *made;
	uint32_t count = config->guest_count;

	made = calloc(1, sizeof(*made) + 2 * RANDOM_GUESTS * sizeof(made->guests[0]));
	memcpy(made, config, sizeof(*made) + count * sizeof(made->guests[0]));
	if (count && chance(2)) {
		uint32_t lost = (uint32_t)chance(count);

		memmove(&made->guests[lost], &made->guests[lost + 1],
			(count - lost - 1) * sizeof(made->guests[0]));
		made->guest_count = --count;
	}
	if (other->guest_count && count < RANDOM_GUESTS && chance(2))
		made->guests[made->guest_count++] = other->guests[0];
	for (unsigned i = 0; i < chance(3) && count; i++) {
		const struct config_field *field =
			&config_guest_schema.fields[chance(config_guest_schema.count)];

		random_value(field, (char *)&made->guests[chance(count)]);
	}
	if (made->network_count && chance(3) == 0)
		random_table(&config_network_schema,
			     (char *)&made->networks[chance(made->network_count)]);
	if (chance(6) == 0)
		made->network_count = 0;
	if (chance(8) == 0)
		made->host = other->host;
	free(other);
	random_fit(made);
	return made;
}

#endif

/*
 * Values that follow from others, where the document leaves them out: counts, queues, serial
 * numbers, MAC addresses. Fixed defaults are in the schema.
 */
#include "guests/config/derive.h"
#include <stdio.h>
#include <string.h>

#define FNV_BASIS 0xcbf29ce484222325ull /* draft-eastlake-fnv-17.html, 5: FNV-1a of 64 bits */
#define FNV_PRIME 0x00000100000001b3ull

#define MAC_LOCAL 0x02 /* of the first byte: not a manufacturer's (IEEE 802, 8.2.2) */
#define MAC_GROUP 0x01

/* With the text's NUL, so that "a" "bc" and "ab" "c" differ. */
static uint64_t hash(uint64_t state, const void *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		state = (state ^ ((const uint8_t *)bytes)[i]) * FNV_PRIME;
	return state;
}

/* The same at each start, and different on each machine, for each guest and position. */
static void make_mac(const struct host_config *host, const struct guest_config *guest,
		     uint32_t index, uint8_t mac[6])
{
	uint8_t position = (uint8_t)index;
	uint64_t made = hash(FNV_BASIS, host->name, strlen(host->name) + 1);

	made = hash(made, guest->name, strlen(guest->name) + 1);
	made = hash(made, &position, 1);
	made ^= made >> 32;
	for (unsigned i = 0; i < 6; i++)
		mac[i] = (uint8_t)(made >> 8 * i);
	mac[0] = (uint8_t)((mac[0] | MAC_LOCAL) & ~MAC_GROUP);
}

static uint32_t queues(const struct guest_config *guest)
{
	return guest->cpus.count < CONFIG_QUEUES_MAX ? guest->cpus.count : CONFIG_QUEUES_MAX;
}

static void derive_devices(const struct host_config *host, struct guest_config *guest)
{
	for (uint32_t i = 0; i < guest->disk_count; i++) {
		struct config_disk *disk = &guest->disks[i];

		if (!disk->serial[0])
			snprintf(disk->serial, sizeof(disk->serial), "disk%u", (unsigned)i);
		if (!disk->queues)
			disk->queues = queues(guest);
	}
	for (uint32_t i = 0; i < guest->nic_count; i++) {
		struct config_nic *nic = &guest->nics[i];

		if (!nic->mac.given)
			make_mac(host, guest, i, nic->mac.bytes);
		if (!nic->queues)
			nic->queues = queues(guest);
	}
}

void config_derive(struct config *config)
{
	for (uint32_t i = 0; i < config->guest_count; i++) {
		struct guest_config *guest = &config->guests[i];

		if (guest->cpus.pin_count && guest->cpus.count_mark.line == 0)
			guest->cpus.count = guest->cpus.pin_count;
		derive_devices(&config->host, guest);
	}
}

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

static void disk_serial(uint32_t index, char serial[CONFIG_SERIAL_MAX])
{
	snprintf(serial, CONFIG_SERIAL_MAX, "disk%u", (unsigned)index);
}

static uint32_t vcpus(const struct guest_config *guest)
{
	return guest->cpus.pin_count ? guest->cpus.pin_count : 1;
}

void config_derive_guest(const struct host_config *host, struct guest_config *guest)
{
	if (!guest->cpus.count)
		guest->cpus.count = vcpus(guest);
	if (!guest->shutdown.order)
		guest->shutdown.order = guest->start.order;
	for (uint32_t i = 0; i < guest->disk_count; i++) {
		struct config_disk *disk = &guest->disks[i];

		if (!disk->serial[0])
			disk_serial(i, disk->serial);
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
	for (uint32_t i = 0; i < config->guest_count; i++)
		config_derive_guest(&config->host, &config->guests[i]);
}

/* An address that was made says so: mac.given. */
void config_underive_guest(struct guest_config *guest)
{
	char serial[CONFIG_SERIAL_MAX];

	for (uint32_t i = 0; i < guest->disk_count; i++) {
		struct config_disk *disk = &guest->disks[i];

		disk_serial(i, serial);
		if (strcmp(disk->serial, serial) == 0)
			disk->serial[0] = '\0';
		if (disk->queues == queues(guest))
			disk->queues = 0;
	}
	for (uint32_t i = 0; i < guest->nic_count; i++)
		if (guest->nics[i].queues == queues(guest))
			guest->nics[i].queues = 0;
	if (guest->cpus.count == vcpus(guest))
		guest->cpus.count = 0;
	if (guest->shutdown.order == guest->start.order)
		guest->shutdown.order = 0;
}

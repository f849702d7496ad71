/*
 * What a guest's configuration plugs in: its virtio devices on the PCI root, and what is behind
 * them. Legacy devices of the PC are guests/chipset.
 */
#ifndef GUESTS_DEVICES_DEVICES_H
#define GUESTS_DEVICES_DEVICES_H

#include "guests/boot.h"
#include "guests/config/config.h"
#include "guests/devices/virtio/balloon.h"
#include "guests/devices/virtio/blk.h"
#include "guests/devices/virtio/net.h"
#include "kernel/io/blkdev.h"

struct console;
struct devices;
struct pci_root;
struct vm;

/*
 * Opens what the configuration names, for the guest of that name, and creates the devices. 0;
 * or a negative errno with a sentence in `why`, and nothing stays open; -ECANCELED when
 * `given_up` became true, which is looked at after each disk. Before vm_start(); thread
 * context; may sleep.
 */
int devices_create(const struct guest_config *config, struct vm *vm, struct pci_root *root,
		   struct console *console, const _Atomic bool *given_up,
		   struct devices **devices, char why[BOOT_WHY_BYTES]);
/* The VM has stopped. Waits for requests under way; closes everything. NULL is fine. */
void devices_destroy(struct devices *devices);

/* How the devices are, at one moment. */
struct devices_info {
	unsigned disk_count;
	struct device_disk_info {
		char serial[CONFIG_SERIAL_MAX];
		char backing[BLKDEV_NAME_MAX]; /* the block device behind it */
		uint64_t bytes;
		uint64_t bytes_copied; /* by the CPU, of all that its volume moved */
		struct virtio_blk_info requests;
	} disks[CONFIG_DISKS_MAX];
	unsigned nic_count;
	struct device_nic_info {
		char network[CONFIG_GUEST_NAME_MAX];
		uint8_t mac[6];
		struct virtio_net_info packets;
	} nics[CONFIG_NICS_MAX];
	struct virtio_balloon_info balloon;
};
/* As virtio_balloon_set(). */
int devices_set_memory(const struct devices *devices, uint64_t bytes);
void devices_get_info(const struct devices *devices, struct devices_info *info);

#endif

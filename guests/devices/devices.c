/* From a guest's configuration to its devices, in the order of the document: so slots, and with
 * them names in the guest, stay the same as long as it does. */
#include "guests/devices/devices.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guests/devices/virtio/blk.h"
#include "guests/devices/virtio/console.h"
#include "guests/devices/virtio/net.h"
#include "guests/devices/virtio/rng.h"
#include "kernel/io/network.h"
#include "kernel/io/storage.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/vm.h"

struct devices {
	char owner[CONFIG_GUEST_NAME_MAX]; /* of the sources */
	unsigned disk_count;
	struct {
		char serial[CONFIG_SERIAL_MAX];
		struct blkdev *dev;
		struct virtio_blk *blk;
	} disks[CONFIG_DISKS_MAX];
	unsigned nic_count;
	struct {
		char network[CONFIG_GUEST_NAME_MAX];
		uint8_t mac[NET_MAC_BYTES];
		struct virtio_net *net;
	} nics[CONFIG_NICS_MAX];
	struct virtio_rng *rng;
	struct virtio_balloon *balloon;
	struct virtio_console *console; /* NULL: the serial port alone */
};

static int add_disk(struct devices *devices, const struct config_disk *config, struct vm *vm,
		    struct pci_root *root, char why[BOOT_WHY_BYTES])
{
	unsigned index = devices->disk_count;
	char reason[STORAGE_WHY_BYTES];
	struct blkdev *dev;
	unsigned how = (config->read_only ? STORAGE_READ_ONLY : STORAGE_WRITE) |
		       (config->physical_volume ? STORAGE_WHOLE : 0);
	int err = storage_open(config->source, how, devices->owner, &dev, reason);

	if (err)
		return boot_refuse(why, err, "disks[%u].source '%s' %s", index, config->source,
				   reason);
	memcpy(devices->disks[index].serial, config->serial, sizeof config->serial);
	devices->disks[index].dev = dev;
	devices->disks[index].blk = virtio_blk_create(vm, root, config, dev);
	devices->disk_count++;
	if (!devices->disks[index].blk)
		return boot_refuse(why, -ENOMEM, "no memory for disks[%u]", index);
	return 0;
}

static struct network_port_config port_config(const char *guest, unsigned index,
					      const struct config_nic *config,
					      struct mem_account *account)
{
	struct network_port_config port = {
		.filter_mac = config->filter,
		.address_count = config->address_count,
		.tx_bytes_per_s = config->limits.send_bytes_per_second,
		.rx_bytes_per_s = config->limits.receive_bytes_per_second,
		.burst_bytes = config->limits.burst_bytes,
		.account = account,
	};

	_Static_assert(NETWORK_ADDRESSES_MAX == CONFIG_ADDRESSES_MAX &&
			       NETWORK_NAME_MAX == CONFIG_GUEST_NAME_MAX,
		       "what a document may say, a port can have");
	/* Guests' names are short enough but for the two longest: cut, it is still a name. */
	snprintf(port.name, sizeof port.name, "%.*s.%u", NETDEV_NAME_MAX - 3, guest, index);
	memcpy(port.network, config->network, sizeof port.network);
	memcpy(port.mac, config->mac.bytes, sizeof port.mac);
	for (uint32_t i = 0; i < config->address_count; i++) {
		port.addresses[i].v6 = config->addresses[i].v6;
		memcpy(port.addresses[i].bytes, config->addresses[i].bytes,
		       sizeof port.addresses[i].bytes);
	}
	return port;
}

static int add_nic(struct devices *devices, const struct config_nic *config, struct vm *vm,
		   struct pci_root *root, char why[BOOT_WHY_BYTES])
{
	unsigned index = devices->nic_count;
	const struct network_port_config port =
		port_config(devices->owner, index, config, &vm->account);
	struct virtio_net_params params = {.pairs = config->queues,
					   .own_mac_only = config->filter};
	char reason[NETWORK_WHY_BYTES];
	int err = network_attach(&port, &params.port, reason);

	if (err)
		return boot_refuse(why, err, "nics[%u] %s", index, reason);
	memcpy(devices->nics[index].network, config->network, sizeof config->network);
	memcpy(devices->nics[index].mac, config->mac.bytes, sizeof config->mac.bytes);
	devices->nics[index].net = virtio_net_create(vm, root, &params);
	if (!devices->nics[index].net) {
		params.port->ops->close(params.port);
		return boot_refuse(why, -ENOMEM, "no memory for nics[%u]", index);
	}
	devices->nic_count++;
	return 0;
}

int devices_create(const struct guest_config *config, struct vm *vm, struct pci_root *root,
		   struct console *console, const _Atomic bool *given_up, struct devices **out,
		   char why[BOOT_WHY_BYTES])
{
	struct devices *devices = heap_zalloc(sizeof *devices, &vm->account);
	int err = 0;

	*out = NULL;
	if (!devices)
		return boot_refuse(why, -ENOMEM, "no memory for its devices");
	memcpy(devices->owner, config->name, sizeof devices->owner);
	for (unsigned i = 0; !err && i < config->disk_count; i++) {
		err = add_disk(devices, &config->disks[i], vm, root, why);
		if (!err && atomic_load(given_up)) /* it may have taken long */
			err = boot_refuse(why, -ECANCELED, "given up");
	}
	for (unsigned i = 0; !err && i < config->nic_count; i++)
		err = add_nic(devices, &config->nics[i], vm, root, why);
	if (!err && !(devices->rng = virtio_rng_create(vm, root)))
		err = boot_refuse(why, -ENOMEM, "no memory for its random bytes");
	if (!err && !(devices->balloon = virtio_balloon_create(vm, root)))
		err = boot_refuse(why, -ENOMEM, "no memory for its balloon");
	if (!err && config->console == CONFIG_CONSOLE_VIRTIO &&
	    !(devices->console = virtio_console_create(vm, root, console)))
		err = boot_refuse(why, -ENOMEM, "no memory for its console");
	if (err) {
		devices_destroy(devices);
		return err;
	}
	*out = devices;
	return 0;
}

void devices_destroy(struct devices *devices)
{
	if (!devices)
		return;
	virtio_balloon_destroy(devices->balloon);
	virtio_rng_destroy(devices->rng);
	virtio_console_destroy(devices->console);
	for (unsigned i = 0; i < devices->nic_count; i++)
		virtio_net_destroy(devices->nics[i].net);
	for (unsigned i = 0; i < devices->disk_count; i++) {
		virtio_blk_destroy(devices->disks[i].blk);
		storage_close(devices->disks[i].dev, devices->owner);
	}
	heap_free(devices);
}

int devices_set_memory(const struct devices *devices, uint64_t bytes)
{
	return virtio_balloon_set(devices->balloon, bytes);
}

void devices_get_info(const struct devices *devices, struct devices_info *info)
{
	info->disk_count = devices->disk_count;
	for (unsigned i = 0; i < devices->disk_count; i++) {
		const struct blkdev *dev = devices->disks[i].dev;
		struct device_disk_info *disk = &info->disks[i];

		memcpy(disk->serial, devices->disks[i].serial, sizeof disk->serial);
		memcpy(disk->backing, dev->name, sizeof disk->backing);
		disk->bytes = dev->bytes;
		disk->bytes_copied = atomic_load(&dev->counters.bytes_copied);
		virtio_blk_get_info(devices->disks[i].blk, &disk->requests);
	}
	info->nic_count = devices->nic_count;
	for (unsigned i = 0; i < devices->nic_count; i++) {
		struct device_nic_info *nic = &info->nics[i];

		memcpy(nic->network, devices->nics[i].network, sizeof nic->network);
		memcpy(nic->mac, devices->nics[i].mac, sizeof nic->mac);
		virtio_net_get_info(devices->nics[i].net, &nic->packets);
	}
	virtio_balloon_get_info(devices->balloon, &info->balloon);
}

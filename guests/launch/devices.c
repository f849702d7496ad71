/* From a guest's configuration to its devices, in the order of the document: so slots, and with
 * them names in the guest, stay the same as long as it does. */
#include "guests/launch/devices.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guests/devices/virtio/balloon.h"
#include "guests/devices/virtio/blk.h"
#include "guests/devices/virtio/console.h"
#include "guests/devices/virtio/net.h"
#include "guests/devices/virtio/rng.h"
#include "guests/views/guest.h"
#include "kernel/io/blkdev.h"
#include "kernel/io/network.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/board.h"

struct devices {
	char guest[CONFIG_GUEST_NAME_MAX];
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

static int add_disk(struct devices *devices, const struct config_disk *config,
		    struct blkdev *dev, const struct board *board, struct pci_root *root,
		    char why[BOOT_WHY_BYTES])
{
	unsigned index = devices->disk_count;

	memcpy(devices->disks[index].serial, config->serial, sizeof config->serial);
	devices->disks[index].dev = dev;
	devices->disks[index].blk = virtio_blk_create(board, root, config, dev);
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

static int add_nic(struct devices *devices, const struct config_nic *config,
		   const struct board *board, struct pci_root *root, char why[BOOT_WHY_BYTES])
{
	unsigned index = devices->nic_count;
	const struct network_port_config port =
		port_config(devices->guest, index, config, board->account);
	struct virtio_net_params params = {.pairs = config->queues,
					   .own_mac_only = config->filter};
	char reason[NETWORK_WHY_BYTES];
	int err = network_attach(&port, &params.port, reason);

	if (err)
		return boot_refuse(why, err, "nics[%u] %s", index, reason);
	memcpy(devices->nics[index].network, config->network, sizeof config->network);
	memcpy(devices->nics[index].mac, config->mac.bytes, sizeof config->mac.bytes);
	devices->nics[index].net = virtio_net_create(board, root, &params);
	if (!devices->nics[index].net) {
		params.port->ops->close(params.port);
		return boot_refuse(why, -ENOMEM, "no memory for nics[%u]", index);
	}
	devices->nic_count++;
	return 0;
}

int devices_create(const struct guest_config *config, struct blkdev *const disks[],
		   const struct board *board, struct pci_root *root, struct console *console,
		   struct devices **out, char why[BOOT_WHY_BYTES])
{
	struct devices *devices = heap_zalloc(sizeof *devices, board->account);
	int err = 0;

	*out = NULL;
	if (!devices)
		return boot_refuse(why, -ENOMEM, "no memory for its devices");
	memcpy(devices->guest, config->name, sizeof devices->guest);
	for (unsigned i = 0; !err && i < config->disk_count; i++)
		err = add_disk(devices, &config->disks[i], disks[i], board, root, why);
	for (unsigned i = 0; !err && i < config->nic_count; i++)
		err = add_nic(devices, &config->nics[i], board, root, why);
	if (!err && !(devices->rng = virtio_rng_create(board, root)))
		err = boot_refuse(why, -ENOMEM, "no memory for its random bytes");
	if (!err && !(devices->balloon = virtio_balloon_create(board, root)))
		err = boot_refuse(why, -ENOMEM, "no memory for its balloon");
	if (!err && config->console == CONFIG_CONSOLE_VIRTIO &&
	    !(devices->console = virtio_console_create(board, root, console)))
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
	for (unsigned i = 0; i < devices->disk_count; i++)
		virtio_blk_destroy(devices->disks[i].blk);
	heap_free(devices);
}

int devices_set_memory(const struct devices *devices, uint64_t bytes)
{
	return virtio_balloon_set(devices->balloon, bytes);
}

static void view_disk(const struct devices *devices, unsigned index,
		      struct guest_disk_view *view)
{
	const struct blkdev *dev = devices->disks[index].dev;
	struct virtio_blk_info info;

	virtio_blk_get_info(devices->disks[index].blk, &info);
	*view = (struct guest_disk_view){
		.id = index,
		.bytes = dev->bytes,
		.reads = info.reads,
		.writes = info.writes,
		.flushes = info.flushes,
		.discards = info.discards,
		.zeroes = info.zeroes,
		.errors = info.errors,
		.bytes_read = info.bytes_read,
		.bytes_written = info.bytes_written,
		.bytes_copied = atomic_load(&dev->counters.bytes_copied),
		.kicks = info.kicks,
		.interrupts = info.interrupts,
		.throttled = info.throttled,
	};
	snprintf(view->serial, sizeof view->serial, "%s", devices->disks[index].serial);
	snprintf(view->backing, sizeof view->backing, "%s", dev->name);
}

static void view_nic(const struct devices *devices, unsigned index, struct guest_nic_view *view)
{
	struct virtio_net_info info;

	virtio_net_get_info(devices->nics[index].net, &info);
	*view = (struct guest_nic_view){
		.id = index,
		.rx_packets = info.rx_packets,
		.rx_bytes = info.rx_bytes,
		.tx_packets = info.tx_packets,
		.tx_bytes = info.tx_bytes,
		.rx_unwanted = info.rx_unwanted,
		.rx_dropped = info.rx_dropped,
		.tx_errors = info.tx_errors,
		.bytes_copied = info.bytes_copied,
		.kicks = info.kicks,
		.interrupts = info.interrupts,
		.throttled = info.throttled,
	};
	snprintf(view->network, sizeof view->network, "%s", devices->nics[index].network);
	view_set_mac(view->mac, devices->nics[index].mac);
}

static void view_balloon(const struct devices *devices, struct guest_view *view)
{
	struct virtio_balloon_info info;

	virtio_balloon_get_info(devices->balloon, &info);
	view->balloon = (struct guest_balloon_view){
		.driven = info.driven,
		.stats = info.stats_count,
		.target_bytes = info.target_bytes,
		.inflated_bytes = info.balloon_bytes,
		.away_bytes = info.away_bytes,
		.discarded_bytes = info.discarded_bytes,
		.stat_total_bytes = info.total_bytes,
		.stat_free_bytes = info.free_bytes,
		.stat_available_bytes = info.available_bytes,
		.stat_used_bytes = virtio_balloon_used(&info, view->memory_bytes),
	};
}

uint64_t devices_throttled(const struct devices *devices)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < devices->disk_count; i++) {
		struct virtio_blk_info info;

		virtio_blk_get_info(devices->disks[i].blk, &info);
		sum += info.throttled;
	}
	for (unsigned i = 0; i < devices->nic_count; i++) {
		struct virtio_net_info info;

		virtio_net_get_info(devices->nics[i].net, &info);
		sum += info.throttled;
	}
	return sum;
}

void devices_get_view(const struct devices *devices, struct guest_view *view)
{
	struct virtio_rng_info rng;

	_Static_assert(VIEW_DISKS_MAX >= CONFIG_DISKS_MAX && VIEW_NICS_MAX >= CONFIG_NICS_MAX,
		       "what a document may say, a view can have");
	view->disk_count = devices->disk_count;
	for (unsigned i = 0; i < devices->disk_count; i++)
		view_disk(devices, i, &view->disks[i]);
	view->nic_count = devices->nic_count;
	for (unsigned i = 0; i < devices->nic_count; i++)
		view_nic(devices, i, &view->nics[i]);
	view_balloon(devices, view);
	virtio_rng_get_info(devices->rng, &rng);
	view->rng = (struct guest_rng_view){.requests = rng.requests,
					    .random_bytes = rng.bytes,
					    .throttled = rng.throttled};
}

/* What a guest's configuration plugs in: made whole or not at all, whichever part fails. The
 * devices themselves are fakes: that each comes apart by itself is its own test's business. */
/* links: guests/launch/devices.c guests/launch/sources.c */
/* links: guests/views/view.c guests/boot/boot.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/devices/virtio/balloon.h"
#include "guests/devices/virtio/blk.h"
#include "guests/devices/virtio/console.h"
#include "guests/devices/virtio/net.h"
#include "guests/devices/virtio/rng.h"
#include "guests/launch/devices.h"
#include "guests/launch/sources.h"
#include "guests/views/guest.h"
#include "kernel/io/network.h"
#include "kernel/io/storage.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/board.h"

/* What is asked of others: which one says no, and how many things are there now. */
static int left, things, sources, ports;

static bool refuses(void)
{
	return left == 0 || (left > 0 && left-- == 0);
}

static void *make(void)
{
	void *p = refuses() ? NULL : calloc(1, 16);

	things += p != NULL;
	return p;
}

static void unmake(void *p)
{
	things -= p != NULL;
	free(p);
}

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	if (refuses())
		return NULL;
	things++;
	return calloc(1, bytes);
}

void heap_free(void *p)
{
	unmake(p);
}

int gmem_write(struct gmem *gm, uint64_t gpa, const void *buf, size_t bytes)
{
	(void)gm, (void)gpa, (void)buf, (void)bytes;
	return 0;
}

void thread_yield(void)
{
}

static struct blkdev disk = {.bytes = 4096};
static struct blkdev *const disks[CONFIG_DISKS_MAX] = {&disk, &disk};
static _Atomic bool given_up;
static int open_error;
static unsigned opened, give_up_at; /* as that disk opens, from 1; 0: never */

int storage_open(const char *source, unsigned how, const char *owner, struct blkdev **dev,
		 char why[STORAGE_WHY_BYTES])
{
	(void)source, (void)how;
	assert_string_equal(owner, "guest");
	snprintf(why, STORAGE_WHY_BYTES, "is not there");
	if (refuses()) {
		*dev = NULL;
		return open_error;
	}
	sources++;
	given_up = give_up_at && ++opened == give_up_at;
	*dev = &disk;
	return 0;
}

void storage_close(struct blkdev *dev, const char *owner)
{
	assert_string_equal(owner, "guest");
	sources -= dev != NULL;
}

static void close_port(struct netdev *dev)
{
	(void)dev;
	ports--;
}

static const struct netdev_ops port_ops = {.close = close_port};
static struct netdev port = {.ops = &port_ops};

int network_attach(const struct network_port_config *config, struct netdev **dev,
		   char why[NETWORK_WHY_BYTES])
{
	(void)config;
	snprintf(why, NETWORK_WHY_BYTES, "is not there");
	if (refuses())
		return -ENOENT;
	ports++;
	*dev = &port;
	return 0;
}

struct virtio_blk *virtio_blk_create(const struct board *board, struct pci_root *root,
				     const struct config_disk *config, struct blkdev *dev)
{
	(void)board, (void)root, (void)config, (void)dev;
	return make();
}

void virtio_blk_destroy(struct virtio_blk *blk)
{
	unmake(blk);
}

void virtio_blk_get_info(const struct virtio_blk *blk, struct virtio_blk_info *info)
{
	assert_non_null(blk);
	memset(info, 0, sizeof(*info));
}

/* Once it is there the port is its. */
struct virtio_net *virtio_net_create(const struct board *board, struct pci_root *root,
				     const struct virtio_net_params *params)
{
	(void)board, (void)root;
	assert_ptr_equal(params->port, &port);
	return make();
}

void virtio_net_destroy(struct virtio_net *net)
{
	if (net)
		close_port(&port);
	unmake(net);
}

void virtio_net_get_info(const struct virtio_net *net, struct virtio_net_info *info)
{
	assert_non_null(net);
	memset(info, 0, sizeof(*info));
}

struct virtio_rng *virtio_rng_create(const struct board *board, struct pci_root *root)
{
	(void)board, (void)root;
	return make();
}

void virtio_rng_get_info(const struct virtio_rng *rng, struct virtio_rng_info *info)
{
	(void)rng;
	*info = (struct virtio_rng_info){.requests = 1, .bytes = 2, .throttled = 3};
}

uint64_t virtio_balloon_used(const struct virtio_balloon_info *info, uint64_t memory_bytes)
{
	(void)info;
	return memory_bytes / 2;
}

void virtio_rng_destroy(struct virtio_rng *rng)
{
	unmake(rng);
}

struct virtio_console *virtio_console_create(const struct board *board, struct pci_root *root,
					     struct console *console)
{
	(void)board, (void)root, (void)console;
	return make();
}

void virtio_console_destroy(struct virtio_console *console)
{
	unmake(console);
}

struct virtio_balloon *virtio_balloon_create(const struct board *board, struct pci_root *root)
{
	(void)board, (void)root;
	return make();
}

void virtio_balloon_destroy(struct virtio_balloon *balloon)
{
	unmake(balloon);
}

int virtio_balloon_set(struct virtio_balloon *balloon, uint64_t bytes)
{
	assert_non_null(balloon);
	return bytes ? 0 : -EINVAL;
}

void virtio_balloon_get_info(struct virtio_balloon *balloon, struct virtio_balloon_info *info)
{
	assert_non_null(balloon);
	memset(info, 0, sizeof(*info));
}

static struct guest_config config;

static int setup(void **state)
{
	(void)state;
	config = (struct guest_config){.name = "guest",
				       .disk_count = 2,
				       .nic_count = 2,
				       .console = CONFIG_CONSOLE_VIRTIO};
	strcpy(config.disks[0].source, "ram:8 MiB");
	strcpy(config.disks[1].serial, "second");
	return 0;
}

static void test_everything_may_fail(void **state)
{
	/* Itself; two disks; a port and a device for each NIC; random bytes, balloon, console.
	 */
	static const int asked = 1 + 2 + 2 * 2 + 3;
	static struct board board;
	struct devices *devices = NULL;
	char why[BOOT_WHY_BYTES];

	(void)state;
	for (int n = 0; n <= asked; n++) {
		int err;

		left = n;
		why[0] = '\0';
		err = devices_create(&config, disks, &board, NULL, NULL, &devices, why);
		if (n == asked) {
			assert_int_equal(err, 0);
			break;
		}
		assert_true(err < 0 && why[0]);
		assert_null(devices);
		assert_int_equal(things | sources | ports, 0);
	}
	assert_int_equal(ports, 2);
	devices_destroy(devices);
	assert_int_equal(things | sources | ports, 0);
	devices_destroy(NULL);
}

static void test_refusals_name_the_place(void **state)
{
	static struct board board;
	struct devices *devices;
	char why[BOOT_WHY_BYTES];

	(void)state;
	left = 3;
	assert_int_equal(devices_create(&config, disks, &board, NULL, NULL, &devices, why),
			 -ENOENT);
	assert_string_equal(why, "nics[0] is not there");
}

static void test_information(void **state)
{
	static struct board board;
	static struct guest_view info = {.memory_bytes = MIB};
	struct devices *devices;
	char why[BOOT_WHY_BYTES];

	(void)state;
	left = -1;
	config.console = CONFIG_CONSOLE_SERIAL;
	assert_int_equal(devices_create(&config, disks, &board, NULL, NULL, &devices, why), 0);
	devices_get_view(devices, &info);
	assert_int_equal(info.disk_count, 2);
	assert_int_equal(info.disks[1].bytes, 4096);
	assert_string_equal(info.disks[1].serial, "second");
	assert_int_equal(info.disks[1].id, 1);
	assert_int_equal(info.nic_count, 2);
	assert_int_equal(info.nics[1].id, 1);
	assert_int_equal(info.balloon.stat_used_bytes, MIB / 2);
	assert_int_equal(info.rng.requests, 1);
	assert_int_equal(info.rng.random_bytes, 2);
	assert_int_equal(info.rng.throttled, 3);
	assert_int_equal(devices_set_memory(devices, MIB), 0);
	assert_int_equal(devices_set_memory(devices, 0), -EINVAL);
	devices_destroy(devices);
}

/* ---- what is behind disks ------------------------------------------------------------------
 */

/* All are opened, or none. What is not there is told from what others have. */
static void test_sources_may_fail(void **state)
{
	static const struct {
		int error, becomes;
	} errors[] = {{-ENOENT, -ENODEV}, {-EINVAL, -ENODEV}, {-EROFS, -ENODEV},
		      {-EIO, -ENODEV},	  {-EBUSY, -EBUSY},   {-ENOMEM, -ENOMEM}};
	struct sources all;
	char why[BOOT_WHY_BYTES];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++) {
		open_error = errors[i].error;
		for (left = 0; left < 2;) {
			int n = left;

			assert_int_equal(sources_open(&config, &given_up, &all, why),
					 errors[i].becomes);
			if (n == 0)
				assert_string_equal(why,
						    "disks[0].source 'ram:8 MiB' is not there");
			assert_int_equal(sources, 0);
			assert_null(all.devs[0]);
			left = n + 1;
		}
	}
	left = -1;
	assert_int_equal(sources_open(&config, &given_up, &all, why), 0);
	assert_ptr_equal(all.devs[1], &disk);
	assert_int_equal(sources, 2);
	sources_close(&all);
	sources_close(&all);
	assert_int_equal(sources, 0);
}

/* Given up while a disk opens, which may take long: the next is not opened any more. */
static void test_given_up(void **state)
{
	struct sources all;
	char why[BOOT_WHY_BYTES];

	(void)state;
	left = -1;
	for (give_up_at = 1; give_up_at <= 2; give_up_at++) {
		opened = 0;
		assert_int_equal(sources_open(&config, &given_up, &all, why), -ECANCELED);
		assert_int_equal(opened, give_up_at);
		assert_int_equal(sources, 0);
	}
	give_up_at = 0;
	given_up = false;
}

#define TEST(fn) cmocka_unit_test_setup(fn, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_everything_may_fail),
		TEST(test_refusals_name_the_place),
		TEST(test_information),
		TEST(test_sources_may_fail),
		TEST(test_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

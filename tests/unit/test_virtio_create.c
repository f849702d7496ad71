/*
 * Disk, console, random numbers and balloon of a guest without memory, thread or slot:
 * whichever is missing, nothing is left behind, and the next attempt works. Networks are
 * test_virtio_net_create.c's.
 */
/* links: guests/devices/virtio/balloon_pages.c */
/* links: guests/devices/virtio/blk.c guests/devices/virtio/blk_request.c */
/* links: guests/devices/virtio/blk_part.c guests/devices/virtio/console.c */
/* links: guests/devices/virtio/rng.c guests/devices/virtio/balloon.c */
/* links: guests/devices/virtio/virtio.c guests/devices/virtio/registers.c */
/* links: guests/devices/virtio/queue.c guests/devices/virtio/split.c */
/* links: guests/devices/virtio/packed.c guests/devices/console.c guests/pci/pci.c */
/* links: guests/pci/access.c guests/pci/bars.c guests/pci/function.c guests/pci/msix.c */
/* links: guests/pci/pins.c kernel/vmm/bus.c tests/unit/fake_vmm.c tests/unit/fake_gmem.c */
/* links: tests/unit/fake_threads.c tests/unit/fake_blkdev.c */
#include "tests/unit/virtio_balloon_pool.h"

#include <stdlib.h>

#include "guests/config/config.h"
#include "guests/devices/console.h"
#include "guests/devices/virtio/blk.h"
#include "guests/devices/virtio/console.h"
#include "guests/devices/virtio/rng.h"
#include "kernel/cpu/random.h"
#include "tests/unit/fake_blkdev.h"

#define DISK_BYTES (8 * MIB)

static struct fake_disk disk;
static struct console *console;

int random_bytes(void *buf, size_t bytes)
{
	memset(buf, 0x5a, bytes);
	return 0;
}

size_t uart_receive(struct uart *uart, const uint8_t *bytes, size_t n)
{
	(void)uart, (void)bytes;
	return n;
}

void uart_drained(struct uart *uart)
{
	(void)uart;
}

/* ---- the devices ---- */

static void *create_disk(void)
{
	static const struct config_disk config = {.queues = 2,
						  .cache = CONFIG_CACHE_WRITE_BACK};

	return virtio_blk_create(&vm->board, root, &config, &disk.dev);
}

static void destroy_disk(void *device)
{
	virtio_blk_destroy(device);
}

static void *create_console(void)
{
	return virtio_console_create(&vm->board, root, console);
}

static void destroy_console(void *device)
{
	virtio_console_destroy(device);
}

static void *create_rng(void)
{
	return virtio_rng_create(&vm->board, root);
}

static void destroy_rng(void *device)
{
	virtio_rng_destroy(device);
}

static void *create_balloon(void)
{
	return virtio_balloon_create(&vm->board, root);
}

static void destroy_balloon(void *device)
{
	virtio_balloon_destroy(device);
}

/* `allocations`: its own and its thread's event queue, at least. */
static const struct device {
	void *(*create)(void);
	void (*destroy)(void *device);
	unsigned allocations;
} devices[] = {
	{create_disk, destroy_disk, 3},
	{create_console, destroy_console, 1},
	{create_rng, destroy_rng, 1},
	{create_balloon, destroy_balloon, 4},
};

/* ---- tests ---- */

static int plug_in(void **state)
{
	(void)state;
	machine_create();
	if (!disk.data)
		fake_disk_init(&disk, "d", DISK_BYTES, 512);
	if (!console)
		console = console_create("alpha");
	return 0;
}

static int unplug(void **state)
{
	(void)state;
	return machine_destroy();
}

/* The sanitizer sees what is lost of the heap. */
static void see_nothing_left(void)
{
	assert_int_equal(fake_threads_alive(), 0);
	assert_int_equal(fake_timers_armed(), 0);
	assert_int_equal(fake.pinned, 0);
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	for (const struct device *d = devices; d < devices + ARRAY_SIZE(devices); d++) {
		void *made = NULL;
		unsigned n;

		for (n = 0; !made; n++) {
			fake_heap_left = n;
			made = d->create();
			fake_heap_left = FAKE_HEAP_ALL;
			if (!made)
				see_nothing_left();
		}
		assert_true(n > d->allocations);
		d->destroy(made);
		see_nothing_left();
	}
}

static void no_thread(void **state)
{
	(void)state;
	for (const struct device *d = devices; d < devices + ARRAY_SIZE(devices); d++) {
		void *made;

		fake_threads_refused = true;
		assert_null(d->create());
		fake_threads_refused = false;
		see_nothing_left();
		made = d->create(); /* in the slot that was given back */
		assert_non_null(made);
		d->destroy(made);
	}
}

/* Whose slot was given back by each that failed before, or there were none in the end. */
static void no_slot(void **state)
{
	static const struct pci_function_ops none;
	static struct pci_function others[32];
	unsigned count = 0;
	void *made;

	(void)state;
	for (; count < ARRAY_SIZE(others); count++) {
		others[count] = (struct pci_function){.name = "other", .ops = &none};
		if (pci_root_add(root, &others[count]))
			break;
	}
	assert_int_equal(count, 31); /* one slot is the bridge's */
	for (const struct device *d = devices; d < devices + ARRAY_SIZE(devices); d++) {
		assert_null(d->create());
		see_nothing_left();
		pci_root_remove(&others[count - 1]);
		for (unsigned round = 0; round < 2; round++) {
			made = d->create();
			assert_non_null(made);
			assert_null(d->create());
			d->destroy(made);
		}
		assert_int_equal(pci_root_add(root, &others[count - 1]), 0);
	}
	while (count)
		pci_root_remove(&others[--count]);
}

static int drop_disk(void **state)
{
	(void)state;
	free(disk.data);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_allocation_may_fail, plug_in, unplug),
		cmocka_unit_test_setup_teardown(no_thread, plug_in, unplug),
		cmocka_unit_test_setup_teardown(no_slot, plug_in, unplug),
	};

	return cmocka_run_group_tests(tests, NULL, drop_disk);
}

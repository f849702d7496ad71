/*
 * A virtio device that gives every chain back, and a driver that brings it up. For the tests of
 * the transport.
 */
#ifndef TESTS_UNIT_VIRTIO_ECHO_H
#define TESTS_UNIT_VIRTIO_ECHO_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "tests/unit/virtio_pci.h"

#define QUEUES	  3
#define QUEUE_MAX 64
#define FEATURES  (BIT(0) | BIT(5))
#define VERSION_1 BIT(VIRTIO_F_VERSION_1)
#define RING(n)	  (0x100000ull + 0x10000ull * (n))
#define BUFFER	  0x800000ull
#define GSI	  pci_slot_gsi(1)
#define READY	  (ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK)

static struct virtio device;
static struct virtq_driver drivers[QUEUES];
static uint8_t config[12];
static bool hold; /* chains are not given back */
static unsigned starts, stops, services, config_writes;
static bool started;
static unsigned held_queue_stops;

/* ---- the device ---- */

static inline void device_start(struct virtio *virtio)
{
	assert_ptr_equal(virtio, &device);
	assert_false(started);
	started = true;
	starts++;
}

static inline void device_stop(struct virtio *virtio)
{
	(void)virtio;
	assert_true(started);
	started = false;
	stops++;
}

static inline void serve_queue(struct virtio *virtio, unsigned queue)
{
	static struct virtq_chain chain;
	struct virtq *q = &virtio->queues[queue].q;
	int got;

	while ((got = virtq_pop(q, &chain)) > 0)
		if (!hold)
			virtq_push(q, chain.id, chain.descriptors, chain.writable_bytes);
	if (got < 0)
		virtio_broken(virtio, q->why);
	else
		virtio_interrupt(virtio, queue);
}

static inline void device_service(struct virtio *virtio, uint64_t kicked)
{
	assert_true(started);
	services++;
	for (unsigned i = 0; i < virtio->queue_count; i++)
		if (kicked >> i & 1)
			serve_queue(virtio, i);
}

static inline void device_queue_stop(struct virtio *virtio, unsigned queue)
{
	assert_true(started);
	assert_true(virtio->queues[queue].q.live);
	held_queue_stops++;
}

static inline void device_config_write(struct virtio *virtio, unsigned offset, unsigned bytes,
				       uint32_t value)
{
	assert_true(offset + bytes <= virtio->type->config_bytes);
	memcpy(config + offset, &value, bytes);
	config_writes++;
}

static const struct virtio_type type = {
	.name = "virtio-test",
	.id = 42,
	.class_code = 0xff0000,
	.features = FEATURES | BIT(7),
	.queue_size = QUEUE_MAX,
	.config_bytes = sizeof(config),
	.start = device_start,
	.service = device_service,
	.stop = device_stop,
	.queue_stop = device_queue_stop,
	.config_write = device_config_write,
};

/* ---- set-up ---- */

static inline int setup(void **state)
{
	(void)state;
	machine_create();
	device = (struct virtio){.queue_count = QUEUES, .config = config};
	starts = stops = services = config_writes = held_queue_stops = 0;
	started = hold = false;
	memset(config, 0, sizeof(config));
	if (virtio_create(&device, &type, &vm->board, root, FEATURES))
		return -1;
	virtio_pci_find(&pci, &device);
	fake_threads_run();
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	virtio_destroy(&device);
	if (started)
		return -1;
	return machine_destroy();
}

/* Negotiates, enables all queues, and sets DRIVER_OK. */
static inline void bring_up(uint64_t features)
{
	virtio_pci_enable_msix(&pci);
	assert_true(virtio_pci_negotiate(&pci, features | VERSION_1));
	common_write(&pci, CONFIG_VECTOR, 2, 0);
	for (unsigned i = 0; i < QUEUES; i++)
		virtio_pci_enable_queue(&pci, i, RING(i), &drivers[i]);
	virtio_pci_driver_ok(&pci);
	fake_threads_run();
	assert_int_equal(common_read(&pci, STATUS, 1), READY);
	assert_true(started);
}

static inline void add(unsigned queue)
{
	const struct driver_buffer buffer = {BUFFER, 100, true};

	assert_true(driver_add(&drivers[queue], &buffer, 1, false) >= 0);
}

static inline void check_works(unsigned queue)
{
	unsigned messages = fake_message_count;
	uint32_t bytes;

	add(queue);
	virtio_pci_kick(&pci, queue);
	assert_true(driver_take(&drivers[queue], &bytes) >= 0);
	assert_int_equal(bytes, 100);
	assert_int_equal(fake_message_count, messages + 1);
	assert_int_equal(fake_messages[messages % FAKE_MESSAGES].data, queue + 1);
}

static inline void reset_device(void)
{
	common_write(&pci, STATUS, 1, 0);
	fake_threads_run();
	assert_int_equal(common_read(&pci, STATUS, 1), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif

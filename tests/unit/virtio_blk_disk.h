/*
 * A block device over a fake disk and a fake transport, with real queues, and the requests that
 * its driver makes. For the tests of guests/devices/virtio/blk*.c.
 */
#ifndef TESTS_UNIT_VIRTIO_BLK_DISK_H
#define TESTS_UNIT_VIRTIO_BLK_DISK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "guests/devices/virtio/blk_internal.h"
#include "tests/unit/fake_blkdev.h"
#include "tests/unit/fake_virtio.h"
#include "tests/unit/fake_vmm.h"
#include "tests/unit/virtq_driver.h"

#define RAM	   (64 * MIB)
#define DISK_BYTES (8 * MIB)
#define RINGS	   0x100000ull /* of queue 0; the next ones are 64 KiB further each */
#define TABLES	   0x800000ull /* 1 MiB for each queue */
#define HEADERS	   0x400000ull
#define DATA	   0x1000000ull
#define QUEUES	   2
#define ALL_BITS   UINT64_MAX
#define NO_STATUS  0xee

static struct fake_gmem fake;
static struct fake_disk disk;
static struct vm *vm;
static struct virtio_blk *blk;
static struct virtq_driver drivers[QUEUES];
static uint64_t next_header;

/* Negotiates `features` of those offered, and starts all queues. */
static inline void begin(uint64_t features)
{
	struct virtio *virtio = &blk->virtio;

	virtio->features = virtio->offered & features;
	for (unsigned i = 0; i < virtio->queue_count; i++) {
		struct virtq *q = &virtio->queues[i].q;
		uint64_t at = RINGS + i * 0x10000ull;

		*q = (struct virtq){.gm = &fake.gm,
				    .size = virtio->type->queue_size,
				    .desc_gpa = at,
				    .driver_gpa = at + 0x4000,
				    .device_gpa = at + 0x8000,
				    .event_idx = true,
				    .indirect = true};
		driver_init(&drivers[i], &fake, q, TABLES + i * 0x100000ull);
		assert_int_equal(virtq_start(q), 0);
	}
	virtio->type->start(virtio);
}

static inline void create(struct config_disk config)
{
	config.queues = config.queues ? config.queues : 1;
	blk = virtio_blk_create(&vm->board, NULL, &config, &disk.dev);
	assert_non_null(blk);
	blk->gm = &fake.gm;
	begin(ALL_BITS);
}

/* The device's thread waits for the disk. */
static inline void answer(void)
{
	fake_disk_answer(&disk);
}

static inline int setup(void **state)
{
	(void)state;
	fake_gmem_init(&fake, RAM);
	fake_disk_init(&disk, "fake", DISK_BYTES, 512);
	for (unsigned i = 0; i < DISK_BYTES; i++)
		disk.data[i] = (uint8_t)(i / 512 + i % 251);
	vm = fake_vm_create(1, NSEC_PER_SEC);
	blk = NULL;
	fake_virtio_start(answer);
	next_header = HEADERS;
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	if (blk) {
		disk.holds = false;
		virtio_blk_destroy(blk);
	}
	fake_gmem_fini(&fake);
	fake_vm_destroy(vm);
	free(disk.data);
	return 0;
}

/* The device's thread runs until nothing wakes it. */
static inline void run(uint64_t kicked)
{
	do {
		fake_wakes = 0;
		blk->virtio.type->service(&blk->virtio, kicked);
		kicked = 0;
	} while (fake_wakes && !fake_broken);
}

/* ---- requests --------------------------------------------------------------------------- */

#define BUFFERS 128

struct request {
	struct driver_buffer buffers[BUFFERS];
	unsigned count;
	uint64_t status;
};

static inline void add(struct request *r, uint64_t gpa, uint32_t bytes, bool writable)
{
	r->buffers[r->count++] = (struct driver_buffer){gpa, bytes, writable};
}

static inline struct request header(uint32_t type, uint64_t sector)
{
	struct request r = {0};

	*fake_gmem_put(&fake, next_header, struct virtio_blk_header) =
		(struct virtio_blk_header){.type = type, .sector = sector};
	add(&r, next_header, sizeof(struct virtio_blk_header), false);
	next_header += 64;
	return r;
}

static inline void add_status(struct request *r)
{
	r->status = next_header;
	*fake_gmem_put(&fake, r->status, uint8_t) = NO_STATUS;
	add(r, r->status, 1, true);
	next_header += 64;
}

static inline void send(struct request *r, unsigned queue)
{
	assert_true(driver_add(&drivers[queue], r->buffers, r->count, r->count > 8) >= 0);
}

static inline uint8_t status_of(const struct request *r)
{
	return *fake_gmem_at(&fake, r->status, uint8_t);
}

/* One request from start to end; its status. */
static inline uint8_t ask(struct request r, uint32_t *written)
{
	add_status(&r);
	send(&r, 0);
	run(1);
	assert_null(fake_broken);
	assert_true(driver_take(&drivers[0], written) >= 0);
	return status_of(&r);
}

static inline struct request data(uint32_t type, uint64_t sector, uint32_t bytes)
{
	struct request r = header(type, sector);

	add(&r, DATA, bytes, type == VIRTIO_BLK_T_IN);
	return r;
}

static inline uint8_t ask_data(uint32_t type, uint64_t sector, uint32_t bytes)
{
	uint32_t written;

	return ask(data(type, sector, bytes), &written);
}

static inline void fill(uint64_t gpa, size_t bytes, unsigned seed)
{
	for (size_t i = 0; i < bytes; i++)
		*fake_gmem_put(&fake, gpa + i, uint8_t) = (uint8_t)(i * 7 + i / 256 + seed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif

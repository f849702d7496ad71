/* The driver's side of a split virtqueue against a model of a device that takes chains,
 * finishes them in any order, and says when it wants to be notified. */
/* links: drivers/virtio/vring.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/virtio/vring.h"

#define SIZE	16
#define ENTRIES 8
#define ROUNDS	200000 /* indices wrap at 65536 */

static struct vring ring;
static uint8_t memory[4096] __attribute__((aligned(16)));
static uint8_t tables[SIZE * ENTRIES * 16] __attribute__((aligned(16)));

/* The device: how far it has read, and what it has not finished. */
static struct {
	uint16_t seen;
	uint16_t held[SIZE];
	unsigned held_count;
} device;
static bool checked; /* tokens are struct chain */

/* A chain's token says what it was made of. */
struct chain {
	struct vring_buffer buffers[SIZE];
	unsigned out, in;
	bool done;
};

static uint16_t *avail_event(void)
{
	return (uint16_t *)&ring.used->ring[SIZE];
}

static uint16_t used_event(void)
{
	return ring.avail->ring[SIZE];
}

static void start(bool event_index, bool indirect)
{
	assert_in_range(vring_bytes(SIZE), 1, sizeof(memory));
	assert_int_equal(vring_table_bytes(SIZE, ENTRIES), sizeof(tables));
	memset(memory, 0, sizeof(memory));
	memset(&device, 0, sizeof(device));
	vring_init(&ring, SIZE, memory, (uint64_t)memory);
	if (indirect)
		vring_set_tables(&ring, ENTRIES, tables, (uint64_t)tables);
	vring_reset(&ring, event_index);
}

static void device_read_all(void)
{
	for (; device.seen != ring.avail->idx; device.seen++)
		device.held[device.held_count++] = ring.avail->ring[device.seen % SIZE];
	assert_true(device.held_count <= SIZE);
	*avail_event() = device.seen;
}

/* What the device finds at `id` is what was added with its token. */
static void check_chain(unsigned id)
{
	const struct chain *chain = ring.tokens[id];
	const struct virtq_desc *table = ring.desc, *desc = &ring.desc[id];

	assert_non_null(chain);
	if (desc->split.flags & 4) {
		assert_true(ring.tables && chain->out + chain->in > 1);
		assert_int_equal(desc->bytes, 16 * (chain->out + chain->in));
		table = desc = (const struct virtq_desc *)desc->addr;
	}
	for (unsigned i = 0; i < chain->out + chain->in; i++) {
		assert_int_equal(desc->addr, chain->buffers[i].phys);
		assert_int_equal(desc->bytes, chain->buffers[i].bytes);
		assert_int_equal(!!(desc->split.flags & 2), i >= chain->out);
		assert_int_equal(!!(desc->split.flags & 1), i + 1 < chain->out + chain->in);
		desc = &table[desc->split.next];
	}
}

/* Finishes one of those it holds; returns whether the driver wants to be interrupted. */
static bool device_finish(unsigned which)
{
	uint16_t before = ring.used->idx, id = device.held[which];

	if (checked)
		check_chain(id);
	ring.used->ring[before % SIZE].id = id;
	ring.used->ring[before % SIZE].bytes = id * 3;
	device.held[which] = device.held[--device.held_count];
	ring.used->idx = before + 1;
	if (ring.event_index) {
		assert_int_equal(ring.avail->flags, 0); /* 2.7.6.1 */
		return used_event() == before;
	}
	return !(ring.avail->flags & 1);
}

static bool add_random(void)
{
	struct chain *chain = calloc(1, sizeof(*chain));
	int err;

	chain->out = rand() % 5;
	chain->in = rand() % 5 + !chain->out;
	for (unsigned i = 0; i < chain->out + chain->in; i++)
		chain->buffers[i] = (struct vring_buffer){rand(), rand()};
	err = vring_add(&ring, chain->buffers, chain->out, chain->in, chain);
	assert_true(err == 0 || err == -EAGAIN);
	assert_true((err == 0) || !vring_has_room(&ring, chain->out + chain->in));
	if (err)
		free(chain);
	return err == 0;
}

static unsigned take_all(void)
{
	unsigned n = 0;
	uint32_t bytes;
	struct chain *chain;

	for (; (chain = vring_take(&ring, &bytes)); n++)
		free(chain);
	return n;
}

/* Everything at random: nothing is lost, and nobody sleeps while the other waits for him. */
static void run(bool event_index, bool indirect)
{
	unsigned added = 0, taken = 0;

	start(event_index, indirect);
	checked = true;
	srand(1);
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned count = rand() % 4;

		for (unsigned i = 0; i < count; i++)
			added += add_random();
		if (vring_publish(&ring))
			device_read_all();
		while (device.held_count && rand() % 3)
			device_finish(rand() % device.held_count);
		taken += take_all();
		assert_false(ring.broken);
		assert_int_equal(device.seen, ring.added);
	}
	while (device.held_count)
		device_finish(0);
	taken += take_all();
	assert_int_equal(added, taken);
	assert_true(added > 65536);
	assert_int_equal(ring.free_count, SIZE);
	checked = false;
}

static void test_random(void **state)
{
	(void)state;
	run(false, false);
	run(false, true);
	run(true, false);
	run(true, true);
}

static void add_one(unsigned token)
{
	const struct vring_buffer buffer = {0x1000, 1};

	assert_int_equal(vring_add(&ring, &buffer, 1, 0, (void *)(uintptr_t)token), 0);
}

/* A device that is busy need not be told. */
static void test_notifications_are_spared(void **state)
{
	(void)state;
	start(true, false);
	add_one(1);
	assert_true(vring_publish(&ring)); /* the event index was 0 */
	add_one(2);
	assert_false(vring_publish(&ring));
	*avail_event() = 2;
	add_one(3);
	assert_true(vring_publish(&ring));
	assert_false(vring_publish(&ring)); /* nothing new */

	start(false, false);
	ring.used->flags = 1;
	add_one(1);
	assert_false(vring_publish(&ring));
	ring.used->flags = 0;
	add_one(2);
	assert_true(vring_publish(&ring));
}

static void test_interrupts(void **state)
{
	uint32_t bytes;

	(void)state;
	for (unsigned event_index = 0; event_index < 2; event_index++) {
		start(event_index, false);
		for (unsigned i = 1; i <= 3; i++)
			add_one(i);
		vring_publish(&ring);
		device_read_all();
		vring_interrupt_off(&ring);
		assert_false(device_finish(0));
		assert_true(vring_interrupt_on(&ring)); /* too late for an interrupt */
		assert_non_null(vring_take(&ring, &bytes));
		assert_false(vring_interrupt_on(&ring));
		assert_true(device_finish(0));
		assert_non_null(vring_take(&ring, &bytes));
		vring_interrupt_off(&ring);
		assert_false(device_finish(0));
	}
}

/* IDs that are out of range, or were not given, break the ring and nothing else. */
static void test_nonsense_from_the_device(void **state)
{
	const unsigned ids[] = {SIZE, UINT32_MAX, 1};
	uint32_t bytes;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
		start(false, false);
		add_one(1); /* id 0 */
		vring_publish(&ring);
		ring.used->ring[0].id = ids[i];
		ring.used->idx = 1;
		assert_null(vring_take(&ring, &bytes));
		assert_true(ring.broken);
		assert_null(vring_take(&ring, &bytes));
		vring_reset(&ring, false);
		assert_false(ring.broken);
		assert_int_equal(ring.free_count, SIZE);
	}
}

static void test_too_long(void **state)
{
	struct vring_buffer buffers[SIZE + 1] = {{0}};

	(void)state;
	start(false, true);
	assert_int_equal(vring_add(&ring, buffers, SIZE + 1, 0, &ring), -E2BIG);
	assert_int_equal(vring_add(&ring, buffers, SIZE, 0, &ring),
			 0); /* no table is so long */
	assert_int_equal(vring_add(&ring, buffers, 1, 0, &ring), -EAGAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_notifications_are_spared),
		cmocka_unit_test(test_interrupts),
		cmocka_unit_test(test_nonsense_from_the_device),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

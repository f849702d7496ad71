/*
 * A driver and a device on one virtqueue, each on a thread of its own, as a vCPU and a device's
 * thread are: split and packed, with and without event indices, chains put back now and then.
 * Each tells the other only when asked to: no chain is lost, and nobody sleeps for ever.
 */
/* links: guests/devices/virtio/queue.c guests/devices/virtio/split.c */
/* links: guests/devices/virtio/packed.c tests/stress/stress.c */
#include "tests/stress/stress.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "guests/devices/virtio/queue.h"
#include "guests/devices/virtio/queue_internal.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/gmem.h"

#define SIZE	  16
#define CHAINS	  20000u

#define ram	  stress_window
#define RAM_BYTES 16384
#define GPA(p)	  ((uint64_t)(p)-GUEST_WINDOW_BASE)

bool gmem_is_ram(const struct gmem *gm, uint64_t gpa, uint64_t bytes)
{
	(void)gm;
	return gpa < RAM_BYTES && bytes <= RAM_BYTES - gpa;
}

int gmem_pin(struct gmem *gm, uint64_t gpa, uint64_t *hpa, uint64_t *bytes)
{
	(void)gm, (void)bytes;
	*hpa = gpa;
	return 0;
}

void gmem_unpin(struct gmem *gm, uint64_t gpa)
{
	(void)gm, (void)gpa;
}

int gmem_read(struct gmem *gm, uint64_t gpa, void *buf, size_t bytes)
{
	(void)gm;
	memcpy(buf, (void *)(GUEST_WINDOW_BASE + gpa), bytes);
	return 0;
}

int gmem_write(struct gmem *gm, uint64_t gpa, const void *buf, size_t bytes)
{
	(void)gm;
	memcpy((void *)(GUEST_WINDOW_BASE + gpa), buf, bytes);
	return 0;
}

/* ---- both sides -------------------------------------------------------------------------- */

static uint64_t seed = 0x9e3779b97f4a7c15ull;
static struct virtq q;
static struct gmem gmem;
static struct virtq_desc *desc;
static uint32_t *data; /* one word for each chain of the ring */
static uint16_t *driver_area, *device_area;
static struct thread *driver_thread, *device_thread;
static _Atomic uint64_t kicks, interrupts;
static _Atomic unsigned ended;

/* Each may yet wake the other: they end together. */
static void end(void)
{
	ended++;
	while (ended < 2)
		sched_yield();
}

/* The device: adds one to each word. */
static void run_device(void *arg)
{
	uint64_t random = seed * 5;
	uint32_t done = 0;
	struct virtq_chain chain;

	(void)arg;
	thread_block(); /* until both are there */
	while (done < CHAINS) {
		int got = virtq_pop(&q, &chain);
		uint32_t word;

		demand(got >= 0);
		if (got == 0) {
			if (virtq_should_interrupt(&q)) {
				interrupts++;
				thread_wake(driver_thread);
			}
			if (!virtq_notify_on(&q))
				thread_block();
			virtq_notify_off(&q);
			continue;
		}
		if (stress_chance(&random, 8)) {
			virtq_unpop(&q, &chain);
			continue;
		}
		demand(virtq_read(&q, &chain, 0, &word, 4) == 4);
		word++;
		demand(virtq_write(&q, &chain, 0, &word, 4) == 4);
		virtq_push(&q, chain.id, chain.descriptors, 4);
		done++;
		if (stress_chance(&random, 4) && virtq_should_interrupt(&q)) {
			interrupts++;
			thread_wake(driver_thread);
		}
	}
	virtq_should_interrupt(&q);
	thread_wake(driver_thread);
	end();
}

/* ---- a driver of split rings (virtio 1.2, 2.7.13, 2.7.14) -------------------------------- */

static uint16_t added, used;

static void split_add(uint32_t number)
{
	uint16_t head = (uint16_t)(number % (SIZE / 2) * 2);
	const struct virtq_desc out = {
		GPA(&data[head]), 4, {{DESC_NEXT, (uint16_t)(head + 1)}}};
	const struct virtq_desc in = {GPA(&data[head + 1]), 4, {{DESC_WRITE, 0}}};

	data[head] = number;
	memcpy(&desc[head], &out, sizeof out);
	memcpy(&desc[head + 1], &in, sizeof in);
	ring_store16(&driver_area[2 + added % SIZE], head);
	ring_store16(&driver_area[1], ++added);
	ring_fence();
}

static bool split_wants_kick(uint16_t before)
{
	uint16_t event;

	if (!q.event_idx)
		return !(ring_load16(&device_area[0]) & 1);
	event = ring_load16(&device_area[2 + SIZE * 4]);
	return (uint16_t)(added - event - 1) < (uint16_t)(added - before);
}

static bool split_take(uint32_t number)
{
	uint16_t head;

	if (ring_load16(&device_area[1]) == used)
		return false;
	head = (uint16_t)ring_load32((uint32_t *)&device_area[2 + used % SIZE * 4]);
	demand(head == number % (SIZE / 2) * 2);
	demand(data[head + 1] == number + 1);
	used++;
	return true;
}

/* Asks for an interrupt; whether something came meanwhile. */
static bool split_ask(void)
{
	if (q.event_idx)
		ring_store16(&driver_area[2 + SIZE], used);
	else
		ring_store16(&driver_area[0], 0);
	ring_fence();
	return ring_load16(&device_area[1]) != used;
}

/* ---- a driver of packed rings (2.8.21, 2.8.22) --------------------------------------------
 */

static uint16_t at, used_at;
static bool wrap = true, used_wrap = true;

static uint16_t packed_flags(uint16_t flags)
{
	return (uint16_t)(flags | (wrap ? DESC_AVAIL : DESC_USED));
}

static void next_slot(uint16_t *slot, bool *lap, unsigned by)
{
	*slot = (uint16_t)(*slot + by);
	if (*slot >= SIZE) {
		*slot = (uint16_t)(*slot - SIZE);
		*lap = !*lap;
	}
}

static void put_desc(struct virtq_desc *to, uint64_t addr, uint16_t id)
{
	atomic_store_explicit((_Atomic uint64_t *)&to->addr, addr, memory_order_relaxed);
	ring_store32(&to->bytes, 4);
	ring_store16(&to->packed.id, id);
}

static void packed_add(uint32_t number)
{
	uint16_t head = at, id = (uint16_t)(number % (SIZE / 2) * 2), first;

	data[id] = number;
	put_desc(&desc[head], GPA(&data[id]), id);
	first = packed_flags(DESC_NEXT);
	next_slot(&at, &wrap, 1);
	put_desc(&desc[at], GPA(&data[id + 1]), id);
	ring_store16(&desc[at].packed.flags, packed_flags(DESC_WRITE));
	next_slot(&at, &wrap, 1);
	ring_store16(&desc[head].packed.flags, first);
	ring_fence();
	added = (uint16_t)(added + 2);
}

static bool packed_wants_kick(uint16_t before)
{
	uint32_t event = ring_load32((uint32_t *)device_area);
	uint16_t slot = event & 0x7fff;

	if (event >> 16 == 1)
		return false;
	if (event >> 16 == 0)
		return true;
	if (!(event & 0x8000) == wrap)
		slot = (uint16_t)(slot - SIZE);
	return (uint16_t)(at - slot - 1) < (uint16_t)(added - before);
}

static bool packed_is_used(void)
{
	uint16_t flags = ring_load16(&desc[used_at].packed.flags);

	return !(flags & DESC_USED) == !used_wrap && !(flags & DESC_AVAIL) == !used_wrap;
}

static bool packed_take(uint32_t number)
{
	uint16_t id;

	if (!packed_is_used())
		return false;
	id = ring_load16(&desc[used_at].packed.id);
	demand(id == number % (SIZE / 2) * 2);
	demand(data[id + 1] == number + 1);
	next_slot(&used_at, &used_wrap, 2);
	return true;
}

static bool packed_ask(void)
{
	uint32_t event = 0;

	if (q.event_idx)
		event = 2u << 16 | (used_wrap ? 0x8000u : 0) | used_at;
	ring_store32((uint32_t *)driver_area, event);
	ring_fence();
	return packed_is_used();
}

/* ---- the driver -------------------------------------------------------------------------- */

/* SIZE / 2 chains at most are under way, each with a word to be read and one to be written. */
static void run_driver(void *arg)
{
	uint64_t random = seed * 7;
	uint32_t given = 0, back = 0;

	(void)arg;
	thread_block();
	while (back < CHAINS) {
		uint16_t before = added;
		unsigned want = (unsigned)(stress_random(&random) % (SIZE / 2) + 1);

		for (; want && given < CHAINS && given - back < SIZE / 2; want--, given++)
			q.packed ? packed_add(given) : split_add(given);
		if (added != before &&
		    (q.packed ? packed_wants_kick(before) : split_wants_kick(before))) {
			kicks++;
			thread_wake(device_thread);
		}
		while (q.packed ? packed_take(back) : split_take(back))
			back++;
		if (given - back == SIZE / 2 || (given == CHAINS && back < CHAINS))
			if (!(q.packed ? packed_ask() : split_ask()))
				thread_block();
	}
	end();
}

static void run(bool packed, bool event_idx)
{
	memset(ram, 0, RAM_BYTES);
	q = (struct virtq){.gm = &gmem, .size = SIZE, .packed = packed, .event_idx = event_idx};
	desc = (void *)ram;
	driver_area = (void *)(ram + 4096);
	device_area = (void *)(ram + 8192);
	data = (void *)(ram + 12288);
	q.desc_gpa = GPA(desc);
	q.driver_gpa = GPA(driver_area);
	q.device_gpa = GPA(device_area);
	added = used = at = used_at = 0;
	wrap = used_wrap = true;
	kicks = interrupts = ended = 0;
	assert_int_equal(virtq_start(&q), 0);
	device_thread = stress_thread("device", run_device, NULL);
	driver_thread = stress_thread("driver", run_driver, NULL);
	thread_wake(device_thread);
	thread_wake(driver_thread);
	thread_join(driver_thread);
	thread_join(device_thread);
	virtq_stop(&q);
	/* They do work that was asked for, not each time. */
	assert_true(kicks < CHAINS && interrupts < CHAINS);
}

static void test_split(void **state)
{
	(void)state;
	run(false, false);
	run(false, true);
}

static void test_packed(void **state)
{
	(void)state;
	run(true, false);
	run(true, true);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_split),
					   cmocka_unit_test(test_packed)};

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0) | 1;
	return cmocka_run_group_tests(tests, stress_start, NULL);
}

/*
 * The heap and both pools of frames from all CPUs at once: what one has is nobody else's, holds
 * what was written, is charged to whom it was for, and is back in the end.
 */
/* links: kernel/mem/heap.c kernel/mem/frames.c kernel/mem/buddy.c tests/stress/stress.c */
#include "tests/stress/stress.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/mem/plan.h"
#include "kernel/sched/thread.h"

#define ARENA_BYTES (16 * MIB)
#define BLOCKS	    64 /* of 2 MiB, which are numbers */
#define GUEST_BASE  (4 * GIB)
#define THREADS	    4
#define HELD	    40
#define ROUNDS	    4000

static uint64_t seed = 0x853c49e6748fea9bull;
static struct mem_account accounts[THREADS];
static _Atomic unsigned owners[BLOCKS]; /* of guest frames, thread + 1 */
static _Atomic bool over;

/* What a thread hands to the next: freed by another than it was allocated by. */
static void *_Atomic passed[THREADS];

void panic(const char *fmt, ...)
{
	stress_fail(fmt, 0, "panic");
}

static size_t size_of(uint64_t *random)
{
	return stress_chance(random, 16) ? 1 + stress_random(random) % 20000
					 : 1 + stress_random(random) % 600;
}

static void *take_memory(unsigned me, uint64_t *random)
{
	size_t bytes = size_of(random);
	uint8_t *p = heap_zalloc(bytes, &accounts[me]);

	if (!p)
		return NULL;
	for (size_t i = 0; i < bytes; i += 97)
		demand(p[i] == 0);
	memset(p, (int)(me + 1), heap_usable_bytes(p));
	return p;
}

static void check_and_free(void *memory)
{
	uint8_t *p = memory;

	if (!p)
		return;
	for (size_t i = 0; i < heap_usable_bytes(p); i += 61)
		demand(p[i] == p[0]);
	heap_free(p);
}

static void own(uint64_t phys, unsigned order, unsigned from, unsigned to)
{
	uint64_t first = (phys - GUEST_BASE) / PAGE_2M;

	for (uint64_t i = first; i < first + (1u << order); i++)
		demand(atomic_exchange(&owners[i], to) == from);
}

/* A block of several, given back one by one. */
static void use_guest_frames(unsigned me, uint64_t *random)
{
	unsigned order = (unsigned)(stress_random(random) % 4);
	uint64_t phys = guest_frames_alloc(order);

	if (!phys)
		return;
	own(phys, order, 0, me + 1);
	sched_yield();
	own(phys, order, me + 1, 0);
	if (order && stress_chance(random, 2)) {
		guest_frames_split(phys, order);
		for (unsigned i = 0; i < 1u << order; i++)
			guest_frames_free(phys + i * PAGE_2M, 0);
	} else {
		guest_frames_free(phys, order);
	}
}

static void run(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	uint64_t random = seed * (2 * me + 1);
	void *held[HELD] = {0};

	for (unsigned n = 0; n < ROUNDS; n++) {
		void **slot = &held[stress_random(&random) % HELD];

		check_and_free(*slot);
		*slot = take_memory(me, &random);
		if (stress_chance(&random, 8))
			*slot = atomic_exchange(&passed[(me + 1) % THREADS], *slot);
		if (stress_chance(&random, 8))
			check_and_free(atomic_exchange(&passed[me], NULL));
		if (stress_chance(&random, 4))
			use_guest_frames(me, &random);
	}
	for (unsigned i = 0; i < HELD; i++)
		check_and_free(held[i]);
}

static void watch(void *arg)
{
	(void)arg;
	while (!over) {
		demand(frames_free_bytes() <= frames_total_bytes());
		demand(guest_frames_free_bytes() <= guest_frames_total_bytes());
		sched_yield();
	}
}

static void test_memory(void **state)
{
	const struct mem_extent blocks = {.base = GUEST_BASE, .bytes = BLOCKS * PAGE_2M};
	uint32_t units = ARENA_BYTES / PAGE_BYTES;
	uint8_t *arena = aligned_alloc(ARENA_BYTES, ARENA_BYTES);
	void *metadata = calloc(1, frames_metadata_bytes(units));
	struct thread *threads[THREADS], *watcher;

	(void)state;
	frames_init(metadata, units);
	frames_add(directmap_phys(arena), ARENA_BYTES);
	frames_give(directmap_phys(arena), ARENA_BYTES);
	assert_int_equal(guest_frames_init(&blocks, 1), 0);
	watcher = stress_thread("watcher", watch, NULL);
	for (uintptr_t i = 0; i < THREADS; i++)
		threads[i] = stress_thread("memory", run, (void *)i);
	for (unsigned i = 0; i < THREADS; i++)
		thread_join(threads[i]);
	over = true;
	thread_join(watcher);
	for (unsigned i = 0; i < THREADS; i++)
		check_and_free(passed[i]);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(accounts[i].bytes, 0);
	assert_int_equal(guest_frames_free_bytes(), guest_frames_total_bytes());
	free(metadata);
	free(arena);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory)};

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0) | 1;
	return cmocka_run_group_tests(tests, stress_start, NULL);
}

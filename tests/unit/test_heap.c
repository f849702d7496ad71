/*
 * The heap against a model: random allocations, whose contents, alignment and accounts are
 * checked. Frames come from an arena; the buddy allocator has its own test.
 */
/* links: kernel/mem/heap.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "tests/unit/checks_host.h"

#define ARENA_BYTES (32 * MIB)
#define BLOCKS_MAX  2000
#define ACCOUNTS    4

static uint8_t *arena;
static struct frame_note notes[ARENA_BYTES / PAGE_BYTES];
static uint8_t orders[ARENA_BYTES / PAGE_BYTES]; /* order + 1 of what starts there */
static bool used[ARENA_BYTES / PAGE_BYTES];
static uint64_t frames_limit, frames_used; /* bytes */
static jmp_buf panicked;

/* Naturally aligned first fit. Physical addresses are such that directmap() yields the arena.
 */
uint64_t frames_alloc(unsigned order, struct mem_account *account)
{
	uint64_t count = 1ull << order;

	if (frames_used + (count << 12) > frames_limit)
		return 0;
	for (uint64_t at = 0; at + count <= ARRAY_SIZE(used); at += count) {
		if (memchr(used + at, true, count))
			continue;
		memset(used + at, true, count);
		orders[at] = (uint8_t)(order + 1);
		frames_used += count << 12;
		if (account)
			account->bytes += count << 12;
		memset(arena + (at << 12), 0, count << 12);
		return directmap_phys(arena + (at << 12));
	}
	return 0;
}

void frames_free(uint64_t phys, unsigned order, struct mem_account *account)
{
	uint64_t at = (uint64_t)((uint8_t *)directmap(phys) - arena) >> 12;

	assert_int_equal(orders[at], order + 1);
	orders[at] = 0;
	memset(used + at, false, 1ull << order);
	memset(directmap(phys), 0xa5, PAGE_BYTES << order);
	frames_used -= PAGE_BYTES << order;
	if (account)
		account->bytes -= PAGE_BYTES << order;
}

struct frame_note *frames_note(uint64_t phys)
{
	uint64_t offset = (uint64_t)directmap(phys) - (uint64_t)arena;

	return offset < ARENA_BYTES ? &notes[offset >> 12] : NULL;
}

void panic(const char *fmt, ...)
{
	(void)fmt;
	checks_this_cpu()->count = 0; /* what it held goes with it */
	checks_irqs_off = false;
	longjmp(panicked, 1);
}

static struct block {
	uint8_t *p;
	size_t bytes, usable;
	uint8_t fill;
	struct mem_account *account;
} blocks[BLOCKS_MAX];
static unsigned block_count;
static struct mem_account accounts[ACCOUNTS];

static int start(void **state)
{
	(void)state;
	frames_limit = ARENA_BYTES;
	if (!arena)
		arena = aligned_alloc(ARENA_BYTES, ARENA_BYTES);
	return arena ? 0 : -1;
}

static size_t random_size(void)
{
	switch (rand() % 8) {
	case 0: return (size_t)rand() % 20000;
	case 1: return 2040 + (size_t)rand() % 20;
	case 2: return 4090 + (size_t)rand() % 12;
	default: return (size_t)rand() % 700;
	}
}

static bool filled_with(const uint8_t *p, uint8_t byte, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (p[i] != byte)
			return false;
	return true;
}

static void allocate(void)
{
	struct block *b = &blocks[block_count];

	b->bytes = random_size();
	b->account = rand() % 5 ? &accounts[rand() % ACCOUNTS] : NULL;
	b->p = heap_zalloc(b->bytes, b->account);
	if (!b->p)
		return;
	block_count++;
	b->usable = heap_usable_bytes(b->p);
	assert_true(b->usable >= b->bytes);
	assert_true(IS_ALIGNED((uint64_t)b->p, b->bytes >= 4096 ? 4096
					       : b->bytes >= 64 ? 64
								: 16));
	assert_true(filled_with(b->p, 0, b->usable));
	b->fill = (uint8_t)(1 + rand() % 255);
	memset(b->p, b->fill, b->usable);
}

static void release(unsigned index)
{
	struct block *b = &blocks[index];

	assert_true(filled_with(b->p, b->fill, b->usable));
	heap_free(b->p);
	*b = blocks[--block_count];
}

static void check_accounts(void)
{
	uint64_t sums[ACCOUNTS] = {0};

	for (unsigned i = 0; i < block_count; i++)
		if (blocks[i].account)
			sums[blocks[i].account - accounts] += blocks[i].usable;
	for (unsigned i = 0; i < ACCOUNTS; i++)
		assert_int_equal(accounts[i].bytes, sums[i]);
}

/* Also while memory is short: then it says no, and goes on once there is some. */
static void test_random_operations(void **state)
{
	(void)state;
	srand(7);
	for (unsigned step = 0; step < 100000; step++) {
		if (step % 20000 == 0)
			frames_limit = step % 40000 ? 512 * KIB : ARENA_BYTES;
		if (rand() % 100 < (step / 10000 % 2 ? 35 : 65) && block_count < BLOCKS_MAX)
			allocate();
		else if (block_count)
			release((unsigned)rand() % block_count);
		if (step % 64 == 0)
			check_accounts();
	}
	while (block_count)
		release(0);
	check_accounts();
	assert_true(frames_used <= 13 * 32 * KIB); /* at most one unused slab of each size */
}

static void test_edges(void **state)
{
	void *p = heap_zalloc(0, NULL);

	(void)state;
	assert_non_null(p);
	heap_free(p);
	heap_free(NULL);
	assert_null(heap_zalloc(SIZE_MAX, NULL));
	assert_null(heap_zalloc(ARENA_BYTES * 2, NULL));
	p = heap_zalloc(4 * MIB, &accounts[0]);
	assert_non_null(p);
	assert_int_equal(accounts[0].bytes, 4 * MIB);
	heap_free(p);
	assert_int_equal(accounts[0].bytes, 0);
}

#define assert_panics(call)                    \
	do {                                   \
		if (!setjmp(panicked)) {       \
			call;                  \
			fail_msg("%s", #call); \
		}                              \
	} while (0)

static char outside[64];

/* Each misuse is found. What panicked holds its lock, so each tries a size of its own. */
static void test_misuse(void **state)
{
	char *small = heap_zalloc(16, NULL), *twice = heap_zalloc(64, NULL);
	char *large = heap_zalloc(10000, NULL);

	(void)state;
	assert_panics(heap_free(small + 8));
	heap_free(twice);
	assert_panics(heap_free(twice));
	assert_panics(heap_free(large + 16));
	assert_panics(heap_free(outside));
	heap_free(large);
	assert_panics(heap_free(large));
}

/* The place behind a slab's last object is none, though it lies in the slab. */
static void test_behind_the_last_object(void **state)
{
	static char *last;

	(void)state;
	for (unsigned i = 0; i < 15; i++) { /* all of a slab of 8 frames */
		char *object = heap_zalloc(2048, NULL);

		assert_non_null(object);
		last = object > last ? object : last;
	}
	assert_int_equal((uint64_t)(last + 2048) / (8 * PAGE_BYTES),
			 (uint64_t)last / (8 * PAGE_BYTES));
	assert_panics(heap_free(last + 2048));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_random_operations, start),
		cmocka_unit_test_setup(test_edges, start),
		cmocka_unit_test_setup(test_misuse, start),
		cmocka_unit_test_setup(test_behind_the_last_object, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

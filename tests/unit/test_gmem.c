/*
 * Guest RAM: what is reserved where, what a guest finds in it at first touch, when the pages
 * become large, and that a failure half way leaves nothing behind. Frames are numbers here; the
 * window is real memory, the same 2 MiB again and again.
 */
/* links: kernel/vmm/gmem.c kernel/vmm/gmem_return.c kernel/vmm/nested.c kernel/mem/pagetable.c
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/cpu/cpu.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/backend.h"
#include "kernel/vmm/gmem.h"
#include "kernel/vmm/nested.h"

#define POOL_BASE   (64 * GIB)
#define WINDOW_SIZE (6 * GIB)
#define OTHERS	    0xaa

struct cpu_features cpu_features;
static unsigned tables, objects, fail_after, largest_order = GUEST_FRAMES_ORDER_MAX;
static unsigned splits, flushes;
static bool fill_new; /* frames come with somebody's data */
static uint64_t next_frame, frames_out;
static struct mem_account account;

static unsigned max_level(void)
{
	return 3;
}

static const struct vmm_backend backend = {.nested_format = &pt_format_npt,
					   .nested_max_level = max_level};
const struct vmm_backend *vmm_backend = &backend;

/* Every allocation asks here; the one after `fail_after` others fails. */
static bool may_allocate(void)
{
	return fail_after == 0 || --fail_after > 0;
}

uint64_t guest_frames_alloc(unsigned order)
{
	uint64_t size = PAGE_2M << order, at = ALIGN_UP(next_frame, size);

	if (order > largest_order || !may_allocate())
		return 0;
	next_frame = at + size;
	frames_out += size;
	if (fill_new)
		memset((void *)GUEST_WINDOW_BASE, OTHERS, PAGE_2M); /* whatever shows it */
	return at;
}

void guest_frames_free(uint64_t phys, unsigned order)
{
	assert_true(IS_ALIGNED(phys, PAGE_2M << order));
	frames_out -= PAGE_2M << order;
}

void guest_frames_split(uint64_t phys, unsigned order)
{
	assert_true(IS_ALIGNED(phys, PAGE_2M << order));
	splits++;
}

void *heap_zalloc(size_t bytes, struct mem_account *a)
{
	assert_ptr_equal(a, &account);
	if (!may_allocate())
		return NULL;
	objects++;
	return calloc(1, bytes);
}

void heap_free(void *p)
{
	objects -= p != NULL;
	free(p);
}

static void *table_alloc(void *arg, uint64_t *phys)
{
	void *table;

	(void)arg;
	if (!may_allocate())
		return NULL;
	table = aligned_alloc(PAGE_BYTES, PAGE_BYTES);
	memset(table, 0, PAGE_BYTES);
	*phys = (uint64_t)table;
	tables++;
	return table;
}

static void table_free(void *arg, void *table, uint64_t phys)
{
	(void)arg;
	(void)phys;
	tables--;
	free(table);
}

static void *table_at(void *arg, uint64_t phys)
{
	(void)arg;
	return (void *)phys;
}

void pt_pages_init(struct pt_pages *pages, struct mem_account *a)
{
	*pages = (struct pt_pages){table_alloc, table_free, table_at, a};
}

static struct pt_pages window_pages;

int aspace_init(struct aspace *as, struct mem_account *a)
{
	as->account = a;
	pt_pages_init(&window_pages, a);
	return pagetable_init(&as->window, &pt_format_npt, &window_pages, 2);
}

void aspace_fini(struct aspace *as)
{
	pagetable_fini(&as->window);
}

void thread_yield(void)
{
}

static int setup(void **state)
{
	(void)state;
	next_frame = POOL_BASE;
	fail_after = 0;
	largest_order = GUEST_FRAMES_ORDER_MAX;
	fill_new = false;
	return 0;
}

static void nothing_is_left(void)
{
	assert_int_equal(tables, 0);
	assert_int_equal(objects, 0);
	assert_int_equal(frames_out, 0);
}

static unsigned level_of(struct gmem *gm, uint64_t gpa, uint64_t *hpa)
{
	unsigned prot;

	return pagetable_lookup(&gm->nested, gpa, hpa, &prot);
}

/* 4 GiB and 2 MiB: three below the hole, the rest from 4 GiB on. */
static void ram_has_a_hole(void **state)
{
	struct gmem gm;
	uint64_t hpa, bytes = 16 * GIB;

	(void)state;
	assert_int_equal(gmem_init(&gm, 4 * GIB + PAGE_2M, &account), 0);
	assert_int_equal(gm.block_count, 5);
	assert_int_equal(gm.blocks[3].gpa, GMEM_HIGH_BASE);
	assert_int_equal(frames_out, 4 * GIB + PAGE_2M);
	assert_true(gmem_is_ram(&gm, 0, 3 * GIB));
	assert_false(gmem_is_ram(&gm, 0, 3 * GIB + 1));
	assert_false(gmem_is_ram(&gm, 3 * GIB, 1));
	assert_false(gmem_is_ram(&gm, GMEM_HIGH_BASE - 1, 1));
	assert_true(gmem_is_ram(&gm, GMEM_HIGH_BASE, GIB + PAGE_2M));
	assert_false(gmem_is_ram(&gm, GMEM_HIGH_BASE, GIB + PAGE_2M + 1));
	assert_false(gmem_is_ram(&gm, UINT64_MAX, 2));
	assert_false(gmem_is_ram(&gm, 4096, UINT64_MAX));
	assert_int_equal(gmem_populate(&gm, 3 * GIB), -EFAULT);
	assert_int_equal(gmem_populate(&gm, UINT64_MAX), -EFAULT);
	assert_int_equal(gmem_pin(&gm, GMEM_HIGH_BASE + GIB + 12345, &hpa, &bytes), 0);
	assert_int_equal(hpa, gm.blocks[4].hpa + 12345);
	assert_int_equal(bytes, PAGE_2M - 12345); /* a chunk at the most */
	gmem_unpin(&gm, GMEM_HIGH_BASE + GIB + 12345);
	gmem_fini(&gm);
	nothing_is_left();
}

/* What another guest left in a frame is gone before the nested tables have it. */
static void first_touch_finds_zeroes(void **state)
{
	struct gmem gm;
	uint64_t hpa;
	uint8_t bytes[32];

	(void)state;
	assert_int_equal(gmem_init(&gm, 64 * MIB, &account), 0);
	memset((void *)GUEST_WINDOW_BASE, 0xaa, PAGE_2M);
	assert_int_equal(level_of(&gm, 5 * PAGE_2M, &hpa), 0);
	assert_null(gmem_window(&gm, 5 * PAGE_2M));
	assert_int_equal(gmem_read(&gm, 5 * PAGE_2M + 100, bytes, sizeof(bytes)), 0);
	for (unsigned i = 0; i < sizeof(bytes); i++)
		assert_int_equal(bytes[i], 0);
	assert_int_equal(level_of(&gm, 5 * PAGE_2M, &hpa), 2);
	assert_non_null(gmem_window(&gm, 5 * PAGE_2M));
	assert_int_equal(gm.populated_bytes, PAGE_2M);
	assert_int_equal(gmem_populate(&gm, 5 * PAGE_2M + 7), 0); /* no second time */
	assert_int_equal(gm.populated_bytes, PAGE_2M);

	assert_int_equal(gmem_write(&gm, 6 * PAGE_2M - 1, "ab", 2), 0); /* over a border */
	assert_int_equal(gm.populated_bytes, 2 * PAGE_2M);
	assert_int_equal(gmem_write(&gm, 64 * MIB - 1, "ab", 2), -EFAULT);
	assert_int_equal(gmem_read(&gm, 0, bytes, 0), -EFAULT);
	gmem_fini(&gm);
	nothing_is_left();
}

static void whole_gigabytes_become_one_page(void **state)
{
	struct gmem gm;
	uint64_t hpa, before;

	(void)state;
	assert_int_equal(gmem_init(&gm, 2 * GIB, &account), 0);
	for (uint64_t at = 0; at < GIB; at += PAGE_2M) {
		assert_int_equal(level_of(&gm, 0, &hpa), at ? 2 : 0);
		assert_int_equal(gmem_populate(&gm, at), 0);
	}
	assert_int_equal(level_of(&gm, 0x12345678, &hpa), 3);
	assert_int_equal(hpa, gm.blocks[0].hpa + 0x12345678);
	assert_int_equal(gm.retired_count, 1); /* kept: a CPU may still walk it */
	assert_int_equal(gmem_populate(&gm, GIB), 0);
	assert_int_equal(level_of(&gm, GIB, &hpa), 2);
	before = tables;
	gmem_fini(&gm);
	assert_true(before > 0);
	nothing_is_left();

	largest_order =
		3; /* the pool is in pieces of 16 MiB: no 1 GiB page, but the guest runs */
	assert_int_equal(gmem_init(&gm, GIB, &account), 0);
	assert_int_equal(gm.block_count, 64);
	for (uint64_t at = 0; at < GIB; at += PAGE_2M)
		assert_int_equal(gmem_populate(&gm, at), 0);
	assert_int_equal(level_of(&gm, 17 * PAGE_2M + 5, &hpa), 2);
	assert_int_equal(hpa, gm.blocks[2].hpa + PAGE_2M + 5);
	gmem_fini(&gm);
	nothing_is_left();
}

static void entries_change_atomically(void **state)
{
	struct gmem gm;
	uint64_t value;

	(void)state;
	assert_int_equal(gmem_init(&gm, 64 * MIB, &account), 0);
	assert_int_equal(gmem_cmpxchg(&gm, 64, 0, 0x1122334455667788, 8), 0);
	assert_int_equal(gmem_cmpxchg(&gm, 64, 0, 1, 8), -EAGAIN);
	assert_int_equal(gmem_cmpxchg(&gm, 64, 0x88, 0x99, 1), 0);
	assert_int_equal(gmem_read64(&gm, 64, &value), 0);
	assert_int_equal(value, 0x1122334455667799);
	assert_int_equal(gmem_read64(&gm, 65, &value), -EFAULT);
	assert_int_equal(gmem_read64(&gm, 64 * MIB, &value), -EFAULT);
	assert_int_equal(gmem_cmpxchg(&gm, 64 * MIB, 0, 1, 8), -EFAULT);
	gmem_fini(&gm);
	nothing_is_left();
}

/* Each allocation of creating and populating fails once, until none is left to fail. */
static void no_memory_leaves_nothing(void **state)
{
	unsigned failures = 0;
	bool reached = true;

	(void)state;
	for (unsigned n = 1; reached; n++) {
		struct gmem gm;
		int err;

		fail_after = n;
		err = gmem_init(&gm, 8 * MIB, &account);
		if (!err)
			err = gmem_populate(&gm, PAGE_2M);
		reached = fail_after == 0;
		if (!err) { /* or it made do with smaller blocks */
			gmem_fini(&gm);
			continue;
		}
		assert_int_equal(err, -ENOMEM);
		failures++;
		fail_after = 0;
		if (gm.bytes) { /* it was populating that failed: a second try succeeds */
			assert_int_equal(gmem_populate(&gm, PAGE_2M), 0);
			gmem_fini(&gm);
		}
		nothing_is_left();
	}
	assert_true(failures > 8);
	nothing_is_left();
}

/* Whoever reaches for memory that cannot be populated is told so, and nothing is touched. */
static void no_memory_to_reach(void **state)
{
	struct gmem gm;
	uint64_t value = 7, hpa = 8, bytes = 9;

	(void)state;
	assert_int_equal(gmem_init(&gm, 8 * MIB, &account), 0);
	memset((void *)GUEST_WINDOW_BASE, OTHERS, PAGE_2M);
	for (unsigned i = 0; i < 5; i++) {
		fail_after = 1;
		switch (i) {
		case 0: assert_int_equal(gmem_read64(&gm, 64, &value), -ENOMEM); break;
		case 1: assert_int_equal(gmem_read(&gm, 64, &value, 8), -ENOMEM); break;
		case 2: assert_int_equal(gmem_write(&gm, 64, &value, 8), -ENOMEM); break;
		case 3: assert_int_equal(gmem_cmpxchg(&gm, 64, 0, 1, 8), -ENOMEM); break;
		case 4: assert_int_equal(gmem_pin(&gm, 64, &hpa, &bytes), -ENOMEM); break;
		}
		assert_int_equal(fail_after, 0);
	}
	assert_int_equal(value, 7);
	assert_int_equal(hpa, 8);
	assert_int_equal(bytes, 9);
	assert_int_equal(gm.pins[0], 0);
	assert_int_equal(gm.populated_bytes, 0);
	assert_int_equal(*(volatile uint8_t *)(GUEST_WINDOW_BASE + 64), OTHERS);
	assert_int_equal(gmem_read64(&gm, 64, &value), 0);
	assert_int_equal(value, 0);
	gmem_fini(&gm);
	nothing_is_left();
}

static void count_flush(void *arg)
{
	assert_ptr_equal(arg, &flushes);
	flushes++;
}

/* A guest whose first `chunks` chunks are there. */
static void create(struct gmem *gm, uint64_t bytes, unsigned chunks)
{
	assert_int_equal(gmem_init(gm, bytes, &account), 0);
	gm->flush = count_flush;
	gm->flush_arg = &flushes;
	flushes = splits = 0;
	for (unsigned i = 0; i < chunks; i++)
		assert_int_equal(gmem_populate(gm, i * PAGE_2M), 0);
}

/* Whole chunks that nobody has pinned are forgotten; they stay the guest's, at the same place.
 */
static void what_is_discarded_reads_as_zeroes(void **state)
{
	struct gmem gm;
	uint64_t hpa, again, bytes = 1;
	uint32_t value = 0x5a5a5a5a;

	(void)state;
	create(&gm, 64 * MIB, 4);
	assert_int_equal(gmem_write(&gm, PAGE_2M, &value, 4), 0);
	level_of(&gm, PAGE_2M, &hpa);
	assert_int_equal(gmem_pin(&gm, 2 * PAGE_2M + 5, &again, &bytes), 0);
	assert_int_equal(gmem_discard(&gm, 1, 5 * PAGE_2M), 2 * PAGE_2M); /* 1 and 3 */
	assert_int_equal(gm.populated_bytes, 2 * PAGE_2M);
	assert_int_equal(level_of(&gm, PAGE_2M, &again), 0);
	assert_int_equal(level_of(&gm, 2 * PAGE_2M, &again), 2);
	assert_null(gmem_window(&gm, PAGE_2M));
	gmem_unpin(&gm, 2 * PAGE_2M + 5);
	assert_int_equal(gmem_discard(&gm, 2 * PAGE_2M, PAGE_2M), PAGE_2M);
	assert_int_equal(gmem_discard(&gm, 2 * PAGE_2M, PAGE_2M), 0);
	assert_int_equal(gmem_discard(&gm, PAGE_2M, PAGE_2M - 1), 0);
	assert_int_equal(gmem_discard(&gm, 62 * MIB, 4 * MIB), 0); /* beyond RAM */
	assert_int_equal(gmem_discard(&gm, UINT64_MAX - 5, PAGE_2M), 0);

	assert_int_equal(gmem_read(&gm, PAGE_2M, &value, 4), 0);
	assert_int_equal(value, 0);
	assert_int_equal(level_of(&gm, PAGE_2M, &again), 2);
	assert_int_equal(again, hpa);
	assert_int_equal(flushes, 0);
	assert_int_equal(frames_out, 64 * MIB);
	gmem_fini(&gm);
	nothing_is_left();
}

/* What is given away is in no table, and with the pool once all CPUs have forgotten it; one
 * frame of scrap is what it costs. It comes back elsewhere, and is flushed again before it is
 * zeroed. */
static void what_is_given_away_is_the_pools(void **state)
{
	struct gmem gm;
	uint64_t hpa, again, bytes = 1;

	(void)state;
	create(&gm, 64 * MIB, 4);
	level_of(&gm, PAGE_2M, &hpa);
	assert_int_equal(gmem_pin(&gm, PAGE_2M, &again, &bytes), 0);
	assert_int_equal(gmem_give_away(&gm, PAGE_2M + 77), -EBUSY);
	assert_int_equal(level_of(&gm, PAGE_2M, &again), 2);
	gmem_unpin(&gm, PAGE_2M);
	assert_int_equal(gmem_give_away(&gm, PAGE_2M + 77), 0);
	assert_int_equal(gmem_give_away(&gm, PAGE_2M), 0);
	assert_int_equal(gmem_give_away(&gm, 20 * PAGE_2M), 0); /* never touched */
	assert_int_equal(gmem_give_away(&gm, 64 * MIB), -EFAULT);
	assert_int_equal(flushes, 2);
	assert_int_equal(splits, 1);
	assert_int_equal(gm.away_bytes, 2 * PAGE_2M);
	assert_int_equal(frames_out, 64 * MIB - 2 * PAGE_2M + PAGE_2M);
	assert_int_equal(level_of(&gm, PAGE_2M, &again), 0);

	assert_int_equal(gmem_populate(&gm, PAGE_2M), 0);
	assert_int_equal(flushes, 3);
	assert_int_equal(level_of(&gm, PAGE_2M, &again), 2);
	assert_int_not_equal(again, hpa);
	assert_int_equal(gmem_pin(&gm, PAGE_2M + 9, &hpa, &bytes), 0);
	assert_int_equal(hpa, again + 9);
	gmem_unpin(&gm, PAGE_2M + 9);
	assert_int_equal(gmem_take_back(&gm, 20 * PAGE_2M), 0);
	assert_int_equal(gmem_take_back(&gm, 20 * PAGE_2M), 0);
	assert_int_equal(gm.away_bytes, 0);
	assert_int_equal(gmem_give_away(&gm, PAGE_2M), 0); /* once more, from elsewhere */
	gmem_fini(&gm);
	nothing_is_left();
}

static unsigned seen;

/* At each flush other CPUs look at the window anew, in the midst of a copy from or to chunk 1.
 */
static void look(void *arg)
{
	struct gmem *gm = arg;
	unsigned prot;
	uint64_t hpa;

	flushes++;
	if (pagetable_lookup(&gm->as.window, GUEST_WINDOW_BASE + PAGE_2M, &hpa, &prot))
		seen |= *(volatile uint8_t *)(GUEST_WINDOW_BASE + PAGE_2M + 12345);
}

/* Neither scrap, nor what comes back in its place, ever shows what its last owner left. */
static void nobody_sees_others_data(void **state)
{
	struct gmem gm;

	(void)state;
	create(&gm, 64 * MIB, 4);
	gm.flush = look;
	gm.flush_arg = &gm;
	fill_new = true;
	seen = 0;
	assert_int_equal(gmem_give_away(&gm, PAGE_2M), 0);
	assert_int_equal(flushes, 1);
	assert_int_equal(seen, 0);
	assert_int_equal(gmem_populate(&gm, PAGE_2M), 0);
	assert_int_equal(flushes, 2);
	assert_int_equal(seen, 0);
	assert_int_equal(gm.staging, 0);
	gmem_fini(&gm);
	nothing_is_left();
}

/* One flush for all; those that cannot go stay, and do not hold up the others. */
static void many_go_with_one_flush(void **state)
{
	uint64_t gpas[GMEM_GIVE_MAX + 1], hpa, bytes = 1;
	struct gmem gm;

	(void)state;
	create(&gm, 256 * MIB, 80);
	for (unsigned i = 0; i < ARRAY_SIZE(gpas); i++)
		gpas[i] = (i + 1) * PAGE_2M + 99;
	assert_int_equal(gmem_pin(&gm, 3 * PAGE_2M, &hpa, &bytes), 0);
	assert_int_equal(gmem_give_away_all(&gm, gpas, 8), 7);
	assert_int_equal(flushes, 1);
	assert_int_equal(gm.away_bytes, 7 * PAGE_2M);
	assert_non_null(gmem_window(&gm, 3 * PAGE_2M));
	assert_int_equal(gmem_give_away_all(&gm, gpas, 8), 7); /* they are away */
	assert_int_equal(flushes, 1);
	gmem_unpin(&gm, 3 * PAGE_2M);
	assert_int_equal(gmem_give_away_all(&gm, gpas, GMEM_GIVE_MAX + 1), GMEM_GIVE_MAX);
	assert_int_equal(flushes, 2);
	assert_int_equal(gm.away_bytes, GMEM_GIVE_MAX * PAGE_2M);
	assert_int_equal(gmem_give_away_all(&gm, gpas, 0), 0);
	assert_int_equal(flushes, 2);
	gmem_fini(&gm);
	nothing_is_left();
}

/* The first chunk above the hole, and what is no RAM on both sides of it. */
static void above_the_hole(void **state)
{
	struct gmem gm;
	uint64_t hpa;

	(void)state;
	create(&gm, 4 * GIB, 0);
	assert_int_equal(gmem_populate(&gm, GMEM_HIGH_BASE), 0);
	assert_int_equal(gmem_give_away(&gm, GMEM_HIGH_BASE + 5), 0);
	assert_int_equal(level_of(&gm, GMEM_HIGH_BASE, &hpa), 0);
	assert_int_equal(gmem_give_away(&gm, GMEM_LOW_MAX), -EFAULT);
	assert_int_equal(gmem_give_away(&gm, GMEM_HIGH_BASE + GIB), -EFAULT);
	assert_int_equal(gmem_take_back(&gm, GMEM_HIGH_BASE), 0);
	assert_int_equal(gm.away_bytes, 0);
	gmem_fini(&gm);
	nothing_is_left();
}

/* Every allocation of giving away and of coming back fails once. */
static void no_memory_to_give_or_come_back(void **state)
{
	bool reached = true;

	(void)state;
	for (unsigned n = 1; reached; n++) {
		struct gmem gm;

		create(&gm, 8 * MIB, 2);
		fail_after = n;
		gmem_give_away(&gm, PAGE_2M);
		gmem_populate(&gm, PAGE_2M);
		reached = fail_after == 0;
		fail_after = 0;
		assert_int_equal(gmem_populate(&gm, PAGE_2M), 0);
		assert_int_equal(gm.away_bytes, 0);
		assert_int_equal(gm.staging, 0);
		gmem_fini(&gm);
		nothing_is_left();
	}
}

/* Without a frame for scrap it stays; but it was out of the nested tables, so what translations
 * of it there are must go before it is zeroed again. */
static void what_cannot_be_given_away_is_flushed(void **state)
{
	struct gmem gm;

	(void)state;
	create(&gm, 64 * MIB, 4);
	fail_after = 1;
	assert_int_equal(gmem_give_away(&gm, PAGE_2M), -EBUSY);
	assert_int_equal(fail_after, 0);
	assert_int_equal(flushes, 1);
	assert_int_equal(gm.away_bytes, 0);
	assert_int_equal(gmem_populate(&gm, PAGE_2M), 0);
	assert_int_equal(gm.populated_bytes, 4 * PAGE_2M);
	gmem_fini(&gm);
	nothing_is_left();
}

/* What is kept comes back without fail; what cannot be kept changes nothing. */
static void what_is_kept_comes_back(void **state)
{
	struct gmem gm;

	(void)state;
	create(&gm, 64 * MIB, 8);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(gmem_give_away(&gm, i * PAGE_2M), 0);
	assert_int_equal(gmem_keep(&gm, 4 * PAGE_2M), 0);
	assert_int_equal(gm.kept_count, 4);
	fail_after = 3;
	assert_int_equal(gmem_keep(&gm, 8 * PAGE_2M), -ENOMEM);
	assert_int_equal(gm.kept_count, 4);
	fail_after = 1; /* the pool is empty from now on */
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(gmem_take_back(&gm, i * PAGE_2M), 0);
	assert_int_equal(gmem_take_back(&gm, 4 * PAGE_2M), -ENOMEM);
	fail_after = 1;
	assert_int_equal(gmem_populate(&gm, 4 * PAGE_2M), -ENOMEM);
	fail_after = 0;
	assert_int_equal(gmem_populate(&gm, 4 * PAGE_2M), 0);
	assert_int_equal(gmem_keep(&gm, 2 * PAGE_2M), 0);
	assert_int_equal(gmem_keep(&gm, 0), 0); /* and the pool has them again */
	assert_int_equal(gm.kept_count, 0);
	gmem_fini(&gm);
	nothing_is_left();
}

/* A 1 GiB entry is cut for it, for good. */
static void a_broken_gigabyte_stays_broken(void **state)
{
	struct gmem gm;
	uint64_t hpa;

	(void)state;
	create(&gm, GIB, 512);
	assert_int_equal(level_of(&gm, 5 * PAGE_2M, &hpa), 3);
	assert_int_equal(gmem_discard(&gm, 5 * PAGE_2M, PAGE_2M), PAGE_2M);
	assert_int_equal(level_of(&gm, 5 * PAGE_2M, &hpa), 0);
	assert_int_equal(level_of(&gm, 6 * PAGE_2M, &hpa), 2);
	assert_int_equal(hpa, gm.blocks[0].hpa + 6 * PAGE_2M);
	assert_int_equal(gmem_populate(&gm, 5 * PAGE_2M), 0);
	assert_int_equal(level_of(&gm, 5 * PAGE_2M, &hpa), 2);
	assert_int_equal(gmem_give_away(&gm, 7 * PAGE_2M), 0);
	assert_int_equal(frames_out, GIB);
	gmem_fini(&gm);
	nothing_is_left();
}

/* The window: 2 MiB of memory, mapped over and over. */
static bool map_window(void)
{
	int fd = memfd_create("ram", 0);

	if (fd < 0 || ftruncate(fd, PAGE_2M))
		return false;
	for (uint64_t at = 0; at < WINDOW_SIZE; at += PAGE_2M)
		if (mmap((void *)(GUEST_WINDOW_BASE + at), PAGE_2M, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0) == MAP_FAILED)
			return false;
	return true;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(ram_has_a_hole, setup),
		cmocka_unit_test_setup(first_touch_finds_zeroes, setup),
		cmocka_unit_test_setup(whole_gigabytes_become_one_page, setup),
		cmocka_unit_test_setup(entries_change_atomically, setup),
		cmocka_unit_test_setup(no_memory_leaves_nothing, setup),
		cmocka_unit_test_setup(no_memory_to_reach, setup),
		cmocka_unit_test_setup(what_is_discarded_reads_as_zeroes, setup),
		cmocka_unit_test_setup(what_is_given_away_is_the_pools, setup),
		cmocka_unit_test_setup(nobody_sees_others_data, setup),
		cmocka_unit_test_setup(many_go_with_one_flush, setup),
		cmocka_unit_test_setup(above_the_hole, setup),
		cmocka_unit_test_setup(no_memory_to_give_or_come_back, setup),
		cmocka_unit_test_setup(what_cannot_be_given_away_is_flushed, setup),
		cmocka_unit_test_setup(what_is_kept_comes_back, setup),
		cmocka_unit_test_setup(a_broken_gigabyte_stays_broken, setup),
	};

	return map_window() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}

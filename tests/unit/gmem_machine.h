/*
 * What kernel/vmm/gmem stands on, played by a test: frames are numbers, the window is real
 * memory, the same 2 MiB again and again. Allocations fail when the test wants it.
 */
#ifndef TESTS_UNIT_GMEM_MACHINE_H
#define TESTS_UNIT_GMEM_MACHINE_H

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
#include "kernel/sched/sync.h"
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
static uint64_t next_frame, frames_out, pool_bytes = UINT64_MAX;
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

static bool reserving;		     /* the mutex is held */
static unsigned blocks_taken_freely; /* without it */

void mutex_lock(struct mutex *mutex)
{
	(void)mutex;
	assert_false(reserving);
	reserving = true;
}

void mutex_unlock(struct mutex *mutex)
{
	(void)mutex;
	reserving = false;
}

uint64_t guest_frames_free_bytes(void)
{
	return pool_bytes - frames_out;
}

uint64_t guest_frames_alloc(unsigned order)
{
	uint64_t size = PAGE_2M << order, at = ALIGN_UP(next_frame, size);

	if (order > largest_order || size > pool_bytes - frames_out || !may_allocate())
		return 0;
	next_frame = at + size;
	blocks_taken_freely += !reserving;
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

static inline int setup(void **state)
{
	(void)state;
	next_frame = POOL_BASE;
	fail_after = 0;
	largest_order = GUEST_FRAMES_ORDER_MAX;
	fill_new = false;
	blocks_taken_freely = 0;
	return 0;
}

static inline void nothing_is_left(void)
{
	assert_int_equal(tables, 0);
	assert_int_equal(objects, 0);
	assert_int_equal(frames_out, 0);
}

static inline unsigned level_of(struct gmem *gm, uint64_t gpa, uint64_t *hpa)
{
	unsigned prot;

	return pagetable_lookup(&gm->nested, gpa, hpa, &prot);
}

static inline void count_flush(void *arg)
{
	assert_ptr_equal(arg, &flushes);
	flushes++;
}

/* A guest whose first `chunks` chunks are there. */
static inline void create(struct gmem *gm, uint64_t bytes, unsigned chunks)
{
	assert_int_equal(gmem_init(gm, bytes, &account), 0);
	gm->flush = count_flush;
	gm->flush_arg = &flushes;
	flushes = splits = 0;
	for (unsigned i = 0; i < chunks; i++)
		assert_int_equal(gmem_populate(gm, i * PAGE_2M), 0);
}

/* The window: 2 MiB of memory, mapped over and over. */
static inline bool map_window(void)
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

#endif

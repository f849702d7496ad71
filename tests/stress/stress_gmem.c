/*
 * A guest's RAM between its vCPUs, its devices and its balloon: touched first by several at
 * once, pinned, forgotten, given away and taken back. What is pinned stays this guest's, where
 * it is and as it was written; what comes anew is zeroes; no frame has two owners.
 */
/* links: kernel/mem/pt_long.c */
/* links: kernel/vmm/gmem.c kernel/vmm/gmem_return.c kernel/vmm/nested.c */
/* links: kernel/mem/pagetable.c */
/* links: tests/stress/stress.c */
#include "tests/stress/stress.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel/cpu/cpu.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/sync.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/backend.h"
#include "kernel/vmm/gmem.h"
#include "kernel/vmm/nested.h"

#define CHUNKS	  (STRESS_WINDOW_BYTES / PAGE_2M)
#define FRAMES	  (2 * CHUNKS)
#define POOL_BASE (4 * GIB)
#define DEVICES	  3
#define TOUCHES	  800

static uint64_t seed = 0xda942042e4dd58b5ull;
static struct gmem gmem;
static struct mem_account account;
static _Atomic bool idle, over;
static _Atomic unsigned flushes, pinned_seen, given;

static unsigned max_level(void)
{
	return 2;
}

static const struct vmm_backend backend = {.nested_format = &pt_format_npt,
					   .nested_max_level = max_level};
const struct vmm_backend *vmm_backend = &backend;

/* ---- the guest pool: frames are numbers ---------------------------------------------------
 */

static _Atomic bool ours[FRAMES];

static unsigned index_of(uint64_t frame)
{
	demand(frame >= POOL_BASE && frame < POOL_BASE + FRAMES * PAGE_2M);
	return (unsigned)((frame - POOL_BASE) / PAGE_2M);
}

uint64_t guest_frames_alloc(unsigned order)
{
	if (order)
		return 0;
	for (unsigned i = 0; i < FRAMES; i++)
		if (!atomic_exchange(&ours[i], true))
			return POOL_BASE + i * PAGE_2M;
	return 0;
}

uint64_t guest_frames_free_bytes(void)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < FRAMES; i++)
		bytes += ours[i] ? 0 : PAGE_2M;
	return bytes;
}

/* One guest alone is created here. */
void mutex_lock(struct mutex *mutex)
{
	(void)mutex;
}

void mutex_unlock(struct mutex *mutex)
{
	(void)mutex;
}

void guest_frames_free(uint64_t phys, unsigned order)
{
	demand(order == 0 && atomic_exchange(&ours[index_of(phys)], false));
}

void guest_frames_split(uint64_t phys, unsigned order)
{
	demand(ours[index_of(phys)] && order == 0);
}

/* ---- tables ------------------------------------------------------------------------------ */

static void *table_alloc(void *arg, uint64_t *phys)
{
	void *table = aligned_alloc(PAGE_BYTES, PAGE_BYTES);

	(void)arg;
	*phys = (uint64_t)table;
	return memset(table, 0, PAGE_BYTES);
}

static void table_free(void *arg, void *table, uint64_t phys)
{
	(void)arg, (void)phys;
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
	pt_pages_init(&window_pages, a);
	return pagetable_init(&as->window, &pt_format_npt, &window_pages, 4);
}

void aspace_fini(struct aspace *as)
{
	pagetable_fini(&as->window);
}

static void flush(void *arg)
{
	(void)arg;
	flushes++;
}

/* ---- who uses it ------------------------------------------------------------------------- */

/* Pins, as for a disk or a ring, and finds its words as it left them while it has the pin. */
static void run_device(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	uint64_t random = seed * (2 * me + 1);

	for (unsigned n = 0; n < TOUCHES; n++) {
		uint64_t gpa = stress_random(&random) % CHUNKS * PAGE_2M + 64 * me;
		uint64_t hpa, bytes = 8, *word = (uint64_t *)(GUEST_WINDOW_BASE + gpa);
		int err;

		if (stress_chance(&random, 4)) {
			(void)gmem_populate(&gmem, gpa);
			continue;
		}
		err = gmem_pin(&gmem, gpa, &hpa, &bytes);
		if (err)
			continue;
		demand(ours[index_of(ALIGN_DOWN(hpa, PAGE_2M))]);
		demand(*word == 0 || *word >> 32 == me + 1);
		*word = (uint64_t)(me + 1) << 32 | n;
		for (unsigned i = 0; i < 4; i++)
			sched_yield();
		demand(*word == ((uint64_t)(me + 1) << 32 | n));
		demand(ours[index_of(ALIGN_DOWN(hpa, PAGE_2M))]);
		gmem_unpin(&gmem, gpa);
		pinned_seen++;
	}
}

/* The balloon's thread. */
static void run_balloon(void *arg)
{
	uint64_t random = seed * 77;

	(void)arg;
	while (!idle) {
		uint64_t gpa = stress_random(&random) % CHUNKS * PAGE_2M;

		switch (stress_random(&random) % 4) {
		case 0:
			if (gmem_discard(&gmem, gpa, PAGE_2M))
				gmem.flush(gmem.flush_arg);
			break;
		case 1: (void)gmem_take_back(&gmem, gpa); break;
		default: given += gmem_give_away(&gmem, gpa) == 0;
		}
		sched_yield();
	}
}

/* The operator's: promises, and what the counters say. */
static void run_operator(void *arg)
{
	(void)arg;
	while (!over) {
		(void)gmem_keep(&gmem, 2 * PAGE_2M);
		demand(atomic_load(&gmem.away_bytes) <= gmem.bytes);
		demand(atomic_load(&gmem.populated_bytes) <= gmem.bytes);
		thread_sleep_ns(NSEC_PER_MSEC);
	}
}

static void test_ram(void **state)
{
	struct thread *devices[DEVICES], *balloon, *operator;

	/* Where frames are zeroed: 64 places in the hole below 4 GiB. */
	void *places = (void *)(GUEST_WINDOW_BASE + GMEM_LOW_MAX);

	(void)state;
	assert_ptr_equal(mmap(places, 64 * PAGE_2M, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
			 places);
	assert_int_equal(gmem_init(&gmem, STRESS_WINDOW_BYTES, &account), 0);
	gmem.flush = flush;
	operator= stress_thread("operator", run_operator, NULL);
	balloon = stress_thread("balloon", run_balloon, NULL);
	for (uintptr_t i = 0; i < DEVICES; i++)
		devices[i] = stress_thread("device", run_device, (void *)i);
	for (unsigned i = 0; i < DEVICES; i++)
		thread_join(devices[i]);
	idle = true;
	thread_join(balloon);
	over = true;
	thread_join(operator);
	assert_true(given > 0 && pinned_seen >= TOUCHES);
	gmem_fini(&gmem);
	for (unsigned i = 0; i < FRAMES; i++)
		assert_false(ours[i]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_ram)};

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0) | 1;
	return cmocka_run_group_tests(tests, stress_start, NULL);
}

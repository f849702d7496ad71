/*
 * A virtio balloon between a driver and a guest pool that the test plays: it has what balloon.c
 * calls of gmem.c and sync.c. For the tests of guests/devices/virtio/balloon.c.
 */
#ifndef TESTS_UNIT_VIRTIO_BALLOON_POOL_H
#define TESTS_UNIT_VIRTIO_BALLOON_POOL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "guests/devices/virtio/balloon.h"
#include "kernel/sched/sync.h"
#include "tests/unit/virtio_pci.h"

#define CHUNKS	       (MACHINE_BYTES / PAGE_2M)
#define CHUNK_PAGES    (PAGE_2M / PAGE_BYTES)
#define RING(n)	       (0x100000ull + 0x10000ull * (n))
#define BUFFER	       0x200000ull

#define MUST_TELL_HOST BIT(0)
#define STATS_VQ       BIT(1)
#define DEFLATE_OOM    BIT(2)
#define REPORTING      BIT(5)
#define ALL	       (BIT(VIRTIO_F_VERSION_1) | MUST_TELL_HOST | STATS_VQ | DEFLATE_OOM | REPORTING)

enum { INFLATE, DEFLATE, STATISTICS, REPORTS, QUEUES };

static struct virtio_balloon *balloon;
static struct virtq_driver drivers[QUEUES];

/* ---- memory that is given back ---- */

static bool away[CHUNKS];
static unsigned pool; /* frames that can be had */
static unsigned given, taken, flushes, batches;
static uint64_t kept_bytes, discarded_bytes;
static int keep_result;
static uint16_t answered_at_flush;
static bool reset_at_first; /* the driver resets the device as the first chunk goes */

uint64_t gmem_chunk(const struct gmem *gm, uint64_t gpa)
{
	return gpa < gm->bytes ? gpa / PAGE_2M : UINT64_MAX;
}

unsigned gmem_give_away_all(struct gmem *gm, const uint64_t *gpas, unsigned count)
{
	check_may_wait("giving away");
	assert_in_range(count, 1, GMEM_GIVE_MAX);
	for (unsigned i = 0; i < count; i++) {
		assert_false(away[gpas[i] / PAGE_2M]);
		away[gpas[i] / PAGE_2M] = true;
		given++;
		gm->away_bytes += PAGE_2M;
	}
	batches++;
	if (reset_at_first && batches == 1)
		common_write(&pci, STATUS, 1, 0);
	return count;
}

int gmem_take_back(struct gmem *gm, uint64_t gpa)
{
	check_may_wait("taking back");
	if (!away[gpa / PAGE_2M])
		return 0;
	if (!pool)
		return -ENOMEM;
	pool--;
	away[gpa / PAGE_2M] = false;
	taken++;
	gm->away_bytes -= PAGE_2M;
	return 0;
}

int gmem_keep(struct gmem *gm, uint64_t bytes)
{
	(void)gm;
	kept_bytes = bytes;
	return keep_result;
}

uint64_t gmem_discard(struct gmem *gm, uint64_t gpa, uint64_t bytes)
{
	uint64_t whole = ALIGN_DOWN(gpa + bytes, PAGE_2M) - ALIGN_UP(gpa, PAGE_2M);

	if (bytes < PAGE_2M)
		return 0;
	assert_true(gmem_is_ram(gm, gpa, bytes));
	discarded_bytes += whole;
	return whole;
}

static inline void flush(void *arg)
{
	check_may_wait("a flush");
	assert_ptr_equal(arg, vm);
	answered_at_flush = *driver_used(&drivers[REPORTS], 1);
	flushes++;
}

/* ---- the rest of the hypervisor ---- */

void mutex_init(struct mutex *mutex, const char *what)
{
	(void)what;
	(void)mutex;
}

void mutex_lock(struct mutex *mutex)
{
	(void)mutex;
	check_may_wait("a mutex");
}

void mutex_unlock(struct mutex *mutex)
{
	(void)mutex;
}

/* ---- a driver ---- */

static inline void drive(uint64_t features)
{
	if (!virtio_pci_negotiate(&pci, features))
		fail();
	for (unsigned i = 0; i < QUEUES; i++)
		virtio_pci_enable_queue(&pci, i, RING(i), &drivers[i]);
	virtio_pci_driver_ok(&pci);
	fake_threads_run();
}

static inline int setup(void **state)
{
	(void)state;
	memset(away, 0, sizeof away);
	pool = given = taken = flushes = batches = 0;
	kept_bytes = discarded_bytes = 0;
	keep_result = 0;
	reset_at_first = false;
	machine_create();
	vm->gmem.flush = flush;
	vm->gmem.flush_arg = vm;
	balloon = virtio_balloon_create(&vm->board, root);
	virtio_pci_find(&pci, (struct virtio *)balloon); /* it comes first in it */
	virtio_pci_enable_msix(&pci);
	drive(ALL);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	virtio_balloon_destroy(balloon);
	return machine_destroy();
}

/* Names `count` pages from `pfn` on, as one request. */
static inline void tell(unsigned queue, uint32_t pfn, unsigned count)
{
	uint64_t gpa = BUFFER + queue * 0x10000ull;
	const struct driver_buffer buffer = {gpa, 4 * count, false};

	for (unsigned i = 0; i < count; i++)
		fake_gmem_put(&fake, gpa, uint32_t)[i] = pfn + i;
	assert_true(driver_add(&drivers[queue], &buffer, 1, false) >= 0);
	virtio_pci_kick(&pci, queue);
}

static inline bool answered(unsigned queue)
{
	uint32_t bytes;

	return driver_take(&drivers[queue], &bytes) >= 0;
}

static inline void inflate(uint32_t pfn, unsigned count)
{
	tell(INFLATE, pfn, count);
	assert_true(answered(INFLATE));
}

static inline struct virtio_balloon_info info(void)
{
	struct virtio_balloon_info i;

	virtio_balloon_get_info(balloon, &i);
	fake_threads_run();
	return i;
}

static inline bool broken(void)
{
	return common_read(&pci, STATUS, 1) & NEEDS_RESET;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif

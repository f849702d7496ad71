/*
 * Spinlocks among more vCPUs than CPUs. The vCPUs pass a turn around, each waiting with PAUSE
 * for the one before it: a vCPU that waits must give its CPU to the one that it waits for, or
 * each hand-over may cost a whole time slice. Then they compete for a ticket lock.
 */
#include "tests/guest/lib/smp.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"

#define ROUNDS 200
/* A turn takes a few switches, a fraction of a millisecond even on an emulated machine that is
 * busy; without PAUSE's help it takes slices of 5 ms. */
#define TURN_MAX_US 2500

static unsigned cpus;
static volatile unsigned turn;

static void take_turns(uint64_t me)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		while (turn != me)
			pause();
		turn = (me + 1) % cpus;
	}
}

static volatile uint32_t next_ticket, serving;
static volatile unsigned inside, worst, total;

static void lock(void)
{
	uint32_t mine = __atomic_fetch_add(&next_ticket, 1, __ATOMIC_SEQ_CST);

	while (__atomic_load_n(&serving, __ATOMIC_ACQUIRE) != mine)
		pause();
}

static void unlock(void)
{
	__atomic_store_n(&serving, serving + 1, __ATOMIC_RELEASE);
}

static struct barrier barrier;

static void compete(uint64_t arg)
{
	(void)arg;
	barrier_wait(&barrier, cpus);
	for (unsigned i = 0; i < ROUNDS; i++) {
		lock();
		if (++inside > worst)
			worst = inside;
		total++;
		inside--;
		unlock();
	}
}

/* Runs `work` on all, each with its own index; returns milliseconds. */
static uint64_t run(void (*work)(uint64_t))
{
	uint64_t start = rdtsc();

	for (unsigned i = 1; i < cpus; i++)
		cpu_run(i, work, i);
	work(0);
	for (unsigned i = 1; i < cpus; i++)
		cpu_join(i, 60000);
	return (rdtsc() - start) / tsc_khz();
}

void test(void)
{
	uint64_t ms;

	cpus = smp_start();
	tsc_khz();
	ms = run(take_turns);
	print("%u turns among %u vCPUs in %lu ms\n", ROUNDS * cpus, cpus, ms);
	check(ms * 1000 < ROUNDS * cpus * TURN_MAX_US, "no slice is spun away", "%lu ms", ms);
	ms = run(compete);
	print("%u times the lock in %lu ms\n", total, ms);
	check(total == ROUNDS * cpus, "every round was run", "%u of %u", total, ROUNDS * cpus);
	check(worst == 1, "one at a time", "%u at once", worst);
}

/*
 * Spinlocks among more vCPUs than CPUs. Each vCPU takes a ticket lock (which only one certain
 * vCPU can take next) many times, waiting with PAUSE: a vCPU that waits must give its CPU to
 * the one that it waits for, or each hand-over costs a whole time slice.
 */
#include "tests/guest/lib/smp.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"

#define ROUNDS	 300
#define LIMIT_MS 30000

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

static void work(uint64_t rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		lock();
		if (++inside > worst)
			worst = inside;
		total++;
		inside--;
		unlock();
	}
}

void test(void)
{
	unsigned cpus = smp_start();
	uint64_t start, ms;

	tsc_khz();
	start = rdtsc();
	for (unsigned i = 1; i < cpus; i++)
		cpu_run(i, work, ROUNDS);
	work(ROUNDS);
	for (unsigned i = 1; i < cpus; i++)
		cpu_join(i, LIMIT_MS);
	ms = (rdtsc() - start) / tsc_khz();
	check(total == ROUNDS * cpus, "every round was run", "%u of %u", total, ROUNDS * cpus);
	check(worst == 1, "one at a time", "%u at once", worst);
	print("%u hand-overs among %u vCPUs in %lu ms\n", total, cpus, ms);
	check(ms < LIMIT_MS, "no slice is spun away", "%lu ms", ms);
}

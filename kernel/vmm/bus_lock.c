/* How often a vCPU may lock the bus. */
#include "kernel/vmm/bus_lock.h"

#include "kernel/cpu/clock.h"
#include "kernel/sched/thread.h"

void bus_lock_throttle(struct bucket *bucket)
{
	uint64_t now, ready;

	if (!bucket->per_second)
		bucket_init(bucket, BUS_LOCKS_PER_SECOND, 0);
	now = clock_now_ns();
	ready = bucket_ready_ns(bucket, 1, now);
	if (ready > now)
		thread_sleep_ns(ready - now);
	bucket_take(bucket, 1, clock_now_ns());
}

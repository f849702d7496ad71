/*
 * A limit on how much of something may be used per second, with a burst after a pause: a token
 * bucket, kept as the time at which it will be full again. No timers, no locking.
 */
#ifndef KERNEL_LIB_BUCKET_H
#define KERNEL_LIB_BUCKET_H

#include "kernel/lib/types.h"

#define BUCKET_RATE_MAX (16 * GIB) /* units per second: a second of them in ns fits 64 bits */

struct bucket {
	uint64_t per_second; /* 0: no limit */
	uint64_t burst_ns;   /* how long it takes to fill */
	uint64_t full_ns;    /* when it is full, if nothing more is taken */
};

/* `burst`: what a full bucket holds; 0: a tenth of `per_second`. It begins full. */
static inline void bucket_init(struct bucket *bucket, uint64_t per_second, uint64_t burst)
{
	*bucket = (struct bucket){.per_second = MIN(per_second, BUCKET_RATE_MAX)};
	if (per_second && burst)
		bucket->burst_ns = burst / per_second * NSEC_PER_SEC +
				   burst % per_second * NSEC_PER_SEC / per_second;
	else if (per_second)
		bucket->burst_ns = NSEC_PER_SEC / 10;
}

static inline uint64_t bucket_cost_ns(const struct bucket *bucket, uint64_t units)
{
	return units * NSEC_PER_SEC / bucket->per_second;
}

/* When `units` (below 2^33) can be taken: 0 is now. What is more than a full bucket holds can
 * be taken from a full one, which is then in debt. */
static inline uint64_t bucket_ready_ns(const struct bucket *bucket, uint64_t units,
				       uint64_t now_ns)
{
	uint64_t cost, ready;

	if (!bucket->per_second)
		return 0;
	cost = MIN(bucket_cost_ns(bucket, units), bucket->burst_ns);
	ready = bucket->full_ns + cost;
	return ready <= now_ns + bucket->burst_ns ? 0 : ready - bucket->burst_ns;
}

static inline void bucket_take(struct bucket *bucket, uint64_t units, uint64_t now_ns)
{
	if (bucket->per_second)
		bucket->full_ns = MAX(bucket->full_ns, now_ns) + bucket_cost_ns(bucket, units);
}

#endif

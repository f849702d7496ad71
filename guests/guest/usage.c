/* See usage.h. Arithmetic alone: who looks is watch.c. */
#include "guests/guest/usage.h"

void usage_begin(struct usage *usage, uint64_t now_ns)
{
	*usage = (struct usage){.at_ns = now_ns};
}

void usage_take(struct usage *usage, const struct usage_totals *totals, uint64_t now_ns)
{
	const struct usage_totals *last = &usage->totals;
	uint64_t passed = now_ns - usage->at_ns;

	if (now_ns <= usage->at_ns)
		return;
	usage->cpu_percent =
		(uint32_t)(((totals->run_ns - last->run_ns) * 100 + passed / 2) / passed);
	usage->capped = totals->capped_ns != last->capped_ns;
	usage->throttled = totals->throttled != last->throttled;
	usage->at_ns = now_ns;
	usage->totals = *totals;
}

/*
 * What running guests used lately: watch.c looks at each once a second, so that who shows it
 * has an answer at once. Totals over their life are the counters of guests/views.
 */
#ifndef GUESTS_GUEST_USAGE_H
#define GUESTS_GUEST_USAGE_H

#include "kernel/lib/types.h"

/* Since the guest was started. */
struct usage_totals {
	uint64_t run_ns, capped_ns; /* of all its vCPUs */
	uint64_t throttled;	    /* times that a limit made something wait */
};

struct usage {
	uint64_t at_ns; /* when it was looked at last */
	struct usage_totals totals;
	/* Between the last two looks: */
	uint32_t cpu_percent; /* of one CPU, rounded */
	bool capped, throttled;
};

/* The guest starts now. */
void usage_begin(struct usage *usage, uint64_t now_ns);
/* It was looked at. */
void usage_take(struct usage *usage, const struct usage_totals *totals, uint64_t now_ns);

#endif

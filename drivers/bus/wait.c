/* Waiting for a device, asleep: short at first, as most answer at once. */
#include "drivers/bus/wait.h"

#include <errno.h>

#include "kernel/cpu/clock.h"
#include "kernel/sched/thread.h"

#define FIRST_WAIT_NS	(20 * NSEC_PER_USEC)
#define LONGEST_WAIT_NS (5 * NSEC_PER_MSEC)

struct wait wait_begin(uint64_t limit_ns)
{
	return (struct wait){.deadline_ns = clock_now_ns() + limit_ns,
			     .next_ns = FIRST_WAIT_NS};
}

bool wait_more(struct wait *w)
{
	if (clock_now_ns() >= w->deadline_ns)
		return false;
	thread_sleep_ns(w->next_ns);
	w->next_ns = MIN(2 * w->next_ns, LONGEST_WAIT_NS);
	return true;
}

int wait_register(volatile uint32_t *reg, uint32_t mask, uint32_t value, uint64_t limit_ns)
{
	struct wait w = wait_begin(limit_ns);

	do {
		uint32_t now = *reg;

		if (now == WAIT_ABSENT)
			return -ENODEV;
		if ((now & mask) == value)
			return 0;
	} while (wait_more(&w));
	return -ETIMEDOUT;
}

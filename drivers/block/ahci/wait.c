/* Waiting for a register, asleep. */
#include <errno.h>

#include "drivers/block/ahci/internal.h"
#include "kernel/cpu/clock.h"
#include "kernel/sched/thread.h"

#define FIRST_WAIT_NS	(20 * NSEC_PER_USEC)
#define LONGEST_WAIT_NS (5 * NSEC_PER_MSEC)

int ahci_wait(volatile uint32_t *reg, uint32_t mask, uint32_t value, uint64_t limit_ns)
{
	uint64_t deadline_ns = clock_now_ns() + limit_ns, wait_ns = FIRST_WAIT_NS;

	for (;;) {
		uint32_t now = *reg;

		if (now == AHCI_ABSENT)
			return -ENODEV;
		if ((now & mask) == value)
			return 0;
		if (clock_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
		thread_sleep_ns(wait_ns);
		wait_ns = MIN(2 * wait_ns, LONGEST_WAIT_NS);
	}
}

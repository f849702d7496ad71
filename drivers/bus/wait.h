/* Waiting for a device to become ready, with a deadline. On a thread: it sleeps meanwhile. */
#ifndef DRIVERS_BUS_WAIT_H
#define DRIVERS_BUS_WAIT_H

#include "kernel/lib/types.h"

#define WAIT_ABSENT UINT32_MAX /* what registers of a device that is gone read as */

/* One wait: `struct wait w = wait_begin(limit); while (!ready()) if (!wait_more(&w)) ...` */
struct wait {
	uint64_t deadline_ns, next_ns;
};

struct wait wait_begin(uint64_t limit_ns);
/* Sleeps a little, longer each time. False, at once, when the limit has passed. */
bool wait_more(struct wait *w);

/* Until *reg & mask is value. 0, -ENODEV when it reads as WAIT_ABSENT, -ETIMEDOUT. The register
 * is looked at once more after the last sleep. */
int wait_register(volatile uint32_t *reg, uint32_t mask, uint32_t value, uint64_t limit_ns);

#endif

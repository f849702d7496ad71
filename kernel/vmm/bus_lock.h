/*
 * Bounding a guest's bus locks: locked accesses across two cache lines, or to uncached memory,
 * stop the memory accesses of all CPUs for thousands of cycles. Finding them is the backends':
 * VMX bus-lock detection (SDM vol. 3C 25.6.2, exit reason 74) and SVM's bus lock threshold (APM
 * vol. 2 15.14.5), where the CPU has them. Elsewhere they are not bounded.
 */
#ifndef KERNEL_VMM_BUS_LOCK_H
#define KERNEL_VMM_BUS_LOCK_H

#include "kernel/lib/bucket.h"

#define BUS_LOCKS_PER_SECOND 1000 /* of a vCPU: some thousandths of the bus's time */

/* Takes one from the vCPU's bucket; once it is empty, sleeps until there is one again, a
 * millisecond at most. On the vCPU's thread, interrupts on. */
void bus_lock_throttle(struct bucket *bucket);

#endif

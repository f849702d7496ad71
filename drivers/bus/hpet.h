/* The HPET as a counter with a known rate, to calibrate the TSC against. Its timers and
 * interrupts are not used. */
#ifndef DRIVERS_BUS_HPET_H
#define DRIVERS_BUS_HPET_H

#include "kernel/cpu/clock.h"

/* Starts the counter of the HPET at `phys` and describes it. -ENODEV if there is none there. */
int hpet_reference(uint64_t phys, struct clock_reference *ref);

#endif

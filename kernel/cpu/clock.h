/*
 * Monotonic time from the TSC, calibrated against HPET or the ACPI PM timer. Not the wall
 * clock of the machine (kernel/io/rtc reads that once) and not timers (kernel/sched/timer).
 */
#ifndef KERNEL_CPU_CLOCK_H
#define KERNEL_CPU_CLOCK_H

#include "kernel/lib/types.h"

/* Nanoseconds since boot's entry; monotonic on each CPU, any context, about 15 instructions. */
uint64_t clock_now_ns(void);

/* Conversion between TSC ticks and nanoseconds; rounding down. */
uint64_t clock_tsc_to_ns(uint64_t tsc);
uint64_t clock_ns_to_tsc(uint64_t ns);

/* Calibrated rate, in kHz. */
uint64_t clock_tsc_khz(void);

/* The value that this CPU's own TSC has at or just after `deadline_ns`. */
uint64_t clock_deadline_tsc(uint64_t deadline_ns);

/* The wall clock, seconds and nanoseconds since 1970 UTC: the RTC as read at start, advanced
 * by the monotonic clock. */
uint64_t clock_wall_ns(void);
void clock_set_wall(uint64_t ns_since_1970);

/* Busy-waits; for start-up and hardware delays only. */
void clock_delay_us(uint64_t us);

/* Counters with a known rate to calibrate against; the first usable one is taken. */
struct clock_reference {
	const char *name;
	uint64_t hz;
	uint32_t mask; /* counter's width */
	uint32_t (*read)(const struct clock_reference *);
	uintptr_t address; /* port or mapped register */
};
/* `tsc_at_boot`: the TSC value that is time 0. Takes about 10 ms. Returns 0, or -ENODEV where
 * no reference counts; the log has the result. */
int clock_calibrate(const struct clock_reference *refs, unsigned count, uint64_t tsc_at_boot);

#endif

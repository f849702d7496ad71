/* Time by the ACPI PM timer: 3.579545 MHz, of which 24 bits count everywhere. */
#ifndef TESTS_GUEST_LIB_TIME_H
#define TESTS_GUEST_LIB_TIME_H

#include "tests/guest/lib/cpu.h"

uint32_t pm_now(void);
/* Microseconds since pm_now() was `start`, less than 4.6 s ago. */
uint32_t pm_us_since(uint32_t start);
void delay_us(uint32_t us);
/* The same, asleep: others have the CPU. With interrupts off; takes the local APIC's timer. */
void sleep_us(uint32_t us);

/* Rate of a counter that read() gives, per millisecond; takes 50 ms or more. */
uint64_t measure_khz(uint64_t (*read)(void));
/* TSC ticks per millisecond, measured at the first call. */
uint64_t tsc_khz(void);

/* Waits until *flag is not zero, at most `limit_ms` (less than 4000); returns whether it is. */
bool wait_for(const volatile unsigned *flag, unsigned limit_ms);

#endif

/* The machine's battery-backed clock (MC146818), read once at start for the wall clock. */
#ifndef KERNEL_IO_RTC_H
#define KERNEL_IO_RTC_H

#include "kernel/lib/types.h"

/* Seconds since 1970, the clock taken as UTC, in *seconds. Waits up to 20 ms for an update to
 * pass. -EIO where what is read is no date. */
int rtc_read(uint64_t *seconds);

#endif

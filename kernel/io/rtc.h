/* The machine's battery-backed clock (MC146818), read once at start for the wall clock. */
#ifndef KERNEL_IO_RTC_H
#define KERNEL_IO_RTC_H

#include "kernel/lib/types.h"

/* The registers as they are read: BCD or binary, 12 or 24 hours, as status B says. */
struct rtc_registers {
	uint8_t second, minute, hour, day, month, year;
	uint8_t century; /* 0 where the machine has no such register */
	uint8_t status_b;
};

/* Seconds since 1970, taking the registers as UTC. -EINVAL where they hold no date. */
int rtc_decode(const struct rtc_registers *registers, uint64_t *seconds);

/* Reads the machine's clock. Waits up to 20 ms for an update to pass. -EINVAL as above. */
int rtc_read(uint64_t *seconds);

#endif

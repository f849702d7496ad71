/* Calendar arithmetic and number formats of the MC146818's time registers. Pure. */
#ifndef GUESTS_DEVICES_RTC_TIME_H
#define GUESTS_DEVICES_RTC_TIME_H

#include "kernel/lib/types.h"

/* Register indices, in the time and in CMOS. */
enum rtc_time_register {
	RTC_SECOND = 0,
	RTC_SECOND_ALARM = 1,
	RTC_MINUTE = 2,
	RTC_MINUTE_ALARM = 3,
	RTC_HOUR = 4,
	RTC_HOUR_ALARM = 5,
	RTC_WEEKDAY = 6, /* 1 is Sunday */
	RTC_DAY = 7,
	RTC_MONTH = 8,
	RTC_YEAR = 9,
	RTC_CENTURY = 0x32,
};

/* Bits of register B that say how the registers hold numbers. */
#define RTC_B_24H    0x02
#define RTC_B_BINARY 0x04

/* Whether CMOS byte `index` is a time register (not an alarm). */
bool rtc_time_is_register(unsigned index);

/* The value that time register `index` has at `seconds` (since 1970 UTC, 0 .. year 9999). */
uint8_t rtc_time_encode(unsigned index, uint64_t seconds, uint8_t reg_b);

/* The time that the registers in `cmos` say; nonsense in them gives some time, never an error.
 * The weekday has no say. */
uint64_t rtc_time_decode(const uint8_t *cmos, uint8_t reg_b);

/* The first second after `seconds` that the alarm registers in `cmos` match, where 0xc0 and
 * above matches all (data sheet, "Alarm"). UINT64_MAX: they match no time of day. */
uint64_t rtc_time_next_alarm(const uint8_t *cmos, uint8_t reg_b, uint64_t seconds);

#endif

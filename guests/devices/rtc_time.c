/* The MC146818's numbers. Years run from 1970 to 9999; time zones don't exist. */
#include "guests/devices/rtc_time.h"

#include "kernel/lib/date.h"

#define HOUR_PM	    0x80 /* of the hour register in 12-hour mode */
#define ALARM_ANY   0xc0
#define SECONDS_MAX 253402300799ull /* 9999-12-31 23:59:59 */

static uint8_t to_format(unsigned number, uint8_t reg_b)
{
	return reg_b & RTC_B_BINARY ? number : (number / 10) << 4 | number % 10;
}

static unsigned from_format(uint8_t value, uint8_t reg_b)
{
	return reg_b & RTC_B_BINARY ? value : (value >> 4) * 10 + (value & 0xf);
}

static uint8_t hour_encode(unsigned hour, uint8_t reg_b)
{
	if (reg_b & RTC_B_24H)
		return to_format(hour, reg_b);
	return to_format(hour % 12 ? hour % 12 : 12, reg_b) | (hour >= 12 ? HOUR_PM : 0);
}

static unsigned hour_decode(uint8_t value, uint8_t reg_b)
{
	if (reg_b & RTC_B_24H)
		return from_format(value, reg_b);
	return from_format(value & ~HOUR_PM, reg_b) % 12 + (value & HOUR_PM ? 12 : 0);
}

bool rtc_time_is_register(unsigned index)
{
	switch (index) {
	case RTC_SECOND:
	case RTC_MINUTE:
	case RTC_HOUR:
	case RTC_WEEKDAY:
	case RTC_DAY:
	case RTC_MONTH:
	case RTC_YEAR:
	case RTC_CENTURY: return true;
	default: return false;
	}
}

uint8_t rtc_time_encode(unsigned index, uint64_t seconds, uint8_t reg_b)
{
	uint64_t days = seconds / DAY_SECONDS;
	unsigned in_day = seconds % DAY_SECONDS;
	struct date date = date_of(days);

	switch (index) {
	case RTC_SECOND: return to_format(in_day % 60, reg_b);
	case RTC_MINUTE: return to_format(in_day / 60 % 60, reg_b);
	case RTC_HOUR: return hour_encode(in_day / 3600, reg_b);
	case RTC_WEEKDAY: return to_format(date_weekday(days) + 1, reg_b);
	case RTC_DAY: return to_format(date.day, reg_b);
	case RTC_MONTH: return to_format(date.month, reg_b);
	case RTC_YEAR: return to_format(date.year % 100, reg_b);
	default: return to_format(date.year / 100 % 100, reg_b); /* 9999, then 0000 */
	}
}

uint64_t rtc_time_decode(const uint8_t *cmos, uint8_t reg_b)
{
	struct date date = {
		.year = from_format(cmos[RTC_CENTURY], reg_b) * 100 +
			from_format(cmos[RTC_YEAR], reg_b) % 100,
		.month = from_format(cmos[RTC_MONTH], reg_b),
		.day = from_format(cmos[RTC_DAY], reg_b) % 32,
	};
	uint64_t seconds;

	date.year = MIN(MAX(date.year, 1970u), 9999u);
	date.month = MIN(MAX(date.month, 1u), 12u);
	date.day = MAX(date.day, 1u);
	seconds = date_days(date) * DAY_SECONDS +
		  hour_decode(cmos[RTC_HOUR], reg_b) % 24 * 3600 +
		  from_format(cmos[RTC_MINUTE], reg_b) % 60 * 60 +
		  from_format(cmos[RTC_SECOND], reg_b) % 60;
	return MIN(seconds, SECONDS_MAX);
}

uint64_t rtc_time_next_alarm(const uint8_t *cmos, uint8_t reg_b, uint64_t seconds)
{
	uint8_t hour = cmos[RTC_HOUR_ALARM], minute = cmos[RTC_MINUTE_ALARM],
		second = cmos[RTC_SECOND_ALARM];
	unsigned want_hour = hour_decode(hour, reg_b), want_minute = from_format(minute, reg_b),
		 want_second = from_format(second, reg_b);
	uint64_t at = seconds + 1, end = at + DAY_SECONDS;

	/* From boundary to boundary: at most 24 hours, 60 minutes and 60 seconds are tried. */
	while (at < end) {
		unsigned in_day = at % DAY_SECONDS;

		if (hour < ALARM_ANY && in_day / 3600 != want_hour)
			at += 3600 - in_day % 3600;
		else if (minute < ALARM_ANY && in_day / 60 % 60 != want_minute)
			at += 60 - in_day % 60;
		else if (second < ALARM_ANY && in_day % 60 != want_second)
			at++;
		else
			return at;
	}
	return UINT64_MAX;
}

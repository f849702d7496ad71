/* The MC146818's numbers. Years run from 1970 to 9999; time zones don't exist. */
#include "guests/devices/rtc_time.h"

#define DAY_SECONDS 86400u
#define HOUR_PM	    0x80 /* of the hour register in 12-hour mode */
#define ALARM_ANY   0xc0
#define SECONDS_MAX 253402300799ull /* 9999-12-31 23:59:59 */

struct date {
	unsigned year, month, day; /* month 1-12, day 1-31 */
};

/*
 * Days since 1970-01-01 to a date and back. Years begin on 1 March, so that the leap day is
 * the last one; 146097 days are 400 years, 1461 are 4; 153 days are 5 months from March on.
 */
#define EPOCH_DAYS 719468 /* from 0000-03-01 to 1970-01-01 */

static struct date date_of(uint64_t days)
{
	uint64_t since = days + EPOCH_DAYS, era = since / 146097;
	unsigned in_era = since % 146097;
	unsigned year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	unsigned in_year = in_era - (365 * year + year / 4 - year / 100);
	unsigned month = (5 * in_year + 2) / 153; /* 0 is March */

	return (struct date){
		.year = era * 400 + year + (month >= 10),
		.month = month < 10 ? month + 3 : month - 9,
		.day = in_year - (153 * month + 2) / 5 + 1,
	};
}

static uint64_t days_of(struct date date)
{
	unsigned year = date.year - (date.month <= 2);
	unsigned month = date.month > 2 ? date.month - 3 : date.month + 9;
	unsigned in_year = (153 * month + 2) / 5 + date.day - 1;
	unsigned in_era = year % 400;

	return (uint64_t)(year / 400) * 146097 + in_era * 365 + in_era / 4 - in_era / 100 +
	       in_year - EPOCH_DAYS;
}

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
	case RTC_WEEKDAY: return to_format((days + 4) % 7 + 1, reg_b); /* 1970: a Thursday */
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
	seconds = days_of(date) * DAY_SECONDS + hour_decode(cmos[RTC_HOUR], reg_b) % 24 * 3600 +
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

/* Reads the MC146818: registers and formats as in its data sheet; the century as ACPI says. */
#include "kernel/io/rtc.h"

#include <errno.h>
#include <string.h>

#include "kernel/cpu/clock.h"
#include "kernel/cpu/port.h"
#include "kernel/io/acpi.h"

#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71

enum {
	RTC_SECONDS = 0,
	RTC_MINUTES = 2,
	RTC_HOURS = 4,
	RTC_DAY = 7,
	RTC_MONTH = 8,
	RTC_YEAR = 9,
	RTC_A = 10,
	RTC_B = 11
};

#define A_UPDATING     0x80
#define B_24_HOURS     0x02
#define B_BINARY       0x04
#define HOURS_PM       0x80

#define UPDATE_WAIT_US 20000
#define READ_TRIES     5

struct rtc_time {
	uint8_t second, minute, hour, day, month, year, century;
};

static uint8_t cmos_read(uint8_t index)
{
	outb(CMOS_INDEX, index);
	return inb(CMOS_DATA);
}

static void read_raw(struct rtc_time *t)
{
	for (unsigned us = 0; us < UPDATE_WAIT_US && (cmos_read(RTC_A) & A_UPDATING); us += 10)
		clock_delay_us(10);
	t->second = cmos_read(RTC_SECONDS);
	t->minute = cmos_read(RTC_MINUTES);
	t->hour = cmos_read(RTC_HOURS);
	t->day = cmos_read(RTC_DAY);
	t->month = cmos_read(RTC_MONTH);
	t->year = cmos_read(RTC_YEAR);
	t->century = acpi_machine.rtc_century ? cmos_read(acpi_machine.rtc_century) : 0;
}

static uint8_t from_bcd(uint8_t value)
{
	return (uint8_t)((value >> 4) * 10 + (value & 15));
}

static void convert(struct rtc_time *t, uint8_t status_b)
{
	bool pm = !(status_b & B_24_HOURS) && (t->hour & HOURS_PM);

	if (!(status_b & B_24_HOURS))
		t->hour &= (uint8_t)~HOURS_PM;
	if (!(status_b & B_BINARY)) {
		uint8_t *fields[] = {&t->second, &t->minute, &t->hour,	 &t->day,
				     &t->month,	 &t->year,   &t->century};

		for (unsigned i = 0; i < ARRAY_SIZE(fields); i++)
			*fields[i] = from_bcd(*fields[i]);
	}
	if (!(status_b & B_24_HOURS))
		t->hour = (uint8_t)(t->hour % 12 + (pm ? 12 : 0));
}

/* Days from 1970-01-01; the year counted from March, so that the leap day comes last. */
static uint64_t days_since_1970(unsigned year, unsigned month, unsigned day)
{
	unsigned y = month <= 2 ? year - 1 : year;
	unsigned months = (month + 9) % 12;

	return 365ull * y + y / 4 - y / 100 + y / 400 + (153 * months + 2) / 5 + day - 1 -
	       719468;
}

int rtc_read(uint64_t *seconds)
{
	struct rtc_time t, again;
	unsigned year;

	/* An update may begin between two registers: read until two readings agree. */
	read_raw(&t);
	for (unsigned i = 0; i < READ_TRIES; i++) {
		read_raw(&again);
		if (memcmp(&t, &again, sizeof(t)) == 0)
			break;
		t = again;
	}
	convert(&t, cmos_read(RTC_B));
	year = (t.century >= 19 && t.century <= 21 ? t.century : 20) * 100u + t.year;
	if (year < 1970 || t.year > 99 || t.month < 1 || t.month > 12 || t.day < 1 ||
	    t.day > 31 || t.hour > 23 || t.minute > 59 || t.second > 59)
		return -EIO;
	*seconds = days_since_1970(year, t.month, t.day) * 86400 + t.hour * 3600u +
		   t.minute * 60u + t.second;
	return 0;
}

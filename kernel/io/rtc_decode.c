/* What the MC146818's time registers mean (its data sheet, "Time, calendar and alarm"). */
#include <errno.h>

#include "kernel/io/rtc.h"
#include "kernel/lib/date.h"

#define B_24_HOURS 0x02
#define B_BINARY   0x04
#define HOURS_PM   0x80

static uint8_t from_bcd(uint8_t value)
{
	return (uint8_t)((value >> 4) * 10 + (value & 15));
}

static void to_binary(struct rtc_registers *r)
{
	r->second = from_bcd(r->second);
	r->minute = from_bcd(r->minute);
	r->hour = from_bcd(r->hour);
	r->day = from_bcd(r->day);
	r->month = from_bcd(r->month);
	r->year = from_bcd(r->year);
	r->century = from_bcd(r->century);
}

/* A day past the end of its month is one of a later one. */
static bool exists(struct date date)
{
	return date.month >= 1 && date.month <= 12 && date.day >= 1 &&
	       date_of(date_days(date)).month == date.month;
}

int rtc_decode(const struct rtc_registers *registers, uint64_t *seconds)
{
	struct rtc_registers r = *registers;
	bool half_days = !(r.status_b & B_24_HOURS);
	bool pm = half_days && (r.hour & HOURS_PM);
	struct date date;

	if (half_days)
		r.hour &= (uint8_t)~HOURS_PM;
	if (!(r.status_b & B_BINARY))
		to_binary(&r);
	if (half_days && (r.hour < 1 || r.hour > 12))
		return -EINVAL;
	if (half_days)
		r.hour = (uint8_t)(r.hour % 12 + (pm ? 12 : 0));
	/* Some machines have no century, or one that was never set. */
	date = (struct date){
		.year = (r.century >= 20 && r.century <= 21 ? r.century : 20) * 100u + r.year,
		.month = r.month,
		.day = r.day,
	};
	if (r.year > 99 || !exists(date) || r.hour > 23 || r.minute > 59 || r.second > 59)
		return -EINVAL;
	*seconds = date_days(date) * DAY_SECONDS + r.hour * 3600u + r.minute * 60u + r.second;
	return 0;
}

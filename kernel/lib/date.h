/* The calendar (Gregorian, of all times) and days since 1970. Pure; no time zones. */
#ifndef KERNEL_LIB_DATE_H
#define KERNEL_LIB_DATE_H

#include "kernel/lib/types.h"

#define DAY_SECONDS 86400u

struct date {
	unsigned year, month, day; /* month 1-12, day 1-31 */
};

/* Days since 1970-01-01 to a date and back. Years from 1970 on; a day past the end of its month
 * is one of the next. */
struct date date_of(uint64_t days);
uint64_t date_days(struct date date);

/* 0 is Sunday. */
static inline unsigned date_weekday(uint64_t days)
{
	return (unsigned)((days + 4) % 7); /* 1970-01-01 was a Thursday */
}

#endif

/*
 * Years begin on 1 March here, so that the leap day is the last one; 146097 days are 400 years,
 * 1461 are 4; 153 days are 5 months from March on.
 */
#include "kernel/lib/date.h"

#define EPOCH_DAYS 719468 /* from 0000-03-01 to 1970-01-01 */

struct date date_of(uint64_t days)
{
	uint64_t since = days + EPOCH_DAYS, era = since / 146097;
	unsigned in_era = since % 146097;
	unsigned year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	unsigned in_year = in_era - (365 * year + year / 4 - year / 100);
	unsigned month = (5 * in_year + 2) / 153; /* 0 is March */

	return (struct date){
		.year = (unsigned)(era * 400) + year + (month >= 10),
		.month = month < 10 ? month + 3 : month - 9,
		.day = in_year - (153 * month + 2) / 5 + 1,
	};
}

uint64_t date_days(struct date date)
{
	unsigned year = date.year - (date.month <= 2);
	unsigned month = date.month > 2 ? date.month - 3 : date.month + 9;
	unsigned in_year = (153 * month + 2) / 5 + date.day - 1;
	unsigned in_era = year % 400;

	return (uint64_t)(year / 400) * 146097 + in_era * 365 + in_era / 4 - in_era / 100 +
	       in_year - EPOCH_DAYS;
}

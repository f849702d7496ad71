/* What a line of the log begins with. */
#include <stdio.h>

#include "kernel/lib/date.h"
#include "kernel/log/log.h"

/* 2000-01-01: kernel/io/rtc knows no earlier date, so a wall clock before it was never set. */
#define WALL_LEAST_NS (946684800ull * NSEC_PER_SEC)

size_t log_stamp(char text[LOG_STAMP_BYTES], uint64_t now_ns, uint64_t wall_ns)
{
	unsigned long long us = now_ns / NSEC_PER_USEC;
	unsigned in_day = (unsigned)(wall_ns / NSEC_PER_SEC % DAY_SECONDS);
	int used = 0;

	if (wall_ns >= WALL_LEAST_NS)
		used = snprintf(text, LOG_STAMP_BYTES, "%02u:%02u:%02u ", in_day / 3600,
				in_day / 60 % 60, in_day % 60);
	return (size_t)(used + snprintf(text + used, LOG_STAMP_BYTES - (size_t)used,
					"[%4llu.%06llu] ", us / 1000000, us % 1000000));
}

uint64_t log_day(uint64_t wall_ns)
{
	return wall_ns >= WALL_LEAST_NS ? wall_ns / NSEC_PER_SEC / DAY_SECONDS : 0;
}

void log_day_text(char text[LOG_DAY_BYTES], uint64_t day)
{
	static const char names[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	struct date date = date_of(day);

	snprintf(text, LOG_DAY_BYTES, "%s %04u-%02u-%02u", names[date_weekday(day)],
		 date.year % 10000, date.month % 100, date.day % 100);
}

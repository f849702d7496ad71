/* What the RTC's registers mean: both encodings, both clocks, leap days, and nonsense. */
/* links: kernel/io/rtc_decode.c kernel/lib/date.c */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "kernel/io/rtc.h"

#define BCD_24	  0x02
#define BCD_12	  0x00
#define BINARY_24 0x06

/* Every day of 130 years, against the C library. */
static void days_agree_with_timegm(void **state)
{
	(void)state;
	for (int day = 0; day < 130 * 365; day++) {
		struct tm tm = {
			.tm_year = 100, .tm_mday = 1 + day, .tm_hour = 23, .tm_min = 59};
		uint64_t seconds, expected = (uint64_t)timegm(&tm);
		struct rtc_registers r = {
			.minute = 59,
			.hour = 23,
			.day = (uint8_t)tm.tm_mday,
			.month = (uint8_t)(tm.tm_mon + 1),
			.year = (uint8_t)(tm.tm_year % 100),
			.century = (uint8_t)(19 + tm.tm_year / 100),
			.status_b = BINARY_24,
		};

		assert_int_equal(rtc_decode(&r, &seconds), 0);
		assert_int_equal(seconds, expected);
	}
}

static void formats(void **state)
{
	static const struct {
		struct rtc_registers r;
		uint64_t hour;
	} cases[] = {
		{{.hour = 0x12, .status_b = BCD_12}, 0},
		{{.hour = 0x01, .status_b = BCD_12}, 1},
		{{.hour = 0x92, .status_b = BCD_12}, 12},
		{{.hour = 0x91, .status_b = BCD_12}, 23},
		{{.hour = 0x81, .status_b = BCD_12}, 13},
		{{.hour = 0x23, .status_b = BCD_24}, 23},
		{{.hour = 17, .status_b = BINARY_24}, 17},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rtc_registers r = cases[i].r;
		uint64_t seconds;

		r.day = r.month = 1; /* 2000-01-01, the century not given */
		assert_int_equal(rtc_decode(&r, &seconds), 0);
		assert_int_equal(seconds, 946684800 + cases[i].hour * 3600);
	}
}

static void nonsense_is_refused(void **state)
{
	static const struct rtc_registers cases[] = {
		{.day = 0, .month = 1, .status_b = BINARY_24},
		{.day = 1, .month = 0, .status_b = BINARY_24},
		{.day = 1, .month = 13, .status_b = BINARY_24},
		{.day = 30, .month = 2, .year = 24, .status_b = BINARY_24},
		{.day = 29, .month = 2, .year = 25, .status_b = BINARY_24},
		{.day = 29, .month = 2, .century = 21, .status_b = BINARY_24},
		{.day = 31, .month = 4, .status_b = BINARY_24},
		{.day = 1, .month = 1, .hour = 24, .status_b = BINARY_24},
		{.day = 1, .month = 1, .minute = 60, .status_b = BINARY_24},
		{.day = 1, .month = 1, .second = 0x60, .status_b = BCD_24},
		{.day = 1, .month = 1, .hour = 0x13, .status_b = BCD_12},
		{.day = 1, .month = 1, .hour = 0, .status_b = BCD_12},
		{255, 255, 255, 255, 255, 255, 255, 255},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t seconds = 7;

		assert_int_equal(rtc_decode(&cases[i], &seconds), -EINVAL);
		assert_int_equal(seconds, 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(days_agree_with_timegm),
		cmocka_unit_test(formats),
		cmocka_unit_test(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * A guest's MC146818: its calendar against the C library's, reading and setting the time, and
 * the three interrupts, in a time that the test moves.
 */
/* links: guests/devices/rtc.c guests/devices/rtc_time.c kernel/vmm/bus.c */
/* links: tests/unit/fake_vmm.c tests/unit/fake_devices.c kernel/lib/date.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "guests/devices/rtc.h"
#include "guests/devices/rtc_time.h"
#include "tests/unit/fake_devices.h"

enum { A = 10, B, C, D };
#define SET	   0x80
#define PIE	   0x40
#define AIE	   0x20
#define UIE	   0x10
#define MODE_24H   RTC_B_24H
#define MODE_12H   0
#define NEVER_RATE 0x20

static struct vm *vm;
static struct rtc *rtc;

static int setup(void **state)
{
	(void)state;
	vm = fake_machine_create();
	rtc = rtc_create(&vm->board);
	return rtc ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	rtc_destroy(rtc);
	fake_vm_destroy(vm);
	return 0;
}

static uint8_t get(uint8_t index)
{
	fake_out(vm, 0x70, index);
	return fake_in(vm, 0x71);
}

static void set(uint8_t index, uint8_t value)
{
	fake_out(vm, 0x70, index);
	fake_out(vm, 0x71, value);
}

static void wait_ms(uint64_t ms)
{
	fake_run_until(fake_now_ns + ms * NSEC_PER_MSEC);
}

/* hour, minute, second in one number, and the date likewise; as the registers show them. */
static uint32_t get_time(void)
{
	return get(RTC_HOUR) << 16 | get(RTC_MINUTE) << 8 | get(RTC_SECOND);
}

static uint32_t get_date(void)
{
	return (uint32_t)get(RTC_CENTURY) << 24 | get(RTC_YEAR) << 16 | get(RTC_MONTH) << 8 |
	       get(RTC_DAY);
}

static void test_calendar_is_the_c_librarys(void **state)
{
	uint64_t random = 1;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		time_t seconds = i < 50000 ? i * 86399ll : fake_random(&random) % 253402300800;
		uint8_t mode = i % 4 * 2; /* BCD or binary, 12 or 24 hours */
		uint8_t cmos[128] = {0};
		struct tm tm;

		gmtime_r(&seconds, &tm);
		assert_int_equal(rtc_time_encode(RTC_SECOND, seconds, 6), tm.tm_sec);
		assert_int_equal(rtc_time_encode(RTC_MINUTE, seconds, 6), tm.tm_min);
		assert_int_equal(rtc_time_encode(RTC_HOUR, seconds, 6), tm.tm_hour);
		assert_int_equal(rtc_time_encode(RTC_WEEKDAY, seconds, 6), tm.tm_wday + 1);
		assert_int_equal(rtc_time_encode(RTC_DAY, seconds, 6), tm.tm_mday);
		assert_int_equal(rtc_time_encode(RTC_MONTH, seconds, 6), tm.tm_mon + 1);
		assert_int_equal(rtc_time_encode(RTC_YEAR, seconds, 6), tm.tm_year % 100);
		assert_int_equal(rtc_time_encode(RTC_CENTURY, seconds, 6),
				 (tm.tm_year + 1900) / 100);
		for (unsigned r = 0; r < 128; r++)
			if (rtc_time_is_register(r))
				cmos[r] = rtc_time_encode(r, seconds, mode);
		assert_int_equal(rtc_time_decode(cmos, mode), seconds);
	}
}

/* Nonsense gives some time between 1970 and the end of 9999, which can be shown again. */
static void test_decode_takes_anything(void **state)
{
	uint64_t random = 2;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		uint8_t cmos[128];
		uint64_t seconds;

		for (unsigned r = 0; r < sizeof(cmos); r++)
			cmos[r] = fake_random(&random);
		seconds = rtc_time_decode(cmos, i % 4 * 2);
		assert_true(seconds <= 253402300799ull);
		rtc_time_next_alarm(cmos, i % 4 * 2, seconds);
	}
}

/* The next alarm against a search second by second. */
static void test_next_alarm(void **state)
{
	uint64_t random = 3;

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		uint8_t mode = i % 4 * 2, cmos[128] = {0};
		uint64_t start = 1700000000 + fake_random(&random) % 100000, at = start + 1;
		uint64_t alarm = fake_random(&random) % 86400;
		unsigned any = fake_random(&random) % 8;

		cmos[RTC_SECOND_ALARM] =
			any & 1 ? 0xc0 : rtc_time_encode(RTC_SECOND, alarm, mode);
		cmos[RTC_MINUTE_ALARM] =
			any & 2 ? 0xff : rtc_time_encode(RTC_MINUTE, alarm, mode);
		cmos[RTC_HOUR_ALARM] = any & 4 ? 0xc5 : rtc_time_encode(RTC_HOUR, alarm, mode);
		while (!((any & 1 || at % 60 == alarm % 60) &&
			 (any & 2 || at / 60 % 60 == alarm / 60 % 60) &&
			 (any & 4 || at / 3600 % 24 == alarm / 3600 % 24)))
			at++;
		assert_int_equal(rtc_time_next_alarm(cmos, mode, start), at);
	}
	assert_true(rtc_time_next_alarm((uint8_t[128]){[RTC_HOUR_ALARM] = 0x77}, 2, 0) ==
		    UINT64_MAX); /* an hour that never comes */
}

static void test_reading_the_time(void **state)
{
	(void)state;
	assert_int_equal(get_date(), 0x20240228);
	assert_int_equal(get_time(), 0x235950);
	assert_int_equal(get(RTC_WEEKDAY), 4); /* Wednesday */
	wait_ms(10000);
	assert_int_equal(get_date(), 0x20240229);
	assert_int_equal(get_time(), 0x000000);
	set(B, MODE_12H);
	assert_int_equal(get_time(), 0x120000); /* midnight is 12 AM */
	wait_ms(13 * 3600 * 1000);
	assert_int_equal(get_time(), 0x810000); /* 1 PM */
	set(B, MODE_24H | RTC_B_BINARY);
	assert_int_equal(get_time(), 13 << 16);
	assert_int_equal(get(D), 0x80);
}

static void test_update_in_progress(void **state)
{
	(void)state;
	assert_int_equal(get(A), 0x26);
	fake_run_until(NSEC_PER_SEC - 250 * NSEC_PER_USEC);
	assert_int_equal(get(A), 0x26);
	fake_run_until(NSEC_PER_SEC - 240 * NSEC_PER_USEC);
	assert_int_equal(get(A), 0xa6);
	assert_int_equal(get(RTC_SECOND), 0x50);
	fake_run_until(NSEC_PER_SEC);
	assert_int_equal(get(A), 0x26);
	assert_int_equal(get(RTC_SECOND), 0x51);
}

/* As Linux sets it: SET, divider reset, registers, and both back. */
static void test_setting_the_time(void **state)
{
	(void)state;
	set(B, SET | MODE_24H);
	set(A, 0x76);
	wait_ms(5000);
	assert_int_equal(get_time(), 0x235950); /* it stands */
	set(RTC_CENTURY, 0x19);
	set(RTC_YEAR, 0x99);
	set(RTC_MONTH, 0x12);
	set(RTC_DAY, 0x31);
	set(RTC_HOUR, 0x23);
	set(RTC_MINUTE, 0x59);
	set(RTC_SECOND, 0x59);
	set(B, MODE_24H);
	wait_ms(5000);
	assert_int_equal(get_time(), 0x235959); /* still: the divider is held */
	set(A, 0x26);
	wait_ms(499);
	assert_int_equal(get_time(), 0x235959);
	wait_ms(2); /* the first update comes half a second after the reset ends */
	assert_int_equal(get_time(), 0x000000);
	assert_int_equal(get_date(), 0x20000101);
}

static void test_setting_one_register_while_it_runs(void **state)
{
	(void)state;
	wait_ms(700);
	set(RTC_HOUR, 0x05);
	assert_int_equal(get_time(), 0x055950);
	wait_ms(299);
	assert_int_equal(get_time(), 0x055950);
	wait_ms(1); /* the second goes on where it was */
	assert_int_equal(get_time(), 0x055951);
}

static void test_update_interrupt(void **state)
{
	(void)state;
	set(B, UIE | MODE_24H);
	wait_ms(999);
	assert_false(fake_irq_level[RTC_GSI]);
	wait_ms(1);
	assert_true(fake_irq_level[RTC_GSI]);
	wait_ms(5000); /* not read: the line stays, and no timer runs */
	assert_int_equal(fake_irq_rises[RTC_GSI], 1);
	assert_int_equal(fake_timer_runs, 1);
	assert_int_equal(get(C) & ~0x40, 0x90); /* the periodic flag comes along */
	assert_false(fake_irq_level[RTC_GSI]);
	assert_int_equal(get(C), 0);
	wait_ms(1000);
	assert_int_equal(fake_irq_rises[RTC_GSI], 2);
	set(B, SET | UIE | MODE_24H); /* SET clears UIE */
	assert_int_equal(get(B), SET | MODE_24H);
}

static void test_flags_without_interrupts(void **state)
{
	(void)state;
	set(RTC_SECOND_ALARM, 0x52);
	set(RTC_MINUTE_ALARM, 0xff);
	set(RTC_HOUR_ALARM, 0xff);
	get(C);
	wait_ms(1000);
	assert_int_equal(get(C), 0x50); /* update, and periodic at 1024 Hz */
	wait_ms(1000);
	assert_int_equal(get(C), 0x70); /* and the alarm */
	assert_int_equal(fake_irq_rises[RTC_GSI], 0);
	assert_int_equal(fake_timer_runs, 0);
}

static void test_alarm_interrupt(void **state)
{
	(void)state;
	set(RTC_SECOND_ALARM, 0x05);
	set(RTC_MINUTE_ALARM, 0x01);
	set(RTC_HOUR_ALARM, 0x00);
	set(B, AIE | MODE_24H);
	wait_ms(10000 + 64999);
	assert_false(fake_irq_level[RTC_GSI]);
	wait_ms(1);
	assert_true(fake_irq_level[RTC_GSI]);
	assert_int_equal(get_time(), 0x000105);
	assert_int_equal(get(C) & 0xa0, 0xa0);
	wait_ms(86399999);
	assert_int_equal(fake_irq_rises[RTC_GSI], 1);
	wait_ms(1);
	assert_int_equal(fake_irq_rises[RTC_GSI], 2);
}

static void test_periodic_interrupt(void **state)
{
	static const struct {
		uint8_t rate;
		unsigned hz;
	} rates[] = {{1, 256}, {2, 128}, {3, 8192}, {6, 1024}, {15, 2}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rates); i++) {
		uint64_t end = fake_now_ns + 2 * NSEC_PER_SEC;
		unsigned count = 0;

		set(A, 0x20 | rates[i].rate);
		set(B, PIE | MODE_24H);
		get(C);
		while (fake_now_ns < end) {
			fake_run_until(fake_now_ns + 50 * NSEC_PER_USEC);
			if (fake_irq_level[RTC_GSI]) {
				assert_int_equal(get(C) & 0xc0, 0xc0);
				count++;
			}
		}
		assert_in_range(count, rates[i].hz * 2 - 1, rates[i].hz * 2 + 1);
	}
	/* A guest that does not read register C gets one, whatever the rate. */
	set(A, 0x23);
	get(C);
	fake_irq_rises[RTC_GSI] = fake_timer_runs = 0;
	wait_ms(10000);
	assert_int_equal(fake_irq_rises[RTC_GSI], 1);
	assert_in_range(fake_timer_runs, 1, 2);
	set(A, NEVER_RATE);
	get(C);
	wait_ms(10000);
	assert_int_equal(get(C) & 0x40, 0);
}

static void test_machines_clock_is_set(void **state)
{
	(void)state;
	set(B, UIE | MODE_24H);
	fake_wall_shift_ns = 3600 * (int64_t)NSEC_PER_SEC;
	assert_int_equal(get_time(), 0x005950); /* the guest follows */
	get(C);
	fake_wall_shift_ns = -3600 * (int64_t)NSEC_PER_SEC;
	assert_int_equal(get_time(), 0x225950);
	assert_int_equal(get(C), 0); /* going back is no update */
	wait_ms(1000);
	assert_true(fake_irq_level[RTC_GSI]);
	set(RTC_CENTURY, 0x19);
	set(RTC_YEAR, 0x70);
	set(RTC_MONTH, 1);
	set(RTC_DAY, 1);
	set(RTC_HOUR, 0);
	assert_int_equal(get_date(), 0x19700101);
	fake_wall_shift_ns -= 2 * 3600 * (int64_t)NSEC_PER_SEC;
	assert_int_equal(get_date(), 0x19700101); /* no time before that */
	assert_int_equal(get_time(), 0);
}

static void test_cmos(void **state)
{
	(void)state;
	set(0x0f, 0xa5); /* shutdown code */
	assert_int_equal(get(0x0f), 0xa5);
	assert_int_equal(get(0x8f), 0xa5); /* bit 7 is the NMI mask */
	assert_int_equal(get(0x15) | get(0x16) << 8, 640);
	assert_int_equal(get(0x17) | get(0x18) << 8, 0xffff);
	assert_int_equal(get(0x34) | get(0x35) << 8, 496 * 16);
	assert_int_equal(get(0x5b), 0);
	set(C, 0xff);
	set(D, 0x00);
	assert_int_equal(get(C) & 0x0f, 0);
	assert_int_equal(get(D), 0x80);
	assert_int_equal(fake_in(vm, 0x70), 0xff);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

/* Every year that the registers can show, set as an operating system sets it, goes on from
 * there: by update and alarm, over the end of the year. */
static void test_years(void **state)
{
	static const unsigned years[] = {1970, 1999, 2038, 2106, 2261, 2262, 2300, 2399,
					 2553, 2554, 2555, 2600, 4000, 9998, 9999};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(years); i++) {
		unsigned year = years[i], next = (year + 1) % 10000;

		set(B, SET | MODE_24H | RTC_B_BINARY);
		set(RTC_CENTURY, year / 100);
		set(RTC_YEAR, year % 100);
		set(RTC_MONTH, 12);
		set(RTC_DAY, 31);
		set(RTC_HOUR, 23);
		set(RTC_MINUTE, 59);
		set(RTC_SECOND, 58);
		set(RTC_HOUR_ALARM, 23);
		set(RTC_MINUTE_ALARM, 59);
		set(RTC_SECOND_ALARM, 59);
		get(C);
		set(B, AIE | MODE_24H | RTC_B_BINARY); /* on, with the alarm's interrupt */
		assert_int_equal(get_date(),
				 year / 100 << 24 | year % 100 << 16 | 12 << 8 | 31);
		assert_int_equal(get_time(), 23 << 16 | 59 << 8 | 58);
		fake_irq_rises[RTC_GSI] = 0;
		wait_ms(1000);
		assert_int_equal(fake_irq_rises[RTC_GSI], 1);
		assert_int_equal(get(C) & 0xa0, 0xa0);
		wait_ms(1000);
		assert_int_equal(get_date(), next / 100 << 24 | next % 100 << 16 | 1 << 8 | 1);
		assert_int_equal(get_time(), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_calendar_is_the_c_librarys),
		TEST(test_decode_takes_anything),
		TEST(test_next_alarm),
		TEST(test_reading_the_time),
		TEST(test_update_in_progress),
		TEST(test_setting_the_time),
		TEST(test_years),
		TEST(test_setting_one_register_while_it_runs),
		TEST(test_update_interrupt),
		TEST(test_flags_without_interrupts),
		TEST(test_alarm_interrupt),
		TEST(test_periodic_interrupt),
		TEST(test_machines_clock_is_set),
		TEST(test_cmos),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

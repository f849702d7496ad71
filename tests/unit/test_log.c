/* The log's ring and lines: what is kept, what is escaped, what sinks see, and in what order.
 */
/* links: kernel/log/log.c kernel/log/stamp.c kernel/lib/date.c */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/log/log.h"

static char seen[1 << 20];
static size_t seen_bytes;
static unsigned seen_lines;
static enum log_level seen_level;

static void remember(struct log_sink *sink, enum log_level level, const char *line,
		     size_t bytes)
{
	(void)sink;
	assert_int_equal(strlen(line), bytes);
	assert_true(bytes < LOG_LINE_MAX);
	assert_true(seen_bytes + bytes + 2 < sizeof(seen));
	memcpy(seen + seen_bytes, line, bytes);
	seen_bytes += bytes;
	seen[seen_bytes++] = '\n';
	seen[seen_bytes] = '\0';
	seen_level = level;
	seen_lines++;
	errno = EIO; /* the log must not pass it on */
}

static struct log_sink sink = {.write = remember};

static uint64_t fixed_time(void)
{
	return 12345678999ull;
}

static uint64_t wall_ns;

static uint64_t wall_time(void)
{
	return wall_ns;
}

static int attach(void **state)
{
	(void)state;
	log_attach(&sink);
	seen_bytes = seen_lines = 0;
	return 0;
}

static int detach(void **state)
{
	(void)state;
	log_detach(&sink);
	log_set_clock(NULL, NULL);
	return 0;
}

static void lines_carry_time_area_and_level(void **state)
{
	(void)state;
	log_info("smp", "%u CPUs", 4u);
	assert_string_equal(seen, "[   0.000000] smp: 4 CPUs\n");
	log_set_clock(fixed_time, NULL);
	log_warn("smp", "late");
	assert_non_null(strstr(seen, "[  12.345678] smp: warning: late\n"));
	assert_int_equal(seen_level, LOG_WARN);
	log_error("smp", "gone");
	assert_non_null(strstr(seen, "] smp: error: gone\n"));
}

#define SECOND	     1000000000ull
#define END_OF_1999  (946684800 * SECOND - 1)
#define DAY_OF_2026  (1796083200 * SECOND) /* 2026-12-01 */
#define LEAP_DAY_END (1709251199 * SECOND) /* 2024-02-29 23:59:59 */

/* A machine whose clock was never set is in 1970, and no time of day is better than a wrong
 * one. */
static void time_of_day_is_told_once_it_is_known(void **state)
{
	(void)state;
	log_set_clock(fixed_time, wall_time);
	wall_ns = END_OF_1999;
	log_info("smp", "early");
	assert_string_equal(seen, "[  12.345678] smp: early\n");
	seen_bytes = seen_lines = 0;
	wall_ns = END_OF_1999 + 1;
	log_info("smp", "now");
	assert_string_equal(seen, "00:00:00 [  12.345678] date: Sat 2000-01-01, UTC\n"
				  "00:00:00 [  12.345678] smp: now\n");
}

static void each_day_is_told_once(void **state)
{
	(void)state;
	log_set_clock(fixed_time, wall_time);
	wall_ns = DAY_OF_2026 + 29472 * SECOND + 999999999; /* not rounded up */
	log_info("a", "1");
	wall_ns = DAY_OF_2026 + 86400 * SECOND - 1;
	log_info("a", "2");
	wall_ns++;
	log_error("a", "3");
	assert_string_equal(seen, "08:11:12 [  12.345678] date: Tue 2026-12-01, UTC\n"
				  "08:11:12 [  12.345678] a: 1\n"
				  "23:59:59 [  12.345678] a: 2\n"
				  "00:00:00 [  12.345678] date: Wed 2026-12-02, UTC\n"
				  "00:00:00 [  12.345678] a: error: 3\n");
	seen_bytes = seen_lines = 0;
	wall_ns = LEAP_DAY_END;
	log_info("a", "4");
	wall_ns += SECOND;
	log_info("a", "5");
	assert_non_null(strstr(seen, "date: Thu 2024-02-29, UTC\n"));
	assert_non_null(strstr(seen, "date: Fri 2024-03-01, UTC\n"));
}

/* Both are the largest that there are: a line's time never runs over. */
static void stamps_fit(void **state)
{
	char text[LOG_STAMP_BYTES], day[LOG_DAY_BYTES];

	(void)state;
	assert_true(log_stamp(text, UINT64_MAX, UINT64_MAX) < LOG_STAMP_BYTES);
	assert_string_equal(text, "23:34:33 [18446744073.709551] ");
	assert_int_equal(log_stamp(text, UINT64_MAX, UINT64_MAX), strlen(text));
	log_day_text(day, UINT64_MAX / SECOND / 86400);
	assert_string_equal(day, "Sun 2554-07-21");
}

static void control_bytes_cannot_forge_lines(void **state)
{
	(void)state;
	log_info("a\nb", "%s", "x\r\n[   0.0] forged\x1b[2J\x7f\ttab");
	assert_string_equal(
		seen, "[   0.000000] a\\x0ab: x\\x0d\\x0a[   0.0] forged\\x1b[2J\\x7f\ttab\n");
	assert_int_equal(seen_lines, 1);
}

static void long_lines_are_cut(void **state)
{
	static const char *const starts[] = {"", "1", "12", "123"};
	char text[3 * LOG_LINE_MAX];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_info("long", "%s", text);
	assert_int_equal(strlen(seen), LOG_LINE_MAX); /* with '\n' for NUL */
	assert_string_equal(seen + strlen(seen) - 5, "x...\n");

	memset(text, '\n', sizeof(text) - 1); /* four bytes each when escaped */
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		seen_bytes = 0;
		log_info("long", "%s%s", starts[i], text);
		assert_true(strlen(seen) <= LOG_LINE_MAX);
		assert_string_equal(seen + strlen(seen) - 8, "\\x0a...\n");
	}
}

static void errno_is_left_alone(void **state)
{
	(void)state;
	errno = 77;
	log_info("x", "%d", 1);
	assert_int_equal(errno, 77);
}

/* Far more than the ring holds: the newest lines stay, whole, in order, for latecomers too. */
static void ring_keeps_the_newest(void **state)
{
	static char tail[1 << 20];
	unsigned first = 0;
	size_t bytes;

	(void)state;
	log_detach(&sink);
	for (unsigned i = 0; i < 5000; i++)
		log_info("n", "%u %.*s", i, (int)(i * 37 % 90),
			 "------------------------------"
			 "------------------------------"
			 "------------------------------");
	log_attach(&sink);
	assert_true(seen_lines > 500);
	assert_int_equal(sscanf(seen, "[ 0.000000] n: %u", &first), 1);
	assert_int_equal(first, 5000 - seen_lines);
	for (unsigned i = first; i < 5000; i++) {
		char needle[40];

		snprintf(needle, sizeof(needle), "n: %u ", i);
		assert_non_null(strstr(seen, needle));
	}

	bytes = log_tail(tail, sizeof(tail));
	assert_int_equal(bytes, seen_bytes);
	assert_memory_equal(tail, seen, bytes);
	for (size_t room = 0; room < 1000; room++) {
		char *small = malloc(room ? room : 1);

		bytes = log_tail(small, room);
		assert_true(bytes <= room && bytes + 130 > room);
		assert_memory_equal(small, seen + seen_bytes - bytes, bytes);
		assert_true(bytes == 0 || small[0] == '[');
		free(small);
	}
}

static void check_level(struct log_sink *which, enum log_level level, const char *line,
			size_t bytes)
{
	(void)which;
	assert_int_equal(level, LOG_DEBUG);
	assert_int_equal(line[0], '[');
	assert_int_equal(strlen(line), bytes);
}

/* However the ring is filled, its oldest record is whole. */
static void ring_never_tears_a_record(void **state)
{
	struct log_sink checker = {.write = check_level};

	(void)state;
	log_detach(&sink);
	for (unsigned i = 0; i < 4000; i++) {
		log_debug("n", "%*u", (int)(i * 131 % 97), i);
		if (i > 3000) {
			log_attach(&checker);
			log_detach(&checker);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_carry_time_area_and_level, attach,
						detach),
		cmocka_unit_test_setup_teardown(time_of_day_is_told_once_it_is_known, attach,
						detach),
		cmocka_unit_test_setup_teardown(each_day_is_told_once, attach, detach),
		cmocka_unit_test(stamps_fit),
		cmocka_unit_test_setup_teardown(control_bytes_cannot_forge_lines, attach,
						detach),
		cmocka_unit_test_setup_teardown(long_lines_are_cut, attach, detach),
		cmocka_unit_test_setup_teardown(errno_is_left_alone, attach, detach),
		cmocka_unit_test_setup_teardown(ring_keeps_the_newest, attach, detach),
		cmocka_unit_test_setup_teardown(ring_never_tears_a_record, attach, detach),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

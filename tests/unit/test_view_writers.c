/*
 * What writers make of views: JSON, metrics and words are exact at the values' edges, whatever
 * bytes texts hold; rows are as long as they need to be; and a sink that fails is left alone.
 */
/* links: guests/views/view.c guests/views/guest.c guests/views/machine.c */
/* links: guests/views/disks.c guests/views/networks.c guests/views/rows.c */
/* links: guests/views/sink.c guests/views/escape.c guests/views/json.c */
/* links: guests/views/metrics.c guests/views/words.c kernel/lib/utf8.c */
/* links: tests/unit/fail_malloc.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/views/guest.h"
#include "guests/views/json.h"
#include "guests/views/machine.h"
#include "guests/views/metrics.h"
#include "guests/views/networks.h"
#include "guests/views/words.h"
#include "kernel/lib/utf8.h"
#include "tests/unit/fail_malloc.h"

static char said[1 << 16];
static size_t said_bytes;
static int writes_left; /* until the sink fails; -1: it does not */

static int take(void *arg, const char *text, size_t bytes)
{
	(void)arg;
	assert_true(writes_left); /* after it failed it is not called */
	if (writes_left > 0 && !--writes_left)
		return -EPIPE;
	assert_true(said_bytes + bytes < sizeof said);
	memcpy(said + said_bytes, text, bytes);
	said_bytes += bytes;
	said[said_bytes] = 0;
	return 0;
}

static struct sink fresh(void)
{
	said_bytes = 0;
	said[0] = 0;
	writes_left = -1;
	return (struct sink){.write = take};
}

/* ---- JSON -------------------------------------------------------------------------------- */

static void test_json_strings(void **state)
{
	struct view_rows rows = view_rows(&log_table);
	const struct view_rows *list = &rows;
	struct log_view view;
	struct sink to;

	(void)state;
	memset(&view, 'x', sizeof view); /* no NUL in it */
	memcpy(view.line, "a\"\\\n\x01\x1f\x7f\xc3\xa4\xff\xc3", 11);
	view.line[12] = 0;
	view_rows_add(&rows, &view);
	to = fresh();
	json_write(&to, &list, 1);
	assert_string_equal(said, "{\n  \"log\": [\n    {\n      \"line\": "
				  "\"a\\\"\\\\\\u000a\\u0001\\u001f\\u007f\xc3\xa4\xef\xbf\xbd"
				  "\xef\xbf\xbdx\"\n    }\n  ]\n}\n");
	view_rows_free(&rows);

	rows.error = -ENOMEM;
	to = fresh();
	json_write(&to, &list, 1);
	assert_string_equal(said, "{\n  \"log\": [],\n  \"incomplete\": true\n}\n");
	to = fresh();
	json_write(&to, NULL, 0);
	assert_string_equal(said, "{}\n");
}

/* A text that fills its place has no NUL, and ends there. */
static void test_text_that_is_full(void **state)
{
	struct memory_view view = {.total_bytes = 0x6161616161616161};
	struct sink to = fresh();

	(void)state;
	memset(view.pool, 'p', sizeof view.pool);
	struct view_rows rows = view_rows(&memory_table);
	const struct view_rows *list = &rows;

	view_rows_add(&rows, &view);
	json_write(&to, &list, 1);
	assert_non_null(strstr(said, "\"pool\": \"pppppppppppppppp\","));
	view_rows_free(&rows);
}

static void test_characters(void **state)
{
	static const struct {
		const char *bytes;
		size_t left, is;
	} cases[] = {
		{"a", 1, 1},
		{"a", 0, 0},
		{"\x7f", 1, 1},
		{"\x80", 1, 0},
		{"\xc1\xbf", 2, 0},
		{"\xc2\x80", 2, 2},
		{"\xc2\x80", 1, 0},
		{"\xc2\x7f", 2, 0},
		{"\xdf\xbf", 2, 2},
		{"\xe0\x9f\xbf", 3, 0},
		{"\xe0\xa0\x80", 3, 3},
		{"\xe0\xa0\x80", 2, 0},
		{"\xed\x9f\xbf", 3, 3},
		{"\xed\xa0\x80", 3, 0},
		{"\xee\x80\x80", 3, 3},
		{"\xef\xbf\x7f", 3, 0},
		{"\xf0\x8f\xbf\xbf", 4, 0},
		{"\xf0\x90\x80\x80", 4, 4},
		{"\xf4\x8f\xbf\xbf", 4, 4},
		{"\xf4\x90\x80\x80", 4, 0},
		{"\xf1\x80\x80\xc0", 4, 0},
		{"\xf5\x80\x80\x80", 4, 0},
		{"\xff", 1, 0},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(utf8_bytes(cases[i].bytes, cases[i].left), cases[i].is);
}

/* ---- metrics ----------------------------------------------------------------------------- */

static void metrics_of(const struct view_table *table, const void *view)
{
	struct view_rows rows = view_rows(table);
	const struct view_rows *list = &rows;
	struct sink to = fresh();

	view_rows_add(&rows, view);
	metrics_write(&to, &list, 1);
	view_rows_free(&rows);
}

static void test_seconds_are_exact(void **state)
{
	static const struct {
		uint64_t ns;
		const char *seconds;
	} cases[] = {
		{0, " 0.000000000\n"},
		{1, " 0.000000001\n"},
		{999999999, " 0.999999999\n"},
		{1000000000, " 1.000000000\n"},
		{UINT64_MAX, " 18446744073.709551615\n"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct machine_view view = {.uptime_ns = cases[i].ns};

		metrics_of(&machine_table, &view);
		assert_string_equal(strrchr(said, 's') + 1, cases[i].seconds);
	}
}

static void test_labels(void **state)
{
	struct cpu_view cpu = {.id = 3, .apic_id = UINT32_MAX, .interrupts = UINT64_MAX};
	struct memory_view pool = {.pool = "a\"b\\c\nd\xff"};

	(void)state;
	metrics_of(&cpu_table, &cpu);
	assert_non_null(strstr(said, "# TYPE bulkhead_cpu_interrupts_total counter\n"
				     "bulkhead_cpu_interrupts_total{cpu=\"3\"} "
				     "18446744073709551615\n"));
	assert_non_null(strstr(said, "bulkhead_cpu_apic_id{cpu=\"3\"} 4294967295\n"));
	metrics_of(&memory_table, &pool);
	assert_non_null(strstr(said,
			       "bulkhead_memory_free_bytes{pool=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\""
			       "} 0\n"));
	/* Notes are not metrics, and tables without a name have none. */
	metrics_of(&log_table, &(struct log_view){.line = "x"});
	assert_string_equal(said, "");
	metrics_of(&station_table, &(struct station_view){.mac = "x"});
	assert_string_equal(said, "");
}

static struct guest_view *guest_with(uint32_t vcpus)
{
	struct guest_view *guest = calloc(1, sizeof *guest);

	strcpy(guest->name, "web");
	strcpy(guest->state, "running");
	guest->vcpu_count = vcpus;
	guest->disk_count = 1;
	for (uint32_t i = 0; i < VIEW_VCPUS_MAX; i++) {
		guest->vcpus[i].id = i;
		strcpy(guest->vcpus[i].state, "halted");
		guest->vcpus[i].exit_count = 2;
		view_set_count(&guest->vcpus[i].exits[0], "hlt", i);
		view_set_count(&guest->vcpus[i].exits[1], "io", UINT64_MAX);
	}
	return guest;
}

static unsigned count_of(const char *what)
{
	unsigned n = 0;

	for (const char *at = said; (at = strstr(at, what)); at++)
		n++;
	return n;
}

static void test_families_are_in_one_place(void **state)
{
	struct view_rows rows = view_rows(&guest_table);
	const struct view_rows *list = &rows;
	struct guest_view *guest = guest_with(2);
	struct sink to = fresh();

	(void)state;
	view_rows_add(&rows, guest);
	strcpy(guest->name, "db");
	guest->nic_count = 0;
	view_rows_add(&rows, guest);
	free(guest);
	metrics_write(&to, &list, 1);
	view_rows_free(&rows);
	assert_int_equal(count_of("# HELP bulkhead_guest_vcpu_exits_total "), 1);
	assert_non_null(strstr(
		said,
		"# TYPE bulkhead_guest_vcpu_exits_total counter\n"
		"bulkhead_guest_vcpu_exits_total{guest=\"web\",vcpu=\"0\",reason=\"hlt\"} 0\n"
		"bulkhead_guest_vcpu_exits_total{guest=\"web\",vcpu=\"0\",reason=\"io\"} "
		"18446744073709551615\n"
		"bulkhead_guest_vcpu_exits_total{guest=\"web\",vcpu=\"1\",reason=\"hlt\"} "
		"1\n"));
	assert_int_equal(count_of("\nbulkhead_guest_vcpu_exits_total{"), 8);
	assert_int_equal(count_of("bulkhead_guest_nic_"), 0); /* nobody has one */
	assert_non_null(strstr(said,
			       "bulkhead_guest_state{guest=\"db\",state=\"running\"} 1\n"
			       "bulkhead_guest_state{guest=\"db\",state=\"stopping\"} 0\n"));
	assert_non_null(strstr(
		said, "bulkhead_guest_disk_read_bytes_total{guest=\"web\",disk=\"0\"} 0"));
	assert_non_null(strstr(said, "bulkhead_guest_disk_bytes{guest=\"web\",disk=\"0\"} 0"));
}

/* ---- words, rows, sinks ------------------------------------------------------------------ */

static void test_words(void **state)
{
	struct guest_view *guest = guest_with(2);
	struct sink to = fresh();

	(void)state;
	guest->balloon.target_bytes = 5;
	words_write(&to, "counters web", &guest_table, guest);
	free(guest);
	assert_int_equal(count_of("\n"), 4); /* itself, two vCPUs, a disk */
	assert_memory_equal(said, "counters web state=running starts=0 ", 36);
	assert_non_null(strstr(said, " balloon.target_bytes=5 "));
	assert_non_null(strstr(said, "\ncounters web vcpu=0 cpu=0 state=halted "));
	assert_non_null(strstr(said, " exits.io=18446744073709551615\n"));
	assert_int_equal(count_of("exits.hlt=0"), 0);
	assert_int_equal(count_of("exits.hlt=1"), 1);
	assert_non_null(strstr(said, "\ncounters web disk=0 bytes=0 "));
}

/* A row takes the memory that it uses; whoever walks it by its table stays within. */
static void test_rows_are_trimmed(void **state)
{
	struct view_rows rows = view_rows(&guest_table);
	const struct view_rows *list = &rows;
	struct guest_view *guest = guest_with(1);
	struct sink to = fresh();

	(void)state;
	assert_int_equal(guest_view_bytes(1), view_used_bytes(&guest_table, guest));
	view_rows_add(&rows, guest);
	json_write(&to, &list, 1);
	metrics_write(&to, &list, 1);
	words_write(&to, "", &guest_table, rows.rows[0]);
	assert_non_null(strstr(said, "\"hlt\": 0,"));
	view_rows_free(&rows);

	/* A number that is not right is taken for as many as there is room for. */
	guest->vcpu_count = VIEW_VCPUS_MAX + 1;
	assert_int_equal(view_used_bytes(&guest_table, guest), sizeof *guest);
	guest->vcpu_count = 0;
	assert_int_equal(view_used_bytes(&guest_table, guest),
			 offsetof(struct guest_view, vcpus));
	free(guest);
	assert_int_equal(view_used_bytes(&cpu_table, NULL), sizeof(struct cpu_view));
}

static void test_rows_without_memory(void **state)
{
	const struct cpu_view view = {.id = 1};
	struct view_rows rows;
	unsigned long calls;

	(void)state;
	for (unsigned long n = 1;; n++) {
		rows = view_rows(&cpu_table);
		fail_malloc_at(n);
		for (unsigned i = 0; i < 9; i++) /* one more than there is room for at first */
			view_rows_add(&rows, &view);
		calls = fail_malloc_calls();
		fail_malloc_at(0);
		if (calls < n)
			break;
		assert_int_equal(rows.error, -ENOMEM);
		assert_int_equal(rows.count, 8);
		view_rows_free(&rows);
		assert_int_equal(rows.error, 0);
	}
	assert_int_equal(calls, 11);
	assert_int_equal(rows.error, 0);
	assert_int_equal(rows.count, 9);
	for (unsigned i = 9; i < VIEW_ROWS_MAX; i++)
		view_rows_add(&rows, &view);
	assert_int_equal(rows.error, 0);
	view_rows_add(&rows, &view);
	assert_int_equal(rows.error, -E2BIG);
	assert_int_equal(rows.count, VIEW_ROWS_MAX);
	view_rows_free(&rows);
}

/* Whichever write fails: none follows, and the error stays. */
static void test_sinks_that_fail(void **state)
{
	struct view_rows rows = view_rows(&guest_table);
	const struct view_rows *list = &rows;
	struct guest_view *guest = guest_with(2);
	int n;

	(void)state;
	view_rows_add(&rows, guest);
	free(guest);
	for (n = 1;; n++) {
		struct sink to = fresh();

		writes_left = n;
		words_write(&to, "", &guest_table, rows.rows[0]);
		json_write(&to, &list, 1);
		metrics_write(&to, &list, 1);
		if (!to.error)
			break;
		assert_int_equal(to.error, -EPIPE);
	}
	assert_true(n > 1000);
	view_rows_free(&rows);
}

static void test_long_prints_are_cut(void **state)
{
	struct sink to = fresh();

	(void)state;
	sink_print(&to, "%*s|", SINK_PRINT_BYTES - 2, "");
	assert_int_equal(said_bytes, SINK_PRINT_BYTES - 1);
	assert_int_equal(said[said_bytes - 1], '|');
	to = fresh();
	sink_print(&to, "%*s|", SINK_PRINT_BYTES - 1, "");
	assert_int_equal(said_bytes, SINK_PRINT_BYTES - 1);
	assert_int_equal(said[said_bytes - 1], ' ');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_strings),
		cmocka_unit_test(test_text_that_is_full),
		cmocka_unit_test(test_characters),
		cmocka_unit_test(test_seconds_are_exact),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_families_are_in_one_place),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_rows_are_trimmed),
		cmocka_unit_test(test_rows_without_memory),
		cmocka_unit_test(test_sinks_that_fail),
		cmocka_unit_test(test_long_prints_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

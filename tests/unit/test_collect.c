/*
 * Collectors: every table has one, what they collect comes out as metrics and JSON under the
 * right names, and each allocation that fails leaves a row out and says so.
 */
/* links: guests/views/collect/collect.c guests/views/collect/machine.c */
/* links: guests/views/collect/disks.c guests/views/collect/networks.c guests/views/view.c */
/* links: guests/views/guest.c guests/views/machine.c guests/views/disks.c */
/* links: guests/views/networks.c guests/views/rows.c guests/views/sink.c */
/* links: guests/views/escape.c guests/views/json.c guests/views/metrics.c */
/* links: guests/views/words.c kernel/lib/utf8.c tests/unit/fake_guests.c */
/* links: guests/console/show.c guests/console/report.c guests/console/report_devices.c */
/* links: guests/console/report_networks.c guests/console/text.c tests/unit/fail_malloc.c */
/* links: kernel/lib/size.c */
#include "tests/unit/views_house.h"

#include "tests/unit/fail_malloc.h"

static void every_table_has_a_collector(void **state)
{
	unsigned tables = 0;

	(void)state;
	for (const struct view_table *const *table = view_tables; *table; table++, tables++) {
		const struct collector *c = collector_find((*table)->name);

		assert_non_null(c);
		assert_ptr_equal(c->table, *table);
		if (c->reads_disks)
			assert_null(c->table->metric);
	}
	for (unsigned i = 0; collectors[i].table; i++)
		assert_true(i < tables);
	assert_null(collector_find("nothing"));
}

static void metrics_are_of_all_that_is_cheap(void **state)
{
	(void)state;
	shown(show_metrics);
	assert_non_null(strstr(said, "bulkhead_machine_info{version=\"1.2\",build=\"abc+\","
				     "backend=\"SVM\",cpu_model=\"A \\\"fast\\\" CPU\"} 1\n"));
	assert_non_null(strstr(said, "bulkhead_disk_reads_total{disk=\"nvme0\"} 1\n"));
	assert_non_null(strstr(said,
			       "bulkhead_port_drops_total{network=\"lan\",port=\"alpha.0\","
			       "reason=\"full\"} 4\n"));
	assert_non_null(strstr(said, "bulkhead_port_state{network=\"inner\",port=\"gamma.0\","
				     "state=\"down\"} 1\n"));
	assert_non_null(strstr(said, "bulkhead_guest_vcpu_run_seconds_total{guest=\"alpha\","
				     "vcpu=\"0\"} 1.234567890\n"));
	assert_null(strstr(said, "source"));
	assert_null(strstr(said, "group"));
	assert_null(strstr(said, "vg1"));
}

static void json_says_what_there_is(void **state)
{
	(void)state;
	assert_string_equal(json_of(NULL),
			    "json takes one of: machine cpus memory guests disks "
			    "sources groups strays nics networks ports stations "
			    "log previous_log.\n");
	assert_memory_equal(json_of("guest"), "json takes one of:", 18);
	assert_non_null(strstr(json_of("log"), "\"line\": \"[   0.000002] two: second\""));
}

static void show_alpha(struct sink *to)
{
	show_guest(to, &fake_guests[0]);
}

static void show_alpha_counters(struct sink *to)
{
	show_counters(to, &fake_guests[0]);
}

static void show_some_log(struct sink *to)
{
	show_log(to, 2);
}

static void show_guests_json(struct sink *to)
{
	show_json(to, "guests");
}

/* Whichever allocation fails: it is said, in words that fit the format, and nothing leaks. */
static void what_is_left_out_is_said(void **state)
{
	static const struct {
		void (*show)(struct sink *to);
		const char *says;
	} each[] = {
		{show_list, "There is no memory to show all: some of guests is left out.\n"},
		{show_alpha, "some of guests is left out"},
		{show_alpha_counters, "some of guests is left out"},
		{show_cpus, " is left out"},
		{show_memory, " is left out"},
		{show_disks, " is left out"},
		{show_networks, " is left out"},
		{show_stations, " is left out"},
		{show_machine, "some of machine is left out"},
		{show_some_log, "some of log is left out"},
		{show_metrics, "# no memory: some of "},
		{show_guests_json, "\"incomplete\": true\n}\n"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(each); i++) {
		unsigned long n = 0, calls;

		do {
			struct sink to = fresh();

			fail_malloc_at(++n);
			each[i].show(&to);
			calls = fail_malloc_calls();
			fail_malloc_at(0);
			assert_int_equal(strstr(said, each[i].says) != NULL, calls >= n);
		} while (calls >= n);
		assert_true(n > 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_table_has_a_collector),
		TEST(metrics_are_of_all_that_is_cheap),
		TEST(json_says_what_there_is),
		TEST(what_is_left_out_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Changes of the catalogue to what the machine has not: whose guest is left out, with its
 * place, and what one that runs keeps.
 */
/* links: guests/config/parse.c */
/* links: guests/catalogue/catalogue.c guests/catalogue/disks.c guests/catalogue/follow.c */
/* links: guests/catalogue/named.c */
/* links: guests/config/address.c guests/config/bind.c guests/config/check.c */
/* links: guests/config/bind_lists.c guests/config/binder.c */
/* links: guests/config/check_boot.c guests/config/sound.c */
/* links: guests/config/check_disks.c guests/config/check_networks.c */
/* links: guests/config/config.c guests/config/cpus.c guests/config/derive.c */
/* links: guests/config/diff.c guests/config/edit.c guests/config/hint.c */
/* links: guests/config/merge.c guests/config/plan.c guests/config/report.c */
/* links: guests/config/schema.c guests/config/schema_devices.c guests/config/text.c */
/* links: guests/config/tree.c guests/config/value.c guests/config/write.c */
/* links: kernel/lib/duration.c */
/* links: kernel/lib/size.c tests/unit/fail_malloc.c */
#include "tests/unit/catalogue_by_hand.h"

/* A guest is there that lacks something, and all others are; those that wait are told to try
 * after each change. What the guests that start need is kept open for them. */
static void what_is_absent_leaves_its_guest_out(void **state)
{
	unsigned told = tried_waiting;

	(void)state;
	missing_disk = "lvm:v/gone";
	assert_int_equal(set_text("guests:\n" GUEST("a", ", disks: [{source: 'disk:x'}]")
					  GUEST("b", ", disks: [{source: 'lvm:v/gone'}]")
						  GUEST("c", ", autostart: false, disks: "
							     "[{source: 'disk:y'}]")),
			 0);
	demand_line("next.yaml:3:73: guest 'b': disks[0].source 'lvm:v/gone' names no volume; "
		    "this machine has none");
	assert_int_equal(report.wrong, 0);
	assert_int_equal(report.lacking, 2);
	assert_string_equal(kept_for, "ab");
	assert_int_equal(tried_waiting, told + 1);
	/* Nothing is kept for one that can't start for something else. */
	assert_int_equal(set_text("guests:\n" GUEST("a", ", disks: [{source: 'disk:x'}]")
					  GUEST("d", ", cpus: {allowed: [200]}, disks: "
						     "[{source: 'disk:z'}]")),
			 0);
	assert_int_equal(report.lacking, 2);
	assert_null(strchr(kept_for, 'd'));
	told = tried_waiting;
	/* One that does not run is changed all the same. */
	guests[0].runs = false;
	assert_int_equal(set_text("guests:\n" GUEST("a", ", disks: [{source: 'lvm:v/gone'}]")),
			 0);
	assert_int_equal(report.lacking, 1);
}

/* One that runs is not stopped for a configuration in which it could not start again; others
 * are no reason. */
static void one_that_runs_is_not_stopped_for_what_is_absent(void **state)
{
	char line[CONFIG_LINE_MAX];

	(void)state;
	assert_int_equal(set_text("guests:\n" GUEST("a", "") GUEST("b", "")), 0);
	kept_for[0] = '\0';
	missing_disk = "lvm:v/gone";
	assert_int_equal(set_text("guests:\n" GUEST("a", ", disks: [{source: 'lvm:v/gone'}]")
					  GUEST("c", "")),
			 -EINVAL);
	assert_int_equal(operations, 0);
	assert_int_equal(report.count, 2);
	config_report_line(&report, 0, line);
	assert_string_equal(line,
			    "next.yaml:2:12: guest 'a' runs, and could not start again "
			    "with this: nothing is changed; mend that first, or `stop a`");
	assert_string_equal(kept_for, "");
	assert_int_equal(running(), 2);
	assert_int_equal(set_text("guests:\n" GUEST("a", "")
					  GUEST("c", ", disks: [{source: 'lvm:v/gone'}]")),
			 0);
}

/* The CPUs are changed while it runs, and so it goes on with them or not at all. One that does
 * not run is changed all the same. */
static void one_that_runs_keeps_a_cpu(void **state)
{
	char line[CONFIG_LINE_MAX];

	(void)state;
	assert_int_equal(set_text("guests:\n" GUEST("a", "") GUEST("b", "")), 0);
	assert_int_equal(
		set_text("guests:\n" GUEST("a", ", cpus: {allowed: [200]}") GUEST("b", "")),
		-EINVAL);
	assert_int_equal(operations, 0);
	assert_int_equal(report.count, 2);
	config_report_line(&report, 0, line);
	assert_string_equal(line, "next.yaml:2:12: guest 'a' runs, and could not go on with "
				  "this: nothing is changed; mend that first, or `stop a`");
	/* Nor is it given some with which it could not start. */
	assert_int_equal(
		set_text("guests:\n" GUEST("a", ", cpus: {allowed: [1, 200]}") GUEST("b", "")),
		-EINVAL);
	assert_int_equal(operations, 0);
	config_report_line(&report, 0, line);
	assert_string_equal(line,
			    "next.yaml:2:12: guest 'a' runs, and could not start again with "
			    "this: nothing is changed; mend that first, or `stop a`");
	assert_int_equal(
		set_text("guests:\n" GUEST("a", ", cpus: {allowed: [1]}") GUEST("b", "")), 0);
	assert_int_equal(guests[0].shared.bits[0], 2);
	guests[0].runs = false;
	assert_int_equal(
		set_text("guests:\n" GUEST("a", ", cpus: {allowed: [1, 200]}") GUEST("b", "")),
		0);
	assert_int_equal(
		set_text("guests:\n" GUEST("a", ", cpus: {allowed: [200]}") GUEST("b", "")), 0);
	assert_int_equal(report.lacking, 1);
}

static void both_of_a_clash_are_named(void **state)
{
	char line[CONFIG_LINE_MAX];

	(void)state;
	clash = true;
	assert_int_equal(set_text("guests:\n" GUEST("a", ", disks: [{source: 'disk:x'}]")
					  GUEST("b", ", disks: [{source: 'part:y'}]")),
			 0);
	assert_int_equal(report.count, 2);
	assert_int_equal(report.lacking, 3);
	config_report_line(&report, 0, line);
	assert_string_equal(line,
			    "next.yaml:2:73: guest 'a': disks[0] and disks[0] of guest 'b' "
			    "on line 3 exclude each other: 'disk:x' shares 1 MiB");
	config_report_line(&report, 1, line);
	assert_string_equal(line,
			    "next.yaml:3:73: guest 'b': disks[0] and disks[0] of guest 'a' "
			    "on line 2 exclude each other: 'part:y' shares 1 MiB");
}

/* The network is there, and says so. */
static void a_network_may_lack_its_nic(void **state)
{
	(void)state;
	missing_nic = "nic7";
	assert_int_equal(
		set_text("guests: []\nnetworks: [{name: n}, {name: o, uplink: nic7}]\n"), 0);
	demand_line("next.yaml:2:41: network 'o' has no NIC; its guests reach each other only");
	assert_int_equal(report.lacking, 0);
	assert_int_equal(network_count, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, end)
	const struct CMUnitTest tests[] = {
		TEST(what_is_absent_leaves_its_guest_out),
		TEST(one_that_runs_is_not_stopped_for_what_is_absent),
		TEST(one_that_runs_keeps_a_cpu),
		TEST(both_of_a_clash_are_named),
		TEST(a_network_may_lack_its_nic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

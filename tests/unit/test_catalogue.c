/*
 * The catalogue by chance: random configurations after each other, each step and each
 * allocation failing once. Changes by hand are test_catalogue_changes'.
 */
/* links: guests/config/parse.c */
/* links: guests/catalogue/catalogue.c guests/catalogue/disks.c guests/catalogue/follow.c */
/* links: guests/config/address.c guests/config/bind.c guests/config/check.c */
/* links: guests/config/check_boot.c guests/config/sound.c */
/* links: guests/config/check_disks.c guests/config/check_networks.c */
/* links: guests/config/config.c guests/config/cpus.c guests/config/derive.c */
/* links: guests/config/diff.c guests/config/edit.c guests/config/hint.c */
/* links: guests/config/merge.c guests/config/plan.c guests/config/report.c */
/* links: guests/config/schema.c guests/config/schema_devices.c guests/config/text.c */
/* links: guests/config/tree.c guests/config/value.c guests/config/write.c */
/* links: kernel/lib/duration.c */
/* links: kernel/lib/size.c tests/unit/fail_malloc.c */
#include "tests/unit/catalogue_house.h"

static void changes_follow_each_other(void **state)
{
	struct config *now = random_config();

	(void)state;
	random_fit(now);
	for (unsigned round = 0; round < 300; round++) {
		struct config *next = random_neighbour(now);

		stop_takes = (unsigned)chance(3);
		assert_int_equal(set(next), 0);
		assert_int_equal(report.count, 0);
		assert_int_equal(change.kept, CATALOGUE_TRANSIENT);
		demand_state(next);
		config_free(now);
		now = next;
	}
	config_free(now);
}

/* Each step of each change fails in its turn: all is as it was, and what ran runs. */
static void a_change_is_whole_or_none(void **state)
{
	struct config *now = random_config();
	unsigned failures = 0;

	(void)state;
	random_fit(now);
	assert_int_equal(set(now), 0);
	for (unsigned round = 0; round < 90; round++) {
		struct config *next = random_neighbour(now);
		unsigned ran = running();
		int err = -1;

		for (unsigned n = 1; err; n++) {
			fail_operation = n;
			err = set(next);
			failures += err != 0;
			if (!err)
				break;
			assert_true(change.why[0] != '\0');
			assert_null(strstr(change.why, "undone"));
			demand_state(now);
			assert_int_equal(running(), ran);
		}
		fail_operation = 0;
		demand_state(next);
		config_free(now);
		now = next;
	}
	assert_true(failures > 60 && steps_done > 0);
	config_free(now);
}

/* Whatever there is no memory for: nothing is half done, and nothing is lost. */
static void memory_may_end_anywhere(void **state)
{
	struct config *first = parse("guests:\n" GUEST("a", "") GUEST("b", ""));
	struct config *second =
		parse("guests:\n" GUEST("b", ", debug_exit: true") GUEST("c", ""));
	int err = -ENOMEM;

	(void)state;
	assert_int_equal(set(first), 0);
	for (unsigned long call = 1; err; call++) {
		fail_malloc_at(call);
		err = set(second);
		if (!err && fail_malloc_calls() >= call)
			err = -EAGAIN; /* it was one that a change can do without */
		fail_malloc_at(0);
		demand_state(err == -ENOMEM ? first : second);
		if (err == -EAGAIN)
			assert_int_equal(set(first), 0);
	}
	config_free(first);
	config_free(second);
}

static void plans_are_against_what_there_is(void **state)
{
	struct config *next = parse("guests:\n" GUEST("a", ""));
	struct config_plan plan;

	(void)state;
	config_report_start(&report, "next");
	assert_int_equal(catalogue_check(next, &report), 0);
	assert_int_equal(catalogue_plan(next, &plan), 0);
	assert_int_equal(plan.item_count, 1);
	config_plan_free(&plan);
	assert_int_equal(set(next), 0);
	assert_int_equal(catalogue_plan(next, &plan), 0);
	assert_int_equal(plan.item_count, 0);
	config_plan_free(&plan);
	config_free(next);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, end)
	const struct CMUnitTest tests[] = {
		TEST(changes_follow_each_other),
		TEST(a_change_is_whole_or_none),
		TEST(memory_may_end_anywhere),
		TEST(plans_are_against_what_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

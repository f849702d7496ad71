/*
 * The catalogue by chance: random configurations after each other, each step and each
 * allocation failing once. Changes by hand are test_catalogue_changes'.
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

#define DISK(source) ", autostart: false, disks: [{source: '" source "', read_only: true}]"

/* As set(), of a document that is kept as it is. */
static int set_document(const char *bytes, const char *name)
{
	struct config *next = parse(bytes);
	int err;

	config_report_start(&report, name);
	change = (struct catalogue_change){.next = next,
					   .text = bytes,
					   .length = strlen(bytes),
					   .name = name,
					   .actor = &nobody,
					   .report = &report};
	err = catalogue_apply(&change);
	config_free(next);
	return err;
}

/* Whether it runs or not, and with its place as long as somebody could look there. */
static void who_names_a_source_is_found(void **state)
{
	static const char document[] = "guests:\n" GUEST("a", DISK("lvm:vg0/web"))
		GUEST("b", DISK("lvm:vg0/we")) GUEST("c", ", disks: [{source: 'lvm:vg0/c'}]");
	char text[CATALOGUE_NAMED_BYTES];
	struct config *more;
	struct guest *guest;

	(void)state;
	assert_int_equal(catalogue_named("lvm:vg0/web", text), 0);
	assert_int_equal(set_document(document, "night.yaml"), 0);
	assert_int_equal(catalogue_named("lvm:vg0/web", text), 1);
	assert_string_equal(text, "disks[0] of guest 'a' (night.yaml:2:91)");
	assert_int_equal(catalogue_named("lvm:vg0/c", text), 0); /* it runs */
	assert_string_equal(text, "");
	guest = guest_get("a");
	guest_start(guest, &nobody);
	assert_int_equal(catalogue_named("lvm:vg0/web", text), 0);
	guest->runs = false;
	guest_put(guest);

	/* A guest more: the file does not say it, so it says nothing of places any more. */
	more = parse("guests:\n" GUEST("a", DISK("lvm:vg0/web")) GUEST("b", DISK("lvm:vg0/web"))
			     GUEST("c", ", disks: [{source: 'lvm:vg0/c'}]"));
	assert_int_equal(set(more), 0);
	assert_int_equal(catalogue_named("lvm:vg0/web", text), 2);
	assert_string_equal(text, "disks[0] of guest 'a' and disks[0] of guest 'b'");
	fail_malloc_at(1);
	assert_int_equal(catalogue_named("lvm:vg0/web", text), -ENOMEM);
	fail_malloc_at(0);
	config_free(more);
}

/* The longest names, of more guests than are told of: it is cut, and ends. */
static void many_names_are_cut(void **state)
{
	static char document[64 * 256] = "guests:\n";
	char text[CATALOGUE_NAMED_BYTES];

	(void)state;
	for (unsigned i = 0; i < 12; i++)
		snprintf(document + strlen(document), sizeof document - strlen(document),
			 GUEST("a-name-that-is-as-long-as-can-%c", DISK("lvm:vg0/web")),
			 (char)('a' + i));
	assert_int_equal(set_document(document, "bulkhead.yaml"), 0);
	memset(text, 'x', sizeof text);
	assert_int_equal(catalogue_named("lvm:vg0/web", text), 12);
	assert_non_null(memchr(text, '\0', sizeof text));
	assert_in_range(strlen(text), sizeof text - 20, sizeof text - 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, end)
	const struct CMUnitTest tests[] = {
		TEST(changes_follow_each_other),   TEST(a_change_is_whole_or_none),
		TEST(memory_may_end_anywhere),	   TEST(plans_are_against_what_there_is),
		TEST(who_names_a_source_is_found), TEST(many_names_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Changes of the catalogue by hand: what is refused, with its place; what can't be undone;
 * which document is kept, and where.
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

static void what_does_not_fit_is_refused_before_anything_happens(void **state)
{
	(void)state;
	assert_int_equal(set_text("guests:\n" GUEST("a", "")), 0);
	assert_int_equal(set_text("guests:\n" GUEST("b", ", nics: [{network: lan}]")), -EINVAL);
	demand_line(
		"next.yaml:2:73: guest 'b': nics[0].network: there is no network 'lan'; add "
		"'{name: lan}' to networks");
	assert_int_equal(operations, 0);
	assert_int_equal(running(), 1);
}

/* An undo that waits for a guest whose disk does not answer is left where it is, once that is
 * asked for: what is there by then is what there is to be. */
static void an_undo_can_be_given_up(void **state)
{
	struct config *desired;

	(void)state;
	assert_int_equal(set_text("guests: []\n"), 0);
	stop_takes = 100000;
	fail_operation = 2;
	gives_up = 5;
	assert_int_equal(set_text("guests:\n" GUEST("a", "") GUEST("b", "")), -ENOMEM);
	assert_int_equal(gives_up, 0);
	assert_string_equal(asked_in_order, ""); /* it was there for moments only */
	assert_non_null(strstr(change.why, "; not all could be undone, see the log"));
	assert_non_null(strstr(logged, "guest 'a' had not stopped yet"));
	desired = catalogue_get();
	assert_int_equal(desired->guest_count, 1);
	assert_string_equal(desired->guests[0].name, "a");
	config_free(desired);
	/* The first cancel does not end it, and it ends by itself. */
	stop_takes = 7;
	fail_operation = 0;
	assert_int_equal(set_text("guests: []\n"), 0);
	fail_operation = 2;
	cancel = false;
	assert_int_equal(set_text("guests:\n" GUEST("a", "") GUEST("b", "")), -ENOMEM);
	assert_null(strstr(change.why, "undone"));
	assert_int_equal(running(), 0);
}

/* What is led back is no fault of the document that was asked for. */
static void an_undo_finds_no_fault_with_what_was_asked(void **state)
{
	(void)state;
	assert_int_equal(set_text("guests: []\nnetworks: [{name: o, uplink: nic7}]\n"), 0);
	missing_nic = "nic7";
	fail_operation = 2; /* the network is removed, the guest not added */
	assert_int_equal(set_text("guests:\n" GUEST("a", "")), -ENOMEM);
	assert_int_equal(operations, 3);
	assert_int_equal(network_count, 1);
	assert_int_equal(report.count, 0);
	assert_string_equal(change.why,
			    "guest 'a' was not added: the hypervisor is out of memory");
}

static void networks_that_cannot_be_made(void **state)
{
	(void)state;
	assert_int_equal(set_text("guests: []\nnetworks: [{name: l}, {name: m, uplink: nic0}]"),
			 0);
	fail_operation = 2;
	assert_int_equal(
		set_text("guests: []\nnetworks: [{name: n}, {name: o, uplink: nic1}, {name: l},"
			 " {name: m, uplink: nic0}]\n"),
		-ENOMEM);
	assert_int_equal(report.count, 0);
	assert_string_equal(change.why, "network 'o' finds no room in memory");
	assert_int_equal(network_count, 2);
}

static int second_error;
static char second_why[CONFIG_WHY_MAX];

static void change_meanwhile(void)
{
	struct config *none = parse("guests: []");
	struct catalogue_change second = {.next = none};

	on_progress = NULL;
	second_error = catalogue_apply(&second);
	strcpy(second_why, second.why);
	config_free(none);
}

/* One at a time: a second is refused, and does nothing to the first. */
static void a_second_change_is_refused(void **state)
{
	(void)state;
	second_error = 0;
	on_progress = change_meanwhile;
	assert_int_equal(set_text("guests:\n" GUEST("a", "") GUEST("b", "")), 0);
	assert_null(on_progress); /* it was tried */
	assert_int_equal(second_error, -EBUSY);
	assert_string_equal(second_why, "another change is under way; `jobs` shows it");
	assert_int_equal(running(), 2);
	assert_int_equal(set_text("guests:\n" GUEST("a", "")), 0); /* it is over */
}

/* From the second step on. */
static void become_busy(void)
{
	if (operations > 0)
		busy = 1000000;
}

static void disks_are_given_as_they_are_used(void **state)
{
	(void)state;
	assert_int_equal(
		set_text("guests:\n" GUEST("a", ", disks: [{source: 'disk:x'}, {source: "
						"'disk:y', read_only: true}]")),
		0);
	assert_string_equal(given_modes, "wr");
}

/* Once both were asked. */
static void lose_b(void)
{
	if (strlen(asked_in_order) < 2)
		return;
	guests[1].there = guests[1].runs = false;
	on_progress = NULL;
}

static void one_that_does_not_stop_can_be_waited_for_no_longer(void **state)
{
	(void)state;
	assert_int_equal(set_text("guests:\n" GUEST("a", "") GUEST("b", "")), 0);
	stop_takes = 1000000;
	cancel = true;
	assert_int_equal(set_text("guests:\n" GUEST("b", ", debug_exit: true")), -ECANCELED);
	assert_string_equal(change.why, "guest 'a' had not stopped yet, and may still do so, "
					"as it was asked to");
	assert_int_equal(running(), 2);
	assert_false(guests[0].asked || guests[1].asked);
	stage = GUEST_LEAVE_BOOTING; /* it has not heard of it */
	assert_int_equal(set_text("guests:\n" GUEST("b", ", debug_exit: true")), -ECANCELED);
	assert_string_equal(change.why, "guest 'a' had not stopped yet");
	/* Who was asked by somebody else is not told to stay. */
	guests[0].asked = deaf = true;
	assert_int_equal(set_text("guests:\n" GUEST("b", ", debug_exit: true")), -ECANCELED);
	assert_true(guests[0].asked && !guests[1].asked);
}

/* Those that have to stop are asked, the highest shutdown.order first, and switched off only
 * where that was wanted. */
static void who_has_to_stop_is_asked(void **state)
{
	static const char three[] = "guests:\n" GUEST("a", ", shutdown: {order: 5}")
		GUEST("b", ", shutdown: {order: 7}") GUEST("c", ", shutdown: {order: 7}");

	(void)state;
	assert_int_equal(set_text(three), 0);
	stop_takes = 3;
	assert_int_equal(set_text("guests: []\n"), 0);
	assert_string_equal(asked_in_order, "bca");
	assert_string_equal(waited_for, "b (shutting down), c (shutting down)\n"
					"a (shutting down)\n");
	assert_int_equal(steps_done, 5);
	assert_int_equal(set_text(three), 0);
	asked_in_order[0] = '\0';
	deaf = switched_off_now = true;
	assert_int_equal(set_text("guests: []\n"), 0);
	switched_off_now = false;
	assert_string_equal(asked_in_order, "");
	assert_int_equal(running(), 0);
}

/* One that vanishes meanwhile ends the change; the others go on as they were. */
static void others_stay_when_one_is_gone(void **state)
{
	(void)state;
	assert_int_equal(set_text("guests:\n" GUEST("a", "") GUEST("b", "")), 0);
	stop_takes = 3;
	on_progress = lose_b;
	assert_int_equal(set_text("guests: []\n"), -ENOENT);
	assert_non_null(strstr(change.why, "guest 'b' is not there any more"));
	assert_true(guests[0].runs && !guests[0].asked);
	guests[1].there = true;
}

/* A guest that is just starting or stopping is waited for. That can be given up, and then the
 * wait of the undo. */
static void one_between_two_states_is_configured_after_it(void **state)
{
	(void)state;
	assert_int_equal(set_text("guests:\n" GUEST("a", "")), 0);
	busy = 3;
	assert_int_equal(set_text("guests:\n" GUEST("a", ", autostart: false")), 0);
	assert_int_equal(busy, 0);
	assert_false(guests[0].config.autostart);
	busy = 5;
	cancel = true;
	assert_int_equal(set_text("guests:\n" GUEST("a", "")), -ECANCELED);
	assert_string_equal(change.why, "guest 'a' was just starting or stopping");
	assert_false(guests[0].config.autostart);
	assert_int_equal(guests[0].references, 0);
	assert_int_equal(busy, 0); /* the undo has waited */
	/* Led back is what has been changed already, here b: its undo waits, and is given up.
	 */
	busy = 0;
	cancel = false;
	assert_int_equal(set_text("guests:\n" GUEST("a", "") GUEST("b", "")), 0);
	on_progress = become_busy;
	cancel = true;
	gives_up = 2;
	assert_int_equal(set_text("guests:\n" GUEST("a", ", autostart: false")
					  GUEST("b", ", autostart: false")),
			 -ECANCELED);
	assert_int_equal(gives_up, 0);
	assert_non_null(strstr(change.why, "; not all could be undone, see the log"));
	assert_non_null(strstr(logged, "was just starting or stopping"));
}

/* What guests may write is kept from others by what there is to be: not by what is refused or
 * only looked at, also where not all could be undone. */
static void disks_are_given_by_what_there_is(void **state)
{
	static const char disk[] = ", disks: [{source: 'disk:x'}]";
	struct config *none = parse("guests: []");
	char text[256];

	(void)state;
	snprintf(text, sizeof(text), "guests:\n" GUEST("a", "%s"), disk);
	assert_int_equal(set_text(text), 0);
	assert_int_equal(given_away, 1);
	config_report_start(&report, "next");
	assert_int_equal(catalogue_check(none, &report), 0);
	assert_int_equal(given_away, 1);
	fail_operation = 1;
	assert_int_equal(set(none), -ENOENT);
	assert_int_equal(given_away, 1);
	fail_operation = 2;
	fail_on = true;
	assert_int_equal(set_text("guests:\n" GUEST("b", "")), -ENOMEM);
	assert_int_equal(given_away, 0);
	config_free(none);
}

/* What was deleted and is there again is as it was: one that did not run does not, one that
 * waited is tried again, whatever its autostart says. */
static void what_waited_is_tried_again_by_an_undo(void **state)
{
	(void)state;
	for (unsigned waits = 0; waits < 2; waits++) {
		fail_operation = 0;
		assert_int_equal(
			set_text("guests:\n" GUEST("a", "") GUEST("b", ", autostart: false")),
			0);
		for (unsigned i = 0; i < 2; i++) {
			guests[i].runs = false;
			guests[i].waits = waits;
		}
		fail_operation = 3;
		assert_int_equal(set_text("guests:\n" GUEST("c", "")), -ENOMEM);
		assert_null(strstr(change.why, "undone"));
		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(guest_at_rest(&guests[i]), !waits);
	}
}

static void what_cannot_be_undone_is_told(void **state)
{
	struct config *desired;

	(void)state;
	assert_int_equal(set_text("guests:\n" GUEST("a", "")), 0);
	/* the new one can't be added, and so the old one is added again, which fails too */
	fail_operation = 2;
	fail_on = true;
	assert_int_equal(set_text("guests:\n" GUEST("b", "")), -ENOMEM);
	assert_string_equal(change.why,
			    "guest 'b' was not added: the hypervisor is out of memory; not all "
			    "could be undone, see the log");
	assert_string_equal(logged,
			    "a change could not be undone: guest 'a' was not added: the "
			    "hypervisor is out of memory");
	desired = catalogue_get();
	assert_int_equal(desired->guest_count, 0);
	demand_state(desired);
	config_free(desired);
}

/* ---- which document is kept ----------------------------------------------------------------
 */

static char stored[4096];
static int store_error;

static int save(void *context, const char *text, size_t length, char why[CONFIG_WHY_MAX])
{
	(void)context;
	snprintf(why, CONFIG_WHY_MAX, "the disk is full");
	if (store_error)
		return store_error;
	memcpy(stored, text, length);
	stored[length] = '\0';
	return 0;
}

static const struct catalogue_store partition = {.name = "the boot partition", .save = save};

static void demand_text(const char *expected)
{
	size_t length;
	char *text = catalogue_text(&length);

	assert_string_equal(text, expected);
	assert_int_equal(length, strlen(expected));
	free(text);
}

static void a_change_is_kept_once_it_is_stored(void **state)
{
	static const char document[] = "# mine\nguests:\n" GUEST("a", "");

	(void)state;
	stored[0] = '\0';
	assert_int_equal(set_text(document), 0);
	assert_int_equal(change.kept, CATALOGUE_TRANSIENT);
	assert_non_null(strstr(change.why, "It is transient"));
	catalogue_set_store(&partition);
	store_error = -ENOSPC;
	assert_int_equal(set_text("guests: [] # none\n"), 0);
	assert_int_equal(change.kept, CATALOGUE_TRANSIENT);
	assert_string_equal(change.why, "It is transient: the boot partition does not keep it: "
					"the disk is full.");
	assert_string_equal(stored, "");
	demand_text("guests: [] # none\n");
	store_error = 0;
	assert_int_equal(set_text(document), 0);
	assert_int_equal(change.kept, CATALOGUE_KEPT);
	assert_string_equal(change.why, "");
	assert_string_equal(stored, document);
}

static void one_guest_is_edited_into_the_document(void **state)
{
	static struct guest_config guest;
	struct config *now, *next;

	(void)state;
	catalogue_set_store(&partition);
	store_error = 0;
	assert_int_equal(set_text("# mine\nguests:\n" GUEST("a", "") "  # the end\n"), 0);
	now = catalogue_get();
	assert_int_equal(
		config_parse_guest("{name: b, memory: 8 MiB, boot: {kernel: 'esp:/k'}}", 50,
				   "b", &now->host, &guest, &report),
		0);
	next = config_with_guest(now, &guest);
	assert_int_equal(set(next), 0);
	assert_int_equal(change.kept, CATALOGUE_KEPT);
	assert_string_equal(
		stored,
		"# mine\nguests:\n" GUEST(
			"a", "") "  - name: b\n"
				 "    memory: 8 MiB\n    boot:\n      kernel: \"esp:/k\"\n"
				 "  # the end\n");
	config_free(now);
	config_free(next);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, end)
	const struct CMUnitTest tests[] = {
		TEST(what_does_not_fit_is_refused_before_anything_happens),
		TEST(an_undo_can_be_given_up),
		TEST(an_undo_finds_no_fault_with_what_was_asked),
		TEST(networks_that_cannot_be_made),
		TEST(a_second_change_is_refused),
		TEST(disks_are_given_as_they_are_used),
		TEST(one_that_does_not_stop_can_be_waited_for_no_longer),
		TEST(who_has_to_stop_is_asked),
		TEST(others_stay_when_one_is_gone),
		TEST(one_between_two_states_is_configured_after_it),
		TEST(disks_are_given_by_what_there_is),
		TEST(what_waited_is_tried_again_by_an_undo),
		TEST(what_cannot_be_undone_is_told),
		TEST(a_change_is_kept_once_it_is_stored),
		TEST(one_guest_is_edited_into_the_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

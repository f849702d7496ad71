/*
 * The operator's console as one caller of the actions: what is typed, and what is shown. What
 * takes its time is test_operator_waiting's.
 */
/* links: kernel/log/stamp.c kernel/lib/date.c guests/console/text.c */
/* links: guests/console/operator.c guests/console/follow.c guests/console/lineedit.c */
/* links: guests/console/aside.c */
/* links: guests/actions/action.c guests/actions/actions.c guests/actions/bind.c */
/* links: guests/actions/leavers.c */
/* links: guests/actions/args.c */
/* links: guests/actions/cancel.c */
/* links: guests/actions/guests.c guests/actions/volumes.c guests/actions/balloon.c */
/* links: guests/actions/job.c guests/actions/power.c */
/* links: guests/config/address.c guests/config/bind.c guests/config/cpus.c */
/* links: guests/config/bind_lists.c guests/config/binder.c */
/* links: guests/config/sound.c */
/* links: guests/config/hint.c */
/* links: guests/config/report.c guests/config/schema.c guests/config/schema_devices.c */
/* links: guests/config/tree.c guests/config/value.c guests/config/config.c */
/* links: kernel/lib/duration.c */
/* links: guests/config/derive.c kernel/lib/size.c */
/* links: guests/events/event.c guests/events/actor.c tests/unit/fake_guests.c */
/* links: tests/unit/fake_threads.c guests/views/sink.c */
#include "tests/unit/operator_house.h"

static void commands_and_actions_are_listed(void **state)
{
	const char *help = say("help");

	(void)state;
	assert_non_null(strstr(help, "list               all guests and how they are\n"));
	assert_non_null(strstr(help, "\nshutdown  GUEST    press its power button"));
	assert_non_null(strstr(help, "\nlvcreate  VOLUME SIZE [STRIPES] make a logical"));
	assert_non_null(strstr(help, "\njobs "));
}

static void reports_are_called(void **state)
{
	(void)state;
	assert_string_equal(say("list"), "a list\n");
	assert_string_equal(say("log 3"), "3 lines\n");
	assert_string_equal(say("log"), "20 lines\n");
	/* No control character passes. */
	assert_string_equal(say("metrics"), "figures? ? \xc2? \xc2? \xc2\xa0 \xc4\x9b "
					    "\xe2\x82\xac \xe2\x9b ?\n");
	assert_string_equal(say("json"), "json of nothing\n");
	assert_string_equal(say("json guests"), "json of guests\n");
	assert_string_equal(say("log previous"), "previous\n");
	assert_string_equal(say("log x"), "'x' is no number of lines. Write: log 100; or, for "
					  "the run before the last reset: log previous\n");
	assert_string_equal(say("show beta"), "this is beta\n");
	assert_string_equal(say("show nobody"),
			    "There is no guest \"nobody\". The guests are: alpha beta.\n");
	assert_string_equal(say("show"), "The guests are: alpha beta.\n");
	assert_string_equal(say("dance"),
			    "There is no command \"dance\"; `help` lists them.\n");
	assert_string_equal(say(""), "");
	assert_string_equal(say("jobs"), "There were no jobs yet.\n");
}

static void actions_are_asked_by_the_operator(void **state)
{
	(void)state;
	assert_string_equal(say("stop beta now"), "");
	assert_string_equal(fake_guests[1].asked, "stop");
	assert_int_equal(fake_guests[1].by.kind, ACTOR_CONSOLE);
	assert_string_equal(say("start nobody"),
			    "There is no guest \"nobody\". The guests are: alpha beta.\n");
	assert_string_equal(say("start"), "The guests are: alpha beta.\n");
	assert_string_equal(say("stop a b"), "'b' is more than stop takes.\n"
					     "Write: stop GUEST [now]\n");
}

static void mistakes_get_the_action_s_own_words(void **state)
{
	(void)state;
	assert_string_equal(say("lvcreate"),
			    "Say which and how large: lvcreate vg0/web 10 GiB. A number behind "
			    "it is on how many disks at once.\n");
	assert_non_null(strstr(say("lvcreate vg0/x 10"), "size is '10', without a unit"));
	assert_non_null(strstr(say("lvcreate vg0/x 10"), "\nSay which and how large"));
	assert_non_null(strstr(say("lvcreate vg0/web 100G"), "size is '100G'"));
	assert_non_null(strstr(say("lvcreate vg0/web"), "size is missing, such as 10 GiB.\n"));
	assert_non_null(
		strstr(say("log 5x"), "'5x' is no number of lines. Write: log 100; or,"));
	assert_non_null(strstr(say("log 0"), "'0' is no number"));
	assert_non_null(strstr(say("log 99999999999999999999"), "' is no number"));
	assert_non_null(strstr(say("events 1x"), "'1x' is no number of an event"));
	assert_string_equal(say("list all"), "'all' is more than list takes. Write: list\n");
	assert_string_equal(say("show alpha beta"),
			    "'beta' is more than show takes. Write: show GUEST\n");
	assert_non_null(strstr(say("lvremove vg0/old yes"), "Say which: lvremove vg0/web."));
	assert_non_null(strstr(say("balloon"), "Say which guest"));
	assert_non_null(strstr(say("balloon alpha much"), "That is no size"));
	assert_non_null(strstr(say("cancel"), "Say which: cancel 7."));
}

/* A job that ends soon looks like a command. */
static void a_job_s_end_is_shown(void **state)
{
	(void)state;
	fake_guests[0].info.balloon.driven = false;
	assert_non_null(strstr(say("balloon alpha"), "alpha has 512 MiB and is to make do"));
	assert_string_equal(say("balloon alpha 512 MiB"),
			    "alpha is asked; `balloon alpha` says how far it is.\n");
	assert_string_equal(say("lvremove vg0/x destroy"), "vg0/x names no?[2J volume.\n");
	disk_answers = true;
	assert_string_equal(say("lvcreate vg0/x 1 GiB"), "vg0/x is new, with 1 GiB.\n");
	disk_answers = false;
}

/* A terminal that has no room is waited for; nothing is left out. */
static void a_slow_terminal_gets_all(void **state)
{
	(void)state;
	slow = true;
	assert_string_equal(say("list"), "a list\n");
	slow = false;
}

static void events_are_shown_from_a_number_on(void **state)
{
	char text[80];
	uint64_t first;

	(void)state;
	now = 12345678 * NSEC_PER_USEC;
	first = event_post(EVENT_GUEST_STARTED, "web", "started, by the operator");
	event_post(EVENT_MACHINE_GOING_DOWN, "", "poweroff");
	snprintf(text, sizeof text, "events %u", (unsigned)first);
	say(text);
	snprintf(text, sizeof text,
		 "%6u 01:46:52 [  12.345678] guest-started web: started, by the",
		 (unsigned)first);
	assert_non_null(strstr(shown, text));
	assert_non_null(strstr(shown, "] machine-going-down: poweroff\n"));
	snprintf(text, sizeof text, "events %u", (unsigned)first + 2);
	assert_non_null(strstr(say(text), "There is none yet from"));
	assert_string_equal(say("events x"),
			    "'x' is no number of an event, the first one to show. "
			    "Write: events 1\n");
	for (unsigned i = 0; i < EVENT_RING; i++)
		event_post(EVENT_GUEST_ADDED, "web", "number %u", i);
	shown[0] = '\0';
	snprintf(text, sizeof text, "events %u", (unsigned)first);
	assert_non_null(strstr(say(text), "-- 2 older ones are no longer here --\n"));
	say("events"); /* the last ones */
	assert_null(strstr(shown, "number 491\n"));
	assert_non_null(strstr(shown, "number 492\n"));
	assert_non_null(strstr(shown, "number 511\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(commands_and_actions_are_listed, fresh),
		cmocka_unit_test_setup(reports_are_called, fresh),
		cmocka_unit_test_setup(actions_are_asked_by_the_operator, fresh),
		cmocka_unit_test_setup(mistakes_get_the_action_s_own_words, fresh),
		cmocka_unit_test_setup(a_job_s_end_is_shown, fresh),
		cmocka_unit_test_setup(a_slow_terminal_gets_all, fresh),
		cmocka_unit_test_setup(events_are_shown_from_a_number_on, fresh),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}

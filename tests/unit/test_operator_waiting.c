/*
 * The operator's console while something takes its time: a job that never ends holds up neither
 * the console nor what is typed behind it, and can be left; so can a report of disks.
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

static void pass(uint64_t ns)
{
	now += ns;
	wake(NULL);
	fake_threads_run();
}

/* The disk answers all that wait for it. */
static void answer(void)
{
	disk_answers = true;
	fake_threads_disturb();
	disk_answers = false;
}

static uint64_t newest(void)
{
	uint64_t newest = 0;

	for (uint64_t number = job_next(0); number; number = job_next(number))
		newest = number;
	return newest;
}

/* What is pasted behind it waits, whole, for its end. */
static void what_is_typed_meanwhile_comes_later(void **state)
{
	(void)state;
	type("lvcreate vg0/x 1 GiB\rlist\rlog 7\r");
	assert_string_equal(shown, "lvcreate vg0/x 1 GiB\n");
	press("log 8\r");
	assert_string_equal(shown, "lvcreate vg0/x 1 GiB\n");
	answer();
	assert_string_equal(shown, "lvcreate vg0/x 1 GiB\nvg0/x is new, with 1 GiB.\n" PROMPT
				   "list\na list\n" PROMPT "log 7\n7 lines\n" PROMPT
				   "log 8\n8 lines\n" PROMPT);
}

/* More than is kept for it: the rest stays with the terminal until there is room. */
static void more_than_is_kept_is_not_lost(void **state)
{
	char line[5000];

	(void)state;
	memset(line, ' ', sizeof line);
	strcpy(line + sizeof line - 6, "list\r");
	type("lvcreate vg0/x 1 GiB\r");
	press(line);
	assert_true(typed_count > 0);
	answer();
	assert_int_equal(typed_count, 0);
	assert_non_null(strstr(shown, "vg0/x is new, with 1 GiB.\n"));
	/* A line holds less than that, and half of one is not obeyed. */
	assert_null(strstr(shown, "a list"));
	assert_non_null(strstr(shown, "\nThat line is longer than 511 characters: nothing was "
				      "done."));
	assert_string_equal(shown + strlen(shown) - strlen(PROMPT), PROMPT);
}

/* After a while it is said how to leave it; Ctrl-C does, and drops what was typed before it. */
static void control_c_leaves_a_job_to_itself(void **state)
{
	char text[160];

	(void)state;
	type("lvcreate vg0/x 1 GiB\r");
	pass(2 * NSEC_PER_SEC);
	assert_null(strstr(shown, "-- job"));
	pass(NSEC_PER_SEC);
	pass(NSEC_PER_SEC);
	snprintf(text, sizeof text,
		 "lvcreate vg0/x 1 GiB\n-- job %u takes a while: writing the group's metadata; "
		 "Ctrl-C: do not wait for it --\n",
		 (unsigned)newest());
	assert_string_equal(shown, text);

	type("list\r\x03");
	snprintf(
		text, sizeof text,
		"^C\nJob %u goes on; `jobs` says how far it is, `cancel %u` stops it.\n" PROMPT,
		(unsigned)newest(), (unsigned)newest());
	assert_string_equal(shown, text);
	assert_string_equal(say("list"), "a list\n");
	snprintf(text, sizeof text, "%5u running   lvcreate vg0/x, by the operator, 4 s\n",
		 (unsigned)newest());
	assert_non_null(strstr(say("jobs"), text));
	snprintf(text, sizeof text, "cancel %u", (unsigned)newest());
	assert_non_null(strstr(say(text), "lvcreate cannot be stopped: what it writes on"));
	answer();
	snprintf(text, sizeof text,
		 "%5u done      lvcreate vg0/x, by the operator, 4 s\n"
		 "      vg0/x is new, with 1 GiB.\n",
		 (unsigned)newest());
	assert_non_null(strstr(say("jobs"), text));
}

/* One that ends while the console waits for its terminal is seen to have ended. */
static void an_end_behind_a_slow_terminal_is_seen(void **state)
{
	(void)state;
	type("lvcreate vg0/x 1 GiB\r");
	slow = true;
	sleeper = operator_thread;
	pass(3 * NSEC_PER_SEC);
	slow = false;
	assert_null(sleeper);
	assert_non_null(strstr(shown, "-- job"));
	assert_non_null(strstr(shown, "vg0/x is new, with 1 GiB.\n" PROMPT));
}

static void nobody_waits_for_ever(void **state)
{
	(void)state;
	type("lvcreate vg0/x 1 GiB\r");
	pass(59 * NSEC_PER_SEC);
	assert_null(strstr(shown, "goes on"));
	pass(NSEC_PER_SEC);
	assert_non_null(strstr(shown, "goes on; `jobs` says how far it is"));
	assert_string_equal(say("list"), "a list\n");
	answer();
}

/* Guests that listen are waited for; `jobs` says how many, and the operator thinks again. */
static void switching_off_is_a_job(void **state)
{
	char text[160];

	(void)state;
	machine_offs = 0;
	assert_string_equal(say("poweroff"), "");
	assert_string_equal(fake_guests[0].asked, "leave");
	snprintf(text, sizeof text,
		 "%5u running   poweroff, by the operator, 0 s\n"
		 "      waiting for alpha (shutting down, 60 s), beta (shutting down, 60 s), 0 "
		 "of 2\n",
		 (unsigned)newest());
	assert_non_null(strstr(say("jobs"), text));
	snprintf(text, sizeof text, "cancel %u", (unsigned)newest());
	assert_non_null(strstr(say(text), "is asked to stop.\n"));
	assert_non_null(strstr(say("jobs"), "cancelled poweroff, by the operator, 0 s\n"
					    "      The machine stays on.\n"));
	assert_int_equal(machine_offs, 0);
}

/* As many as can be are stuck on disks: everything else goes on, and so does switching off. */
static void stuck_disks_block_only_their_jobs(void **state)
{
	(void)state;
	for (unsigned i = 0; i < JOBS_WORKERS_MAX; i++) {
		type("lvcreate vg0/x 1 GiB\r");
		press("\x03");
	}
	assert_non_null(strstr(say("lvcreate vg0/y 1 GiB"), "8 jobs run, which is as many as"));
	assert_string_equal(say("stop beta now"), "");
	assert_string_equal(fake_guests[1].asked, "stop");
	assert_string_equal(say("list"), "a list\n");
	machine_offs = 0;

	/* `Ctrl-] q`, whose keys are the terminal's; with the console waiting for a disk. */
	fake_guests_reset(0);
	power_request(false, false, &actor_console);
	fake_threads_run();
	assert_int_equal(machine_offs, 1);
	assert_string_equal(say("reboot"), "");
	assert_int_equal(machine_offs, 2);
	answer();
}

/* A report that waits for a disk shows what it has, all of it once the disk answers, and can be
 * left; the next such waits its turn, and nothing else does. */
static void a_report_that_waits_can_be_left(void **state)
{
	(void)state;
	fake_threads_refused = true;
	assert_non_null(strstr(say("disks"), "has no memory for a thread"));
	fake_threads_refused = false;
	type("disks\rlist\r");
	assert_string_equal(shown, "disks\nnvme0\n");
	answer();
	assert_non_null(strstr(shown, "\nnvme998\nnvme999\n" PROMPT "list\na list\n" PROMPT));

	type("disks\r");
	assert_string_equal(shown, "disks\nnvme0\n");
	press("list\r\x03");
	assert_string_equal(shown, "disks\nnvme0\n^C\n" PROMPT);
	assert_string_equal(say("json disks"),
			    "One that was asked for before still waits for a disk.\n");
	assert_string_equal(say("json guests"), "json of guests\n");
	assert_string_equal(say("json"), "json of nothing\n");
	shown[0] = '\0';
	answer(); /* nobody wants to know any more */
	assert_string_equal(shown, "");

	type("json disks\r");
	pass(59 * NSEC_PER_SEC);
	assert_string_equal(shown, "json disks\n");
	pass(NSEC_PER_SEC);
	assert_string_equal(shown,
			    "json disks\nIt waits for a disk, and is left alone.\n" PROMPT);
	answer();
	disk_answers = true;
	assert_string_equal(say("json disks"), "json of disks\n");
	assert_non_null(strstr(say("disks"), "\nnvme999\n"));
	disk_answers = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_is_typed_meanwhile_comes_later, fresh),
		cmocka_unit_test_setup(more_than_is_kept_is_not_lost, fresh),
		cmocka_unit_test_setup(control_c_leaves_a_job_to_itself, fresh),
		cmocka_unit_test_setup(an_end_behind_a_slow_terminal_is_seen, fresh),
		cmocka_unit_test_setup(nobody_waits_for_ever, fresh),
		cmocka_unit_test_setup(switching_off_is_a_job, fresh),
		cmocka_unit_test_setup(stuck_disks_block_only_their_jobs, fresh),
		cmocka_unit_test_setup(a_report_that_waits_can_be_left, fresh),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}

/*
 * Powering off: who is asked and when, how long is waited, and what is told. What a second
 * request, a longer wait and a cancel change is test_power_changed's; when a guest is switched
 * off is test_guest_leave's.
 */
/* links: guests/actions/power.c guests/actions/leavers.c guests/actions/job.c */
/* links: guests/events/actor.c guests/events/event.c tests/unit/fake_guests.c */
/* links: kernel/lib/duration.c guests/actions/args.c */
#include "tests/unit/power_house.h"

static void it_needs_its_thread(void **state)
{
	(void)state;
	refused = true;
	assert_int_equal(power_init(machine_off), -ENOMEM);
	refused = false;
	assert_int_equal(power_init(machine_off), 0);
}

static void without_guests_it_goes_at_once(void **state)
{
	char names[LEAVERS_TEXT_BYTES];

	(void)state;
	fake_guests_reset(0);
	assert_false(power_waits(names));
	request(&action_poweroff, false);
	assert_int_equal(off.count, 1);
	assert_false(off.reboot);
	assert_true(off.ns < NSEC_PER_SEC);
	demand_log("poweroff is asked for, by 'ci' over the API\n");
	demand_log("\npowering off\n");
	assert_null(strstr(logged, "waiting"));
	assert_null(strstr(logged, "wait 60 s"));
	demand_log("cannot be switched off by software");
	assert_int_equal(newest().state, JOB_FAILED);
	assert_false(power_waits(names));
}

/* It is gone a moment after the last of them, and not before. */
static void whoever_is_done_lets_it_go_on(void **state)
{
	(void)state;
	plan.ends_ns[0] = NSEC_PER_SEC;
	plan.ends_ns[1] = 6 * NSEC_PER_SEC;
	fake_guests[2].state = GUEST_FAILED;
	request(&action_reboot, false);
	assert_int_equal(off.count, 1);
	assert_true(off.reboot);
	assert_in_range(off.ns, 6 * NSEC_PER_SEC, 6 * NSEC_PER_SEC + NSEC_PER_SEC / 2);
	assert_string_equal(fake_guests[0].asked, "leave");
	assert_string_equal(fake_guests[0].by.name, "ci");
	assert_null(fake_guests[2].asked);
	assert_int_equal(newest().total, 2);
	assert_int_equal(newest().done, 1);
	demand_log("\nresetting\n");
}

/* The highest order first; the next are asked when all of it are gone, whoever was late. */
static void orders_follow_each_other(void **state)
{
	(void)state;
	fake_guests[0].leaving.order = 1;
	fake_guests[1].leaving.order = 300;
	fake_guests[2].leaving.order = 300;
	plan.ends_ns[1] = 2 * NSEC_PER_SEC;
	fake_guests[2].timeout_seconds = 5;
	plan.gives_ns[2] = 6 * NSEC_PER_SEC;
	plan.ends_ns[0] = 8 * NSEC_PER_SEC;
	request(&action_poweroff, false);
	assert_true(asked_ns[1] < NSEC_PER_SEC && asked_ns[2] < NSEC_PER_SEC);
	assert_in_range(asked_ns[0], 6 * NSEC_PER_SEC, 6 * NSEC_PER_SEC + NSEC_PER_SEC / 2);
	assert_in_range(off.ns, 8 * NSEC_PER_SEC, 8 * NSEC_PER_SEC + NSEC_PER_SEC / 2);
	demand_log("waiting for beta (shutting down, 60 s), gamma (shutting down, 5 s)\n");
	demand_log("waiting for gamma (shutting down, 3 s)\n");
	demand_log("waiting for alpha (shutting down, 60 s)\n");
	assert_null(strstr(logged, "switched off without"));
	assert_int_equal(newest().total, 3);
	assert_true(fake_guests[0].leaving.later); /* as long as it had to wait */
	assert_false(fake_guests[1].leaving.later || fake_guests[2].leaving.later);
}

/* The operator sees for whom and how long: in the log now and then, and always in the job. */
static void it_says_for_whom_it_waits(void **state)
{
	(void)state;
	fake_guests_reset(1);
	fake_guests[0].leaving.stage = GUEST_LEAVE_BOOTING;
	plan.ends_ns[0] = 25 * NSEC_PER_SEC;
	request(&action_poweroff, false);
	assert_int_equal(count_log("waiting for "), 3);
	demand_log("waiting for alpha (booting, 60 s)\n");
	demand_log("waiting for alpha (booting, 50 s)\n");
	demand_log("waiting for alpha (booting, 40 s)\n");
	demand_log(
		"`wait 60 s` gives guests longer, `poweroff now` switches them off, `cancel`");
	assert_string_equal(newest().note, "waiting for alpha (booting, 36 s)");
}

/* All together have host.shutdown_timeout; then those are named that nobody has asked yet. */
static void the_machine_has_a_bound(void **state)
{
	(void)state;
	host.shutdown_timeout_seconds = 20;
	fake_guests[0].leaving.order = 1;
	request(&action_poweroff, false);
	assert_in_range(off.ns, 20 * NSEC_PER_SEC, 21 * NSEC_PER_SEC);
	demand_log("waiting for beta (shutting down, 20 s), gamma (shutting down, 20 s)\n");
	demand_log("host.shutdown_timeout has passed\nis switched off without having been "
		   "asked\n");
	assert_int_equal(count_log("is switched off"),
			 1); /* of others their own log says why */
	for (unsigned i = 0; i < FAKE_GUESTS; i++)
		assert_string_equal(fake_guests[i].asked, "stop");
	fresh(state);
	host.shutdown_timeout_seconds = 0;
	request(&action_poweroff, false);
	assert_true(off.ns < NSEC_PER_SEC);
	assert_int_equal(asked_ns[0], NEVER);
}

/* A disk that does not answer keeps nobody's machine on, and is named. */
static void disks_that_hang_are_not_waited_for(void **state)
{
	(void)state;
	fake_guests_reset(1);
	plan.ends_ns[0] = 2 * NSEC_PER_SEC;
	plan.gives_ns[0] = NEVER;
	request(&action_poweroff, false);
	assert_in_range(off.ns, 70 * NSEC_PER_SEC, 71 * NSEC_PER_SEC);
	fresh(state);
	fake_guests_reset(1);
	plan.gives_ns[0] = NEVER;
	request(&action_poweroff, true);
	assert_in_range(off.ns, 10 * NSEC_PER_SEC, 11 * NSEC_PER_SEC);
	demand_log("not waited for any longer: alpha\n");
	fresh(state);
	fake_guests_reset(1);
	plan.gives_ns[0] = NEVER;
	plan.late_cancel_ns = 3 * NSEC_PER_SEC;
	refusals = 0;
	request(&action_poweroff, true);
	assert_int_equal(refusals, 1); /* nor can it be cancelled any more */
	assert_int_equal(off.count, 1);
	fresh(state);
	fake_guests_reset(1);
	plan.gives_ns[0] = NEVER;
	plan.again_ns = 3 * NSEC_PER_SEC;
	request(&action_poweroff, true);
	assert_in_range(off.ns, 3 * NSEC_PER_SEC, 4 * NSEC_PER_SEC);
}

static int never(struct action_call *call)
{
	(void)call;
	return 0;
}

/* All places of the table taken by jobs that never end: then it is no job, and is done. */
static void a_full_table_is_not_in_its_way(void **state)
{
	static const struct config_table table = {.bytes = 1};
	static const struct action stuck = {
		.name = "stuck", .role = ROLE_ADMIN, .arguments = &table, .run = never};
	const struct action_call call = {
		.action = &stuck, .args = "", .actor = &actor_console, .role = ROLE_ADMIN};
	struct job *taken[JOBS_MAX];
	struct action_result result = {0};

	(void)state;
	for (unsigned i = 0; i < JOBS_MAX; i++)
		assert_non_null(taken[i] = job_open(&call, NULL));
	assert_null(job_open(&call, NULL));
	plan.ends_ns[0] = plan.ends_ns[1] = plan.ends_ns[2] = NSEC_PER_SEC;
	power_request(false, false, &actor_console);
	if (!setjmp(idle))
		power_thread(NULL);
	assert_int_equal(off.count, 1);
	assert_in_range(off.ns, NSEC_PER_SEC, 2 * NSEC_PER_SEC);
	for (unsigned i = 0; i < JOBS_MAX; i++)
		job_close(taken[i], &result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(it_needs_its_thread, fresh),
		cmocka_unit_test_setup(without_guests_it_goes_at_once, fresh),
		cmocka_unit_test_setup(whoever_is_done_lets_it_go_on, fresh),
		cmocka_unit_test_setup(orders_follow_each_other, fresh),
		cmocka_unit_test_setup(it_says_for_whom_it_waits, fresh),
		cmocka_unit_test_setup(the_machine_has_a_bound, fresh),
		cmocka_unit_test_setup(disks_that_hang_are_not_waited_for, fresh),
		cmocka_unit_test_setup(a_full_table_is_not_in_its_way, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

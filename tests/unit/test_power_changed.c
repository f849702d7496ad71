/*
 * What is asked for while the machine is being powered off: at once, once more, with more time,
 * or not at all.
 */
/* links: guests/actions/power.c guests/actions/leavers.c guests/actions/job.c */
/* links: guests/events/actor.c guests/events/event.c tests/unit/fake_guests.c */
/* links: kernel/lib/duration.c guests/actions/args.c */
#include "tests/unit/power_house.h"

static int begin_power(void **state)
{
	(void)state;
	return power_init(machine_off);
}

static void longer_is_longer(void **state)
{
	struct guest *alpha;

	(void)state;
	host.shutdown_timeout_seconds = 20;
	fake_guests[0].timeout_seconds = 10;
	fake_guests[1].timeout_seconds = 12;
	fake_guests[2].state = GUEST_STOPPED;
	plan.wait_ns = 9 * NSEC_PER_SEC;
	plan.ends_ns[0] = 17 * NSEC_PER_SEC; /* it would have been switched off before */
	request(&action_poweroff, false);
	assert_in_range(off.ns, 19 * NSEC_PER_SEC, 19 * NSEC_PER_SEC + NSEC_PER_SEC / 2);
	fresh(state);
	host.shutdown_timeout_seconds = 20;
	plan.wait_ns = 9 * NSEC_PER_SEC;
	request(&action_poweroff, false);
	assert_in_range(off.ns, 27 * NSEC_PER_SEC, 28 * NSEC_PER_SEC);
	fresh(state); /* and then it is as ever */
	host.shutdown_timeout_seconds = 20;
	request(&action_poweroff, false);
	assert_in_range(off.ns, 20 * NSEC_PER_SEC, 21 * NSEC_PER_SEC);
	assert_int_equal(power_wait("", 1), -ENOENT);
	fresh(state); /* what one had longer before counts for that one alone */
	host.shutdown_timeout_seconds = 20;
	alpha = guest_get("alpha");
	guest_leave(alpha, &actor_console);
	guest_put(alpha);
	assert_int_equal(power_wait("", 100 * NSEC_PER_SEC), 0);
	request(&action_poweroff, false);
	assert_in_range(off.ns, 20 * NSEC_PER_SEC, 21 * NSEC_PER_SEC);
}

/* `wait 7 s`, of all or of one. */
static void wait_is_an_action(void **state)
{
	static struct action_result said;
	struct {
		uint32_t seconds;
		char guest[32];
	} args = {7, "beta"};
	struct action_call call = {.action = &action_wait, .args = &args, .result = &said};
	struct guest *alpha = guest_get("alpha"), *beta = guest_get("beta");

	(void)state;
	assert_int_equal(action_wait.run(&call), -ENOENT);
	assert_string_equal(said.text, "No guest of that name is being shut down.");
	args.guest[0] = '\0';
	assert_int_equal(action_wait.run(&call), -ENOENT);
	assert_string_equal(said.text, "No guest is being shut down.");
	guest_leave(alpha, &actor_console);
	assert_int_equal(action_wait.run(&call), 0);
	assert_string_equal(said.text, "Every guest that is shutting down has 7 s more.");
	assert_int_equal(fake_guests[0].leaving.due_ns, now + 67 * NSEC_PER_SEC);
	strcpy(args.guest, "beta");
	guest_leave(beta, &actor_console);
	assert_int_equal(action_wait.run(&call), 0);
	assert_string_equal(said.text, "beta has 7 s more.");
	assert_int_equal(fake_guests[0].leaving.due_ns, now + 67 * NSEC_PER_SEC);
	assert_int_equal(fake_guests[1].leaving.due_ns, now + 67 * NSEC_PER_SEC);
	guest_put(alpha);
	guest_put(beta);
}

static void at_once_is_at_once(void **state)
{
	(void)state;
	request(&action_poweroff, true);
	assert_int_equal(off.count, 1);
	assert_true(off.ns < NSEC_PER_SEC);
	assert_int_equal(count_log("is switched off without having been asked"), 3);
	for (unsigned i = 0; i < FAKE_GUESTS; i++)
		assert_string_equal(fake_guests[i].asked, "stop");
}

/* What a guest has while it starts looks like what it has once it has ended. */
static void one_that_starts_is_stopped(void **state)
{
	(void)state;
	fake_guests_reset(1);
	fake_guests[0].state = GUEST_STARTING;
	fake_guests[0].leaving.stage = GUEST_LEAVE_ENDING;
	request(&action_poweroff, true);
	assert_int_equal(off.count, 1);
	assert_non_null(fake_guests[0].asked);
	assert_string_equal(fake_guests[0].asked, "stop");
	assert_int_equal(count_log("is switched off without"), 0);
}

/* The same again goes on, and the newer one says which. */
static void a_second_request_goes_on(void **state)
{
	for (unsigned reboot = 0; reboot < 2; reboot++) {
		fresh(state);
		plan.again_ns = 2 * NSEC_PER_SEC;
		again_reboots = reboot;
		request(reboot ? &action_poweroff : &action_reboot, false);
		assert_int_equal(off.count, 1);
		assert_int_equal(off.reboot, reboot);
		assert_in_range(off.ns, 2 * NSEC_PER_SEC, 3 * NSEC_PER_SEC);
	}
	/* And then all is as at first: a single one waits. */
	fresh(NULL);
	request(&action_poweroff, false);
	assert_true(off.ns >= 60 * NSEC_PER_SEC);
	assert_false(off.reboot);
}

/* Nor is any turn to come. */
static void no_turn_is_left_when_it_is_called_off(void **state)
{
	fresh(state);
	fake_guests[0].leaving.order = 1;
	plan.cancel_ns = 3 * NSEC_PER_SEC;
	request(&action_poweroff, false);
	assert_int_equal(off.count, 0);
	assert_ptr_equal(fake_guests[0].asked, NULL);
	assert_false(fake_guests[0].leaving.later);
}

static void it_can_be_called_off(void **state)
{
	for (unsigned by_key = 0; by_key < 2; by_key++) {
		fresh(state);
		*(by_key ? &plan.call_off_ns : &plan.cancel_ns) = 3 * NSEC_PER_SEC;
		request(&action_poweroff, false);
		assert_int_equal(off.count, 0);
		assert_true(now - begin < 4 * NSEC_PER_SEC);
		assert_int_equal(newest().state, JOB_CANCELLED);
		demand_log("the machine stays on\n");
		for (unsigned i = 0; i < FAKE_GUESTS; i++) {
			assert_string_equal(fake_guests[i].asked, "leave");
			assert_false(fake_guests[i].leaving.asked); /* it stays */
		}
	}
	/* The next time all is told anew, however soon. */
	plan.call_off_ns = now - begin + NSEC_PER_SEC;
	logged[0] = '\0';
	request(&action_poweroff, false);
	demand_log("waiting for alpha (shutting down, 60 s)");
	/* Whoever asks again means it. */
	fresh(NULL);
	plan.cancel_ns = plan.again_ns = 3 * NSEC_PER_SEC;
	request(&action_poweroff, false);
	assert_int_equal(off.count, 1);
	assert_in_range(off.ns, 3 * NSEC_PER_SEC, 4 * NSEC_PER_SEC);
	/* What is not under way is not called off for the next time. */
	fresh(NULL);
	assert_true(power_call_off());
	plan.ends_ns[0] = plan.ends_ns[1] = plan.ends_ns[2] = NSEC_PER_SEC;
	request(&action_poweroff, false);
	assert_int_equal(off.count, 1);
}

/* Whoever stopped one by its name meant that one. */
static void who_was_stopped_before_does_not_stay(void **state)
{
	struct guest *beta = guest_get("beta");

	(void)state;
	assert_int_equal(guest_leave(beta, &actor_console), 0);
	guest_put(beta);
	plan.call_off_ns = 3 * NSEC_PER_SEC;
	request(&action_poweroff, false);
	assert_int_equal(off.count, 0);
	for (unsigned i = 0; i < FAKE_GUESTS; i++)
		assert_int_equal(fake_guests[i].leaving.asked, &fake_guests[i] == beta);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(longer_is_longer, fresh),
		cmocka_unit_test_setup(wait_is_an_action, fresh),
		cmocka_unit_test_setup(at_once_is_at_once, fresh),
		cmocka_unit_test_setup(one_that_starts_is_stopped, fresh),
		cmocka_unit_test_setup(a_second_request_goes_on, fresh),
		cmocka_unit_test_setup(it_can_be_called_off, fresh),
		cmocka_unit_test_setup(no_turn_is_left_when_it_is_called_off, fresh),
		cmocka_unit_test_setup(who_was_stopped_before_does_not_stay, fresh),
	};

	return cmocka_run_group_tests(tests, begin_power, NULL);
}

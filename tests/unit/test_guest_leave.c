/*
 * Guests that are asked to shut down: when each is asked, pressed again or switched off, by the
 * test's clock; what is said of it; and that it can be called off. What a guest's button does
 * is test_chipset's; a guest's turn to start is test_guest_turn's.
 */
/* links: guests/guest/control.c guests/guest/life.c guests/guest/policy.c */
/* links: guests/guest/act.c guests/guest/request.c */
/* links: guests/guest/leave.c guests/guest/leaving.c guests/guest/turn.c */
/* links: guests/guest/usage.c guests/views/guest.c guests/views/view.c */
/* links: guests/guest/registry.c guests/guest/snapshot.c guests/guest/worker.c */
/* links: guests/boot/boot.c guests/events/actor.c guests/events/event.c */
/* links: tests/unit/fake_guest.c tests/unit/fake_threads.c */
#include "tests/unit/guest_house.h"

/* One that runs, and whose policies would all start it again. */
static struct guest *add_web(uint32_t timeout_seconds)
{
	const struct guest_config config = {.autostart = true,
					    .on_crash = CONFIG_POLICY_RESTART,
					    .on_reboot = CONFIG_POLICY_RESTART,
					    .on_poweroff = CONFIG_POLICY_RESTART,
					    .shutdown = {7, timeout_seconds}};
	struct guest *g = add("web", &config);

	assert_int_equal(guest_state(g), GUEST_RUNNING);
	return g;
}

static enum guest_leave_stage stage(struct guest *g)
{
	struct guest_leaving how;

	assert_int_equal(guest_leaving(g, &how), !guest_at_rest(g));
	return how.stage;
}

static void demand_end(struct guest *g, const char *reason)
{
	assert_int_equal(guest_state(g), GUEST_STOPPED);
	assert_int_equal(stage(g), GUEST_LEAVE_GONE);
	assert_string_equal(fake_guest_info(g)->reason, reason);
	pass(10 * SEC);
	assert_int_equal(fake_guest_info(g)->starts, 1);
}

/* It hears its button, and is done; no policy starts it again. */
static void it_is_done_in_time(void **state)
{
	struct guest *g = add_web(60);
	struct guest_leaving how;

	(void)state;
	assert_true(guest_leaving(g, &how));
	assert_false(how.asked);
	assert_int_equal(how.order, 7);
	assert_int_equal(guest_leave(g, &actor_console), 0);
	assert_int_equal(guest_leave(g, &actor_console), -EALREADY);
	fake_guest_run();
	assert_int_equal(fake_guest_presses, 1);
	assert_true(fake_guest_kept);
	assert_true(guest_leaving(g, &how));
	assert_true(how.asked);
	assert_int_equal(how.stage, GUEST_LEAVE_LATE);
	assert_int_equal(how.due_ns, fake_guest_now_ns + 60 * SEC);
	pass(3 * SEC);
	ends(VM_STOP_POWEROFF);
	demand_end(g, "ended: because");
}

/* Whatever ends it meanwhile, it stays so; and from the next start on all is as ever. */
static void no_policy_starts_it_again(void **state)
{
	static const enum vm_stop_kind kinds[] = {VM_STOP_CRASH, VM_STOP_RESET,
						  VM_STOP_POWEROFF};
	struct guest *g = add_web(60);

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		assert_int_equal(guest_leave(g, &actor_console), 0);
		ends(kinds[i]);
		assert_true(guest_at_rest(g));
		assert_int_equal(guest_start(g, &actor_console), 0);
		fake_guest_run_on();
		assert_int_equal(guest_state(g), GUEST_RUNNING);
		ends(kinds[i]);
		assert_int_equal(guest_state(g), GUEST_RUNNING);
	}
}

static void one_that_is_late_is_switched_off(void **state)
{
	static const struct {
		enum pm_listener listener;
		const char *reason;
	} cases[] = {
		{PM_LISTENS, "ended: by the operator, 60 s after it was asked to shut down: "
			     "it had read its power button's event, and was late"},
		{PM_UNREAD, "ended: by the operator, 60 s after it was asked to shut down: "
			    "it had not read its power button's event"},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct guest *g = add_web(60);

		fake_guest_listener = cases[i].listener;
		assert_int_equal(guest_leave(g, &actor_console), 0);
		pass(60 * SEC - 1);
		assert_int_equal(guest_state(g), GUEST_RUNNING);
		pass(1);
		demand_end(g, cases[i].reason);
		clean(state);
		fresh(state);
	}
}

/* Every 5 s for one that read the event before; nobody presses what is still unread. */
static void the_button_is_pressed_again(void **state)
{
	struct guest *g = add_web(60);

	(void)state;
	assert_int_equal(guest_leave(g, &actor_console), 0);
	pass(5 * SEC - 1);
	assert_int_equal(fake_guest_presses, 1);
	pass(1);
	assert_int_equal(fake_guest_presses, 2);
	fake_guest_listener = PM_UNREAD;
	pass(20 * SEC);
	assert_int_equal(fake_guest_presses, 2);
	fake_guest_listener = PM_LISTENS;
	pass(5 * SEC);
	assert_int_equal(fake_guest_presses, 3);
}

/* It has its time, and no more than that; once it has booted for long, it never will listen. */
static void one_that_boots_has_its_time(void **state)
{
	struct guest *g = add_web(30);

	(void)state;
	fake_guest_listener = PM_DEAF;
	pass(10 * SEC);
	assert_int_equal(guest_leave(g, &actor_console), 0);
	pass(30 * SEC - 1);
	assert_int_equal(stage(g), GUEST_LEAVE_BOOTING);
	pass(1);
	demand_end(g, "ended: by the operator, 30 s after it was asked to shut down: it was "
		      "still booting");
	assert_int_equal(fake_guest_presses, 1);
}

/* It begins to listen, and is then as any other. */
static void one_that_boots_comes_to_listen(void **state)
{
	struct guest *g = add_web(30);

	(void)state;
	fake_guest_listener = PM_DEAF;
	assert_int_equal(guest_leave(g, &actor_console), 0);
	pass(20 * SEC);
	assert_int_equal(stage(g), GUEST_LEAVE_BOOTING);
	assert_true(fake_guest_kept);
	fake_guest_listener = PM_UNREAD;
	assert_int_equal(stage(g), GUEST_LEAVE_UNREAD);
	ends(VM_STOP_POWEROFF);
	demand_end(g, "ended: because");
}

/* Whoever looks sees that it was asked, how far it is and how long it has; and whose turn has
 * not come. */
static void it_is_shown_that_it_was_asked(void **state)
{
	struct guest *g = add_web(30);
	struct guest_leaving how;

	(void)state;
	assert_string_equal(fake_guest_info(g)->note, "");
	guest_leave_later(g);
	assert_true(guest_leaving(g, &how) && how.later && !how.asked);
	assert_string_equal(fake_guest_info(g)->note,
			    "waits for its turn to shut down (shutdown.order 7)");
	guest_stay(g);
	assert_string_equal(fake_guest_info(g)->note, "");
	guest_leave_later(g);
	assert_int_equal(guest_leave(g, &actor_console), 0);
	guest_leave_later(g); /* too late */
	assert_true(guest_leaving(g, &how) && !how.later && how.asked);
	assert_string_equal(fake_guest_info(g)->note,
			    "asked to shut down (shutting down), is switched off in 30 s");
	pass(12 * SEC + 1);
	fake_guest_listener = PM_UNREAD;
	assert_string_equal(fake_guest_info(g)->note,
			    "asked to shut down (asked), is switched off in 18 s");
	ends(VM_STOP_POWEROFF);
	assert_string_equal(fake_guest_info(g)->note, "");
	guest_leave_later(g); /* it is gone */
	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run();
	assert_string_equal(fake_guest_info(g)->note, "");
	guest_leave_later(g);
	ends(VM_STOP_POWEROFF); /* by itself, and it starts again by its policy */
	assert_int_equal(guest_state(g), GUEST_RUNNING);
	assert_string_equal(fake_guest_info(g)->note, "");
}

static void one_that_never_listened_is_not_waited_for(void **state)
{
	static const struct {
		uint32_t timeout_seconds;
		uint64_t boots_ns;
	} cases[] = {{10, 60 * SEC}, {60, 60 * SEC}, {90, 90 * SEC}};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct guest *g = add_web(cases[i].timeout_seconds);

		fake_guest_listener = PM_DEAF;
		pass(cases[i].boots_ns - 1);
		assert_int_equal(stage(g), GUEST_LEAVE_BOOTING);
		pass(1);
		assert_int_equal(stage(g), GUEST_LEAVE_DEAF);
		assert_int_equal(guest_leave(g, &actor_console), 0);
		fake_guest_run_on();
		demand_end(g, "ended: by the operator, 0 s after it was asked to shut down: it "
			      "never listened to its power button");
		clean(state);
		fresh(state);
	}
}

/* One that was asked as it booted is given up for that within 5 s. */
static void booting_ends_while_it_is_waited_for(void **state)
{
	struct guest *g = add_web(60);

	(void)state;
	fake_guest_listener = PM_DEAF;
	pass(50 * SEC);
	assert_int_equal(guest_leave(g, &actor_console), 0);
	pass(10 * SEC - 1);
	assert_int_equal(guest_state(g), GUEST_RUNNING);
	pass(5 * SEC);
	assert_non_null(strstr(fake_guest_info(g)->reason, "never listened"));
}

static void without_a_timeout_nobody_asks(void **state)
{
	struct guest *g = add_web(0);

	(void)state;
	assert_int_equal(guest_leave(g, &actor_console), 0);
	fake_guest_run_on();
	assert_int_equal(fake_guest_presses, 0);
	demand_end(g, "ended: by the operator");
}

static void it_can_have_longer(void **state)
{
	struct guest *g = add_web(10);

	(void)state;
	assert_int_equal(guest_wait(g, SEC), -EINVAL);
	assert_int_equal(guest_leave(g, &actor_console), 0);
	pass(9 * SEC);
	assert_int_equal(guest_wait(g, 20 * SEC), 0);
	pass(21 * SEC - 1);
	assert_int_equal(guest_state(g), GUEST_RUNNING);
	pass(1);
	assert_non_null(strstr(fake_guest_info(g)->reason, ", 30 s after it was asked"));
	assert_int_equal(guest_wait(g, SEC), -EINVAL);
}

/* Called off: nobody switches it off, nothing is pressed any more, and policies count again. */
static void it_can_stay(void **state)
{
	struct guest *g = add_web(10);

	(void)state;
	guest_stay(g);
	assert_int_equal(guest_leave(g, &actor_console), 0);
	pass(4 * SEC);
	guest_stay(g);
	assert_false(fake_guest_kept);
	pass(100 * SEC);
	assert_int_equal(fake_guest_presses, 1);
	assert_int_equal(guest_state(g), GUEST_RUNNING);
	ends(VM_STOP_POWEROFF);
	assert_int_equal(fake_guest_info(g)->starts, 2);
	assert_int_equal(guest_leave(g, &actor_console), 0); /* and it can be asked anew */
	guest_stay(g);
}

/* Whom the machine's end alone has asked is told apart, until somebody wants it gone for good.
 */
static void it_is_asked_with_the_machine(void **state)
{
	struct guest *g = add_web(10);
	struct guest_leaving how;

	(void)state;
	assert_int_equal(guest_leave_with_machine(g, &actor_console), 0);
	assert_true(guest_leaving(g, &how));
	assert_true(how.asked && how.with_machine);
	assert_int_equal(guest_leave_with_machine(g, &actor_console), -EALREADY);
	assert_true(guest_leaving(g, &how));
	assert_true(how.asked && how.with_machine);
	guest_stay(g);
	assert_true(guest_leaving(g, &how));
	assert_false(how.asked || how.with_machine);
	assert_int_equal(guest_leave_with_machine(g, &actor_console), 0);
	assert_int_equal(guest_leave(g, &actor_console), -EALREADY);
	assert_true(guest_leaving(g, &how));
	assert_true(how.asked && !how.with_machine);
	assert_int_equal(guest_leave_with_machine(g, &actor_console), -EALREADY);
	assert_true(guest_leaving(g, &how));
	assert_true(how.asked && !how.with_machine);
	guest_stay(g);
}

/* The last word counts: who switches it off, or resets it, is not kept from it. */
static void others_may_end_it_at_once(void **state)
{
	struct guest *g = add_web(60);

	(void)state;
	assert_int_equal(guest_leave(g, &actor_console), 0);
	pass(2 * SEC);
	assert_int_equal(guest_reset(g, &actor_console), 0);
	fake_guest_run_on();
	assert_int_equal(guest_state(g), GUEST_RUNNING);
	assert_int_equal(fake_guest_info(g)->starts, 2);
	assert_int_equal(guest_leave(g, &actor_console), 0);
	pass(2 * SEC);
	fake_guest_obeys = false;
	assert_int_equal(guest_stop(g, &actor_console), 0);
	assert_int_equal(stage(g), GUEST_LEAVE_ENDING);
	assert_string_equal(fake_guest_log,
			    "is switched off by the operator, 2 s after it was asked to shut "
			    "down: it had read its power button's event, and was late");
	pass(100 * SEC);
	assert_int_equal(stage(g), GUEST_LEAVE_ENDING); /* its disks take their time */
	fake_guest_park(vm);
	fake_guest_run_on();
	assert_true(guest_at_rest(g));
}

/* What has not run yet has nothing to lose, and what is at rest stays there. */
static void a_start_is_given_up(void **state)
{
	static const struct guest_config config = {.shutdown = {7, 60},
						   .start = {.delay_seconds = 5}};
	struct guest *g = fake_guest_add("slow", &config);

	(void)state;
	assert_int_equal(guest_leave(g, &actor_console), -EINVAL);
	stuck = "slow";
	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run();
	assert_int_equal(guest_state(g), GUEST_STARTING);
	assert_int_equal(stage(g), GUEST_LEAVE_ENDING);
	assert_int_equal(guest_leave(g, &actor_console), 0);
	fake_guest_run_on();
	assert_true(guest_at_rest(g));
	assert_int_equal(fake_guest_presses, 0);

	stuck = NULL; /* one that is due does not come */
	assert_int_equal(guest_start_in_turn(g, &actor_console), 0);
	fake_guest_run();
	assert_false(guest_at_rest(g));
	assert_int_equal(guest_leave(g, &actor_console), 0);
	assert_true(guest_at_rest(g));
	fake_guest_run_on();
	assert_int_equal(fake_guest_info(g)->starts, 0);
	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run_on();
	assert_int_equal(fake_guest_info(g)->starts, 1);

	assert_int_equal(guest_remove(g, &actor_console), 0);
	assert_int_equal(guest_leave(g, &actor_console), -ENOENT);
	guest_put(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_done_in_time),
		TEST(no_policy_starts_it_again),
		TEST(one_that_is_late_is_switched_off),
		TEST(the_button_is_pressed_again),
		TEST(one_that_boots_has_its_time),
		TEST(one_that_boots_comes_to_listen),
		TEST(it_is_shown_that_it_was_asked),
		TEST(one_that_never_listened_is_not_waited_for),
		TEST(booting_ends_while_it_is_waited_for),
		TEST(without_a_timeout_nobody_asks),
		TEST(it_can_have_longer),
		TEST(it_can_stay),
		TEST(it_is_asked_with_the_machine),
		TEST(others_may_end_it_at_once),
		TEST(a_start_is_given_up),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}

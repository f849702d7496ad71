/*
 * Guests that are asked to shut down, and guests that start in turn: when each is asked,
 * pressed again, switched off or started, by the test's clock; what is said of it; and that
 * both can be called off. What a guest's button does is test_chipset's.
 */
/* links: guests/guest/control.c guests/guest/life.c guests/guest/policy.c */
/* links: guests/guest/leave.c guests/guest/leaving.c guests/guest/turn.c */
/* links: guests/guest/usage.c guests/guest/trouble.c */
/* links: guests/views/guest.c guests/views/view.c */
/* links: guests/guest/registry.c guests/guest/snapshot.c guests/guest/worker.c */
/* links: guests/boot/boot.c */
/* links: guests/events/actor.c guests/events/event.c */
/* links: tests/unit/fake_guest.c tests/unit/fake_threads.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/cpu/clock.h"
#include "kernel/sched/thread.h"
#include "tests/unit/fake_guest.h"
#include "tests/unit/fake_threads.h"

#define SEC NSEC_PER_SEC

static struct vm *vm; /* prepared last */
static unsigned launches;
static const char *stuck; /* the guest whose start does not end until it is given up */
static char order[64];	  /* first letters of guests, as they were prepared */

int launch_prepare(const struct launch_params *params, struct launch *out,
		   char why[BOOT_WHY_BYTES])
{
	memset(out, 0, sizeof(*out));
	strncat(order, params->config->name, 1);
	while (stuck && !strcmp(stuck, params->config->name) && !*params->given_up)
		thread_block();
	if (*params->given_up)
		return boot_refuse(why, -ECANCELED, "it was given up");
	out->vm = vm = fake_guest_vm(params->config->name, params->stopped, params->arg);
	launches++;
	return 0;
}

void launch_release(struct launch *launch)
{
	fake_guest_vm_free(launch->vm);
	launches--;
}

static int fresh(void **state)
{
	(void)state;
	stuck = NULL;
	order[0] = '\0';
	fake_guest_obeys = true;
	fake_guest_listener = PM_LISTENS;
	fake_guest_presses = 0;
	fake_guest_kept = false;
	fake_guest_log[0] = '\0';
	fake_guest_now_ns += 3600 * SEC;
	return 0;
}

static int clean(void **state)
{
	(void)state;
	fake_guest_obeys = true;
	fake_guest_remove_all();
	assert_int_equal(launches, 0);
	assert_int_equal(fake_guest_held, 0);
	return 0;
}

/* One that runs, and whose policies would all start it again. */
static struct guest *add(uint32_t timeout_seconds)
{
	const struct guest_config config = {.autostart = true,
					    .on_crash = CONFIG_POLICY_RESTART,
					    .on_reboot = CONFIG_POLICY_RESTART,
					    .on_poweroff = CONFIG_POLICY_RESTART,
					    .shutdown = {7, timeout_seconds}};
	struct guest *g = fake_guest_add("web", &config);

	guest_put(g);
	assert_int_equal(guest_state(g), GUEST_RUNNING);
	return g;
}

static void pass(uint64_t ns)
{
	fake_guest_run_until(fake_guest_now_ns + ns);
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
	struct guest *g = add(60);
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
	fake_guest_end(vm, VM_STOP_POWEROFF);
	fake_guest_run_on();
	demand_end(g, "ended: because");
}

/* Whatever ends it meanwhile, it stays so; and from the next start on all is as ever. */
static void no_policy_starts_it_again(void **state)
{
	static const enum vm_stop_kind kinds[] = {VM_STOP_CRASH, VM_STOP_RESET,
						  VM_STOP_POWEROFF};
	struct guest *g = add(60);

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		assert_int_equal(guest_leave(g, &actor_console), 0);
		fake_guest_end(vm, kinds[i]);
		fake_guest_run_on();
		assert_true(guest_at_rest(g));
		assert_int_equal(guest_start(g, &actor_console), 0);
		fake_guest_run_on();
		assert_int_equal(guest_state(g), GUEST_RUNNING);
		fake_guest_end(vm, kinds[i]);
		fake_guest_run_on();
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
		struct guest *g = add(60);

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
	struct guest *g = add(60);

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
	struct guest *g = add(30);

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
	struct guest *g = add(30);

	(void)state;
	fake_guest_listener = PM_DEAF;
	assert_int_equal(guest_leave(g, &actor_console), 0);
	pass(20 * SEC);
	assert_int_equal(stage(g), GUEST_LEAVE_BOOTING);
	assert_true(fake_guest_kept);
	fake_guest_listener = PM_UNREAD;
	assert_int_equal(stage(g), GUEST_LEAVE_UNREAD);
	fake_guest_end(vm, VM_STOP_POWEROFF);
	fake_guest_run_on();
	demand_end(g, "ended: because");
}

static void one_that_never_listened_is_not_waited_for(void **state)
{
	static const struct {
		uint32_t timeout_seconds;
		uint64_t boots_ns;
	} cases[] = {{10, 60 * SEC}, {60, 60 * SEC}, {90, 90 * SEC}};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct guest *g = add(cases[i].timeout_seconds);

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
	struct guest *g = add(60);

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
	struct guest *g = add(0);

	(void)state;
	assert_int_equal(guest_leave(g, &actor_console), 0);
	fake_guest_run_on();
	assert_int_equal(fake_guest_presses, 0);
	demand_end(g, "ended: by the operator");
}

static void it_can_have_longer(void **state)
{
	struct guest *g = add(10);

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
	struct guest *g = add(10);

	(void)state;
	guest_stay(g);
	assert_int_equal(guest_leave(g, &actor_console), 0);
	pass(4 * SEC);
	guest_stay(g);
	assert_false(fake_guest_kept);
	pass(100 * SEC);
	assert_int_equal(fake_guest_presses, 1);
	assert_int_equal(guest_state(g), GUEST_RUNNING);
	fake_guest_end(vm, VM_STOP_POWEROFF);
	fake_guest_run_on();
	assert_int_equal(fake_guest_info(g)->starts, 2);
	assert_int_equal(guest_leave(g, &actor_console), 0); /* and it can be asked anew */
	guest_stay(g);
}

/* Whom the machine's end alone has asked is told apart, until somebody wants it gone for good.
 */
static void it_is_asked_with_the_machine(void **state)
{
	struct guest *g = add(10);
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
	struct guest *g = add(60);

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

/* ---- turns ---------------------------------------------------------------------------------
 */

static void add_in_turn(const char *name, uint32_t at, uint32_t delay_seconds)
{
	const struct guest_config config = {.autostart = true, .start = {at, delay_seconds}};

	guest_put(fake_guest_add(name, &config));
}

static void guests_start_by_their_orders(void **state)
{
	(void)state;
	assert_true(guests_turns_over());
	guests_hold_turns();
	assert_false(guests_turns_over());
	add_in_turn("c", 3, 0);
	add_in_turn("a", 1, 0);
	guests_hold_turns();
	add_in_turn("b", 2, 4);
	add_in_turn("d", 2, 2);
	add_in_turn("e", 1, 0);
	guests_release_turns();
	fake_guest_run_on();
	assert_string_equal(order, "");
	guests_release_turns();
	fake_guest_run();
	assert_string_equal(order, "ae");
	pass(2 * SEC - 1);
	assert_string_equal(order, "ae");
	pass(1);
	assert_string_equal(order, "aed");
	pass(2 * SEC - 1);
	assert_string_equal(order, "aed");
	assert_false(guests_turns_over());
	pass(1);
	assert_string_equal(order, "aedbc");
	assert_true(guests_turns_over());
}

/* A start that hangs holds the next ones back for 10 s; one that was stopped, for no time. */
static void others_wait_for_a_turn_for_so_long(void **state)
{
	struct guest *b;

	(void)state;
	stuck = "a";
	guests_hold_turns();
	add_in_turn("a", 1, 0);
	add_in_turn("b", 2, 30);
	add_in_turn("c", 3, 0);
	guests_release_turns();
	fake_guest_run();
	pass(40 * SEC - 1);
	assert_string_equal(order, "a");
	b = guest_get("b");
	assert_int_equal(guest_stop(b, &actor_console), 0);
	fake_guest_run();
	pass(1);
	assert_string_equal(order, "ac");
	assert_int_equal(guest_start(b, &actor_console), 0); /* by hand, at once */
	fake_guest_run();
	assert_string_equal(order, "acb");
	guest_put(b);
}

/* The last one's start may hang for ever. */
static void turns_are_over_when_none_waits(void **state)
{
	(void)state;
	stuck = "a";
	add_in_turn("a", 1, 0);
	assert_false(guests_turns_over());
	fake_guest_run();
	pass(10 * SEC - 1);
	assert_false(guests_turns_over());
	pass(1);
	assert_true(guests_turns_over());
}

/* One that runs, or is on its way, is started as by hand. */
static void a_turn_of_one_that_runs(void **state)
{
	struct guest *g = add(60);

	(void)state;
	assert_int_equal(guest_start_in_turn(g, &actor_console), -EALREADY);
	fake_guest_obeys = false;
	assert_int_equal(guest_stop(g, &actor_console), 0);
	assert_int_equal(guest_start_in_turn(g, &actor_console), 0);
	fake_guest_park(vm);
	fake_guest_run_on();
	assert_int_equal(fake_guest_info(g)->starts, 2);
	fake_guest_obeys = true;
	assert_int_equal(guest_remove(g, &actor_console), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fresh, clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_done_in_time),
		TEST(no_policy_starts_it_again),
		TEST(one_that_is_late_is_switched_off),
		TEST(the_button_is_pressed_again),
		TEST(one_that_boots_has_its_time),
		TEST(one_that_boots_comes_to_listen),
		TEST(one_that_never_listened_is_not_waited_for),
		TEST(booting_ends_while_it_is_waited_for),
		TEST(without_a_timeout_nobody_asks),
		TEST(it_can_have_longer),
		TEST(it_can_stay),
		TEST(it_is_asked_with_the_machine),
		TEST(others_may_end_it_at_once),
		TEST(a_start_is_given_up),
		TEST(guests_start_by_their_orders),
		TEST(others_wait_for_a_turn_for_so_long),
		TEST(turns_are_over_when_none_waits),
		TEST(a_turn_of_one_that_runs),
	};

	return guests_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}

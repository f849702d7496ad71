/*
 * Guests that start in turn: by their orders and delays, by the test's clock; and whom a start
 * that hangs keeps waiting, and how long.
 */
/* links: guests/guest/control.c guests/guest/life.c guests/guest/policy.c */
/* links: guests/guest/act.c guests/guest/request.c */
/* links: guests/guest/leave.c guests/guest/leaving.c guests/guest/turn.c */
/* links: guests/guest/usage.c guests/views/guest.c guests/views/view.c */
/* links: guests/guest/registry.c guests/guest/snapshot.c guests/guest/worker.c */
/* links: guests/boot/boot.c guests/events/actor.c guests/events/event.c */
/* links: tests/unit/fake_guest.c tests/unit/fake_threads.c */
#include "tests/unit/guest_house.h"

static void add_in_turn(const char *name, uint32_t at, uint32_t delay_seconds)
{
	const struct guest_config config = {.autostart = true, .start = {at, delay_seconds}};

	add(name, &config);
}

static void demand_note(const char *name, const char *note)
{
	struct guest *g = guest_get(name);

	assert_string_equal(fake_guest_info(g)->note, note);
	guest_put(g);
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
	demand_note("c", "waits for its turn to start (start.order 3)");
	demand_note("a", "");
	demand_note("b", "starts in 4 s (start.delay)");
	pass(2 * SEC - 1);
	assert_string_equal(order, "ae");
	demand_note("b", "starts in 3 s (start.delay)");
	demand_note("d", "starts in 1 s (start.delay)");
	pass(1);
	demand_note("d", "");
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
	struct guest *g = add("web", &(struct guest_config){.autostart = true});

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(guests_start_by_their_orders),
		TEST(others_wait_for_a_turn_for_so_long),
		TEST(turns_are_over_when_none_waits),
		TEST(a_turn_of_one_that_runs),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}

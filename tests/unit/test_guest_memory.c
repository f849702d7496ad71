/*
 * Guests and memory that is not there: who is named first has it, the others wait, each for no
 * more than it needs, and start when somebody gives it back.
 */
/* links: guests/guest/control.c guests/guest/life.c guests/guest/policy.c */
/* links: guests/guest/act.c guests/guest/request.c */
/* links: guests/guest/leave.c guests/guest/leaving.c guests/guest/turn.c */
/* links: guests/guest/usage.c guests/views/guest.c guests/views/view.c */
/* links: guests/guest/registry.c guests/guest/snapshot.c guests/guest/worker.c */
/* links: guests/boot/boot.c guests/events/actor.c guests/events/event.c */
/* links: tests/unit/fake_guest.c tests/unit/fake_threads.c */
#include "tests/unit/guest_house.h"

static struct guest *add_large(const char *name, uint64_t bytes)
{
	const struct guest_config config = {
		.autostart = true, .memory_bytes = bytes, .start = {.order = 1}};

	return add(name, &config);
}

/* Three of 3, 3 and 1 GiB, where there are 4, added at once. */
static void add_three(struct guest *guests[3])
{
	fake_guest_free_bytes = 4 * GIB;
	guests_hold_turns();
	guests[0] = add_large("a", 3 * GIB);
	guests[1] = add_large("b", 3 * GIB);
	guests[2] = add_large("c", 1 * GIB);
	guests_release_turns();
	fake_guest_run();
}

/* The second begins once it is known what the first has; the third fits beside that. */
static void who_is_named_first_has_it(void **state)
{
	struct guest *guests[3];

	(void)state;
	add_three(guests);
	assert_string_equal(order, "acb");
	assert_int_equal(fake_guest_state(guests[0]), GUEST_RUNNING);
	assert_int_equal(fake_guest_state(guests[1]), GUEST_WAITING);
	assert_int_equal(fake_guest_state(guests[2]), GUEST_RUNNING);
	assert_string_equal(fake_guest_info(guests[1])->reason, "too little memory is free");
	assert_string_equal(fake_guest_log,
			    "waits: too little memory is free; it is tried again when a guest "
			    "gives memory back or the configuration changes, or by `start b`");
	assert_true(guests_turns_over());
}

/* All that fit start at once, up to the last byte. */
static void who_fits_waits_for_nobody(void **state)
{
	(void)state;
	stuck = "a";
	fake_guest_free_bytes = 4 * GIB;
	guests_hold_turns();
	add_large("a", 3 * GIB);
	add_large("b", 1 * GIB);
	add_large("c", 1);
	guests_release_turns();
	fake_guest_run();
	assert_string_equal(order, "ab");
}

/* A disk that does not answer is no reason to keep another waiting for long. */
static void who_is_before_is_waited_for_10_s(void **state)
{
	struct guest *guests[3];

	(void)state;
	stuck = "a";
	add_three(guests);
	pass(10 * SEC - 1);
	assert_string_equal(order, "ac");
	assert_string_equal(fake_guest_info(guests[1])->note,
			    "waits for its turn to start (others have their memory first)");
	pass(1);
	assert_string_equal(order, "acb");
	assert_int_equal(fake_guest_state(guests[1]), GUEST_RUNNING);
}

static void it_starts_once_that_is_given_back(void **state)
{
	struct guest *guests[3];

	(void)state;
	add_three(guests);
	/* It is not even tried for what is too little. */
	assert_int_equal(guest_stop(guests[2], &actor_console), 0);
	fake_guest_run();
	assert_string_equal(order, "acb");
	assert_int_equal(fake_guest_state(guests[1]), GUEST_WAITING);
	assert_int_equal(guest_remove(guests[0], &actor_console), 0);
	fake_guest_run();
	assert_string_equal(order, "acbb");
	assert_int_equal(fake_guest_state(guests[1]), GUEST_RUNNING);
	/* One that was stopped by hand is no guest that waits. */
	assert_int_equal(fake_guest_state(guests[2]), GUEST_STOPPED);
}

/* Of two that wait, and for one of whom there is room, the one named first is tried. */
static void one_of_two_that_wait_is_tried(void **state)
{
	struct guest *guests[3], *d;

	(void)state;
	add_three(guests);
	d = add_large("d", 2 * GIB);
	fake_guest_run();
	assert_string_equal(order, "acbd");
	assert_int_equal(guest_stop(guests[0], &actor_console), 0);
	fake_guest_run();
	assert_string_equal(order, "acbdb");
	assert_int_equal(fake_guest_state(guests[1]), GUEST_RUNNING);
	assert_int_equal(fake_guest_state(d), GUEST_WAITING);
}

/* By hand it is tried whatever is free, and says again what it lacks; and waits no more when
 * it is told so. */
static void an_operator_tries_and_ends_it(void **state)
{
	struct guest *guests[3];

	(void)state;
	add_three(guests);
	fake_guest_log[0] = '\0';
	assert_int_equal(guest_start(guests[1], &actor_console), 0);
	fake_guest_run();
	assert_string_equal(order, "acbb");
	assert_non_null(strstr(fake_guest_log, "waits: too little memory"));
	assert_int_equal(guest_stop(guests[1], &actor_console), 0);
	assert_int_equal(fake_guest_state(guests[1]), GUEST_STOPPED);
	assert_int_equal(guest_stop(guests[0], &actor_console), 0);
	fake_guest_run();
	assert_string_equal(order, "acbb");
}

/* A start that is given up, or fails for another reason, gives back what it had taken. */
static void a_start_that_ends_gives_back_too(void **state)
{
	struct guest *guests[3], *d;

	(void)state;
	add_three(guests);
	stuck = "d";
	d = add_large("d", 0);
	fake_guest_free_bytes = 3 * GIB; /* as by its RAM disk */
	assert_int_equal(guest_stop(d, &actor_console), 0);
	fake_guest_run();
	assert_string_equal(order, "acbdb");
	assert_int_equal(fake_guest_state(guests[1]), GUEST_RUNNING);
}

/* What is absent is not there because memory is. */
static void one_that_waits_for_a_disk_is_left_alone(void **state)
{
	struct guest *a, *b;

	(void)state;
	fake_guest_free_bytes = GIB;
	a = add_large("a", GIB);
	launch_error = -ENODEV;
	b = add_large("b", 0);
	assert_int_equal(fake_guest_state(b), GUEST_WAITING);
	assert_int_equal(guest_stop(a, &actor_console), 0);
	fake_guest_run();
	assert_string_equal(order, "ab");
	launch_error = 0;
	guests_try_waiting();
	fake_guest_run();
	assert_int_equal(fake_guest_state(b), GUEST_RUNNING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_is_named_first_has_it),
		TEST(who_fits_waits_for_nobody),
		TEST(who_is_before_is_waited_for_10_s),
		TEST(it_starts_once_that_is_given_back),
		TEST(one_of_two_that_wait_is_tried),
		TEST(an_operator_tries_and_ends_it),
		TEST(a_start_that_ends_gives_back_too),
		TEST(one_that_waits_for_a_disk_is_left_alone),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}

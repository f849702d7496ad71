/*
 * What becomes of a guest whose VM has ended: which ends start it again, how often and how
 * soon, who calls that off, and what is told of it all. Counting by itself is
 * test_guest_policy's.
 */
/* links: guests/guest/control.c guests/guest/life.c guests/guest/policy.c */
/* links: guests/guest/act.c guests/guest/request.c */
/* links: guests/guest/leave.c guests/guest/leaving.c guests/guest/turn.c */
/* links: guests/views/guest.c guests/views/view.c guests/guest/registry.c */
/* links: guests/guest/snapshot.c guests/guest/worker.c guests/boot/boot.c */
/* links: guests/guest/usage.c guests/events/actor.c guests/events/event.c */
/* links: tests/unit/fake_guest.c tests/unit/fake_threads.c */
#include "tests/unit/guest_house.h"

#define STARTS_MAX 64

/* Each kind of end has its own policy. */
static void policies(void **state)
{
	static const struct {
		struct guest_config config;
		enum vm_stop_kind kind;
	} each[] = {
		{{.on_crash = CONFIG_POLICY_RESTART}, VM_STOP_CRASH},
		{{.on_reboot = CONFIG_POLICY_RESTART}, VM_STOP_RESET},
		{{.on_poweroff = CONFIG_POLICY_RESTART}, VM_STOP_POWEROFF},
		{{.autostart = true}, VM_STOP_REQUEST},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(each); i++)
		for (unsigned k = 0; k < ARRAY_SIZE(each); k++) {
			struct guest_config config = each[i].config;
			char name[8];
			struct guest *g;

			config.autostart = true;
			snprintf(name, sizeof(name), "p%u%u", i, k);
			g = add(name, &config);
			ends(each[k].kind);
			assert_int_equal(fake_guest_info(g)->starts, i == k && i < 3 ? 2 : 1);
		}
}

/* All kinds of crashes follow the one policy, and each is counted for itself. */
static void crashes_are_told_apart(void **state)
{
	static const struct guest_config config = {
		.autostart = true, .on_crash = CONFIG_POLICY_RESTART, .restart_limit = {4, 60}};
	struct guest *g = add("crashes", &config);

	(void)state;
	assert_false(watchdog_fired);
	ends(VM_STOP_WATCHDOG);
	assert_true(watchdog_fired); /* the next one learns of it */
	ends(VM_STOP_PANIC);
	assert_false(watchdog_fired);
	ends(VM_STOP_WATCHDOG);
	ends(VM_STOP_CRASH);
	assert_int_equal(fake_guest_info(g)->starts, 5);
	ends(VM_STOP_PANIC);
	assert_int_equal(fake_guest_state(g), GUEST_FAILED);
	assert_string_equal(fake_guest_info(g)->reason, "crashed: because");
	assert_int_equal(fake_guest_info(g)->starts, 5);
	assert_int_equal(fake_guest_info(g)->crashes, 5);
	assert_int_equal(fake_guest_info(g)->panics, 2);
	assert_int_equal(fake_guest_info(g)->watchdog_ends, 2);
	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run();
	ends(VM_STOP_POWEROFF);
	assert_int_equal(fake_guest_info(g)->crashes, 5);
}

/* ---- how often --------------------------------------------------------------------------- */

static uint64_t starts_ns[STARTS_MAX];
static unsigned ends_left; /* so many VMs crash as they start */

static void crash_at_once(struct vm *v)
{
	assert_true(fake_guest_starts <= STARTS_MAX);
	starts_ns[fake_guest_starts - 1] = fake_guest_now_ns;
	if (!ends_left)
		return;
	ends_left--;
	fake_guest_end(v, VM_STOP_CRASH);
}

static struct guest *add_crashing(unsigned limit, unsigned crashes)
{
	const struct guest_config config = {.on_crash = CONFIG_POLICY_RESTART,
					    .restart_limit = {limit, 60}};

	ends_left = crashes;
	fake_guest_on_start = crash_at_once;
	return add("crashing", &config);
}

/* With no limit, and as many ends as you like, it is ten starts a second. */
static void restarts_are_never_in_a_row(void **state)
{
	struct guest *g = add_crashing(0, 50);

	(void)state;
	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run_on();
	assert_int_equal(fake_guest_starts, 51);
	for (unsigned i = 1; i < fake_guest_starts; i++)
		assert_int_equal(starts_ns[i] - starts_ns[i - 1], 100 * NSEC_PER_MSEC);
	assert_int_equal(fake_guest_state(g), GUEST_RUNNING);
	fake_guest_now_ns += NSEC_PER_SEC; /* one that ran for long does not wait */
	assert_int_equal(guest_reset(g, &actor_console), 0);
	fake_guest_run_on();
	assert_int_equal(fake_guest_starts, 52);
	assert_int_equal(starts_ns[51] - starts_ns[50], NSEC_PER_SEC);
}

static void the_limit_ends_it(void **state)
{
	struct guest *g = add_crashing(5, 50);

	(void)state;
	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run_on();
	assert_int_equal(fake_guest_starts, 6);
	assert_int_equal(fake_guest_state(g), GUEST_FAILED);
	assert_string_equal(fake_guest_log, "stays stopped: it restarted 5 times within 60 s; "
					    "mend it, then start it by hand");
	ends_left = 0;
	assert_int_equal(guest_start(g, &actor_console), 0); /* by hand, at once */
	fake_guest_run();
	assert_int_equal(starts_ns[6], starts_ns[5]);
	assert_int_equal(fake_guest_state(g), GUEST_RUNNING);
}

/* Whoever stops a guest that is between two lives has stopped it. */
static void one_that_waits_can_be_stopped(void **state)
{
	struct guest *g = add_crashing(0, 50);

	(void)state;
	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run();
	assert_int_equal(fake_guest_starts, 1);
	assert_int_equal(guest_stop(g, &actor_console), 0);
	fake_guest_run_on();
	assert_int_equal(fake_guest_starts, 1);
	assert_int_equal(fake_guest_state(g), GUEST_FAILED);
	assert_int_equal(guest_stop(g, &actor_console), -EINVAL);
	ends_left = 0;
	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run_on();
	assert_int_equal(fake_guest_starts, 2);
}

/* One that is due to start again does not, once it is removed. */
static void removal_calls_off_what_is_due(void **state)
{
	struct guest *g = add_crashing(0, 50);

	(void)state;
	assert_int_equal(guest_start(g, &actor_console), 0);
	fake_guest_run();
	assert_int_equal(guest_remove(g, &actor_console), 0);
	fake_guest_run_on();
	assert_int_equal(fake_guest_starts, 1);
	assert_int_equal(fake_threads_alive(), 1);
}

static void events(void **state)
{
	static const struct {
		enum event_kind kind;
		const char *text;
	} expected[] = {
		{EVENT_GUEST_ADDED, "is added by the document"},
		{EVENT_GUEST_STARTING, "is started by the document"},
		{EVENT_GUEST_STARTED, "runs: start number 1"},
		{EVENT_GUEST_STOPPING, "crashed: because"},
		{EVENT_GUEST_FAILED, "crashed: because"},
		{EVENT_GUEST_STARTING, "is started by its policy 'on_crash'"},
		{EVENT_GUEST_STARTED, "runs: start number 2"},
		{EVENT_GUEST_REMOVED, "is removed by the operator"},
		{EVENT_GUEST_STOPPING, "ended: by the operator"},
		{EVENT_GUEST_STOPPED, "ended: by the operator"},
	};
	static const struct guest_config config = {.autostart = true,
						   .on_crash = CONFIG_POLICY_RESTART};
	uint64_t from = event_range().next;
	static struct event seen[ARRAY_SIZE(expected) + 1];

	(void)state;
	add("told", &config);
	ends(VM_STOP_CRASH);
	fake_guest_remove_all();
	assert_int_equal(event_read(from, seen, ARRAY_SIZE(seen)), ARRAY_SIZE(expected));
	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_string_equal(event_kind_name(seen[i].kind),
				    event_kind_name(expected[i].kind));
		assert_string_equal(seen[i].text, expected[i].text);
		assert_string_equal(seen[i].subject, "told");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(policies),
		TEST(crashes_are_told_apart),
		TEST(restarts_are_never_in_a_row),
		TEST(the_limit_ends_it),
		TEST(one_that_waits_can_be_stopped),
		TEST(removal_calls_off_what_is_due),
		TEST(events),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}

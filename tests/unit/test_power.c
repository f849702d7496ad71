/*
 * Powering off: who is asked and when, how long is waited, what is told, what a second request,
 * a longer wait and a cancel change. When a guest is switched off is test_guest_leave's. The
 * machine and its clock are the test's; nothing else of the house needs to work.
 */
/* links: guests/actions/power.c guests/actions/leavers.c guests/actions/job.c */
/* links: guests/events/actor.c guests/events/event.c tests/unit/fake_guests.c */
/* links: kernel/lib/duration.c */
/* links: guests/actions/args.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guests/actions/job.h"
#include "guests/actions/list.h"
#include "guests/actions/power.h"
#include "guests/catalogue/catalogue.h"
#include "guests/config/schema.h"
#include "guests/events/event.h"
#include "kernel/cpu/clock.h"
#include "kernel/log/log.h"
#include "kernel/sched/thread.h"
#include "tests/unit/fake_guests.h"

#define NEVER UINT64_MAX

const struct config_table action_no_arguments = {.bytes = 1};

static void (*power_thread)(void *arg);
static jmp_buf idle;
static bool refused;
static uint64_t now, begin;
static char logged[8192];

/* What happens while it waits: at that time, counted from the request. */
static struct {
	uint64_t ends_ns[FAKE_GUESTS];	/* guests */
	uint64_t gives_ns[FAKE_GUESTS]; /* one that ended has given back all it had */
	uint64_t again_ns;		/* the second request */
	uint64_t cancel_ns, call_off_ns, wait_ns;
	uint64_t late_cancel_ns; /* while guests are switched off */
} plan;
static bool again_reboots;
static unsigned refusals;
static struct host_config host;
static uint64_t asked_ns[FAKE_GUESTS], stopped_ns[FAKE_GUESTS];

static struct {
	unsigned count;
	bool reboot;
	uint64_t ns; /* after the request */
} off;

/* ---- the house
 * ------------------------------------------------------------------------------- */

struct thread *thread_create(const struct thread_params *params)
{
	if (refused)
		return NULL;
	power_thread = params->fn;
	return (struct thread *)1;
}

void thread_wake(struct thread *thread)
{
	assert_ptr_equal(thread, (struct thread *)1);
}

void thread_block(void)
{
	longjmp(idle, 1);
}

static uint64_t running_job(void)
{
	static struct job_info info;
	uint64_t found = 0;

	for (uint64_t number = job_next(0); number; number = job_next(number))
		if (job_get(number, &info, NULL) && info.state == JOB_RUNNING)
			found = number;
	return found;
}

static bool due(uint64_t *when)
{
	bool is = now - begin >= *when;

	if (is)
		*when = NEVER;
	return is;
}

/* As guests/guest does: what is late is switched off. */
static void live(struct guest *guest, unsigned i)
{
	uint64_t since = now - begin;

	if (guest->leaving.asked && asked_ns[i] == NEVER)
		asked_ns[i] = since;
	if (guest->asked && !strcmp(guest->asked, "stop") && stopped_ns[i] == NEVER)
		stopped_ns[i] = since;
	if (due(&plan.ends_ns[i]) || stopped_ns[i] != NEVER ||
	    (guest->leaving.asked && now >= guest->leaving.due_ns))
		guest->leaving.stage = GUEST_LEAVE_ENDING;
	if (guest->leaving.stage == GUEST_LEAVE_ENDING && since >= plan.gives_ns[i])
		guest->state = GUEST_STOPPED;
}

void thread_block_until(uint64_t deadline_ns)
{
	char why[JOB_WHY_BYTES];

	assert_true(deadline_ns > now);
	now = deadline_ns;
	for (unsigned i = 0; i < fake_guests_count; i++)
		live(&fake_guests[i], i);
	if (due(&plan.again_ns))
		power_request(again_reboots, false, &actor_console);
	if (due(&plan.wait_ns))
		assert_int_equal(power_wait("", 7 * NSEC_PER_SEC), 0);
	if (due(&plan.call_off_ns))
		power_call_off();
	if (due(&plan.cancel_ns))
		assert_int_equal(job_cancel(running_job(), &actor_console, ROLE_ADMIN, why), 0);
	if (due(&plan.late_cancel_ns)) {
		assert_int_equal(job_cancel(running_job(), &actor_console, ROLE_ADMIN, why),
				 -EOPNOTSUPP);
		refusals++;
		assert_non_null(strstr(why, "the guests are being switched off"));
	}
}

void catalogue_host(struct host_config *out)
{
	*out = host;
}

void thread_sleep_ns(uint64_t ns)
{
	now += ns;
}

uint64_t clock_now_ns(void)
{
	return now;
}

uint64_t clock_wall_ns(void)
{
	return now;
}

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	size_t used = strlen(logged);
	va_list args;

	(void)level, (void)area;
	va_start(args, fmt);
	vsnprintf(logged + used, sizeof logged - used, fmt, args);
	va_end(args);
	strncat(logged, "\n", sizeof logged - strlen(logged) - 1);
}

void action_result_start(struct action_result *r)
{
	memset(r, 0, sizeof *r);
}

void action_say(struct action_call *call, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(call->result->text, ACTION_TEXT_BYTES, fmt, args);
	va_end(args);
}

const char *action_subject(const struct action *action, const void *args)
{
	(void)action, (void)args;
	return "";
}

const char *role_name(enum role role)
{
	(void)role;
	return "admin";
}

/* This machine cannot do it, so that there is a test after it. */
static void machine_off(bool reboot)
{
	off.count++;
	off.reboot = reboot;
	off.ns = now - begin;
}

static int fresh(void **state)
{
	(void)state;
	fake_guests_reset(FAKE_GUESTS);
	memset(&plan, 0, sizeof plan);
	for (unsigned i = 0; i < FAKE_GUESTS; i++)
		plan.ends_ns[i] = asked_ns[i] = stopped_ns[i] = NEVER;
	plan.late_cancel_ns = NEVER;
	plan.again_ns = plan.cancel_ns = plan.call_off_ns = plan.wait_ns = NEVER;
	again_reboots = false;
	host.shutdown_timeout_seconds = 300;
	memset(&off, 0, sizeof off);
	now += NSEC_PER_SEC * 3600;
	begin = now;
	logged[0] = '\0';
	return 0;
}

static void run(void)
{
	if (!setjmp(idle))
		power_thread(NULL);
	assert_int_equal(fake_guests_held(), 0);
	assert_int_equal(running_job(), 0);
}

/* Typed, with or without the word. */
static void request(const struct action *action, bool at_once)
{
	const struct actor actor = actor_make(ACTOR_API, "ci");
	struct action_call call = {.action = action, .actor = &actor, .args = &at_once};

	assert_int_equal(action->run(&call), 0);
	run();
}

static struct job_info newest(void)
{
	struct job_info info = {0};

	for (uint64_t number = job_next(0); number; number = job_next(number))
		job_get(number, &info, NULL);
	return info;
}

static void demand_log(const char *line)
{
	if (!strstr(logged, line))
		fail_msg("'%s' is not in:\n%s", line, logged);
}

static unsigned count_log(const char *line)
{
	unsigned count = 0;

	for (const char *at = logged; (at = strstr(at, line)); at++)
		count++;
	return count;
}

/* ---- tests
 * ----------------------------------------------------------------------------------- */

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
	power_call_off();
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
		cmocka_unit_test_setup(longer_is_longer, fresh),
		cmocka_unit_test_setup(wait_is_an_action, fresh),
		cmocka_unit_test_setup(at_once_is_at_once, fresh),
		cmocka_unit_test_setup(a_second_request_goes_on, fresh),
		cmocka_unit_test_setup(disks_that_hang_are_not_waited_for, fresh),
		cmocka_unit_test_setup(it_can_be_called_off, fresh),
		cmocka_unit_test_setup(who_was_stopped_before_does_not_stay, fresh),
		cmocka_unit_test_setup(a_full_table_is_not_in_its_way, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

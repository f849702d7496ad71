/*
 * Powering off: who is asked, how long is waited, what a second request and a cancel change.
 * The machine and its clock are the test's; nothing else of the house needs to work.
 */
/* links: guests/actions/power.c guests/actions/job.c guests/events/actor.c */
/* links: guests/events/event.c tests/unit/fake_guests.c */
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
static char logged[2048];

/* What happens while it waits: at that time, counted from the request. */
static struct {
	uint64_t ends_ns[FAKE_GUESTS]; /* guests */
	uint64_t again_ns;	       /* the second request */
	uint64_t cancel_ns;
} plan;
static bool again_reboots;

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

void thread_block_until(uint64_t deadline_ns)
{
	char why[JOB_WHY_BYTES];

	assert_true(deadline_ns > now);
	now = deadline_ns;
	for (unsigned i = 0; i < fake_guests_count; i++)
		if (due(&plan.ends_ns[i]))
			fake_guests[i].state = GUEST_STOPPED;
	if (due(&plan.again_ns))
		power_request(again_reboots, &actor_console);
	if (due(&plan.cancel_ns))
		assert_int_equal(job_cancel(running_job(), &actor_console, ROLE_ADMIN, why), 0);
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
	for (unsigned i = 0; i < FAKE_GUESTS; i++)
		plan.ends_ns[i] = NEVER;
	plan.again_ns = plan.cancel_ns = NEVER;
	again_reboots = false;
	memset(&off, 0, sizeof off);
	begin = now;
	logged[0] = '\0';
	return 0;
}

static void request(const struct action *action)
{
	const struct actor actor = actor_make(ACTOR_API, "ci");
	struct action_call call = {.action = action, .actor = &actor};

	assert_int_equal(action->run(&call), 0);
	if (!setjmp(idle))
		power_thread(NULL);
	assert_int_equal(fake_guests_held(), 0);
	assert_int_equal(running_job(), 0);
}

static struct job_info newest(void)
{
	struct job_info info = {0};

	for (uint64_t number = job_next(0); number; number = job_next(number))
		job_get(number, &info, NULL);
	return info;
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
	(void)state;
	fake_guests_reset(0);
	request(&action_poweroff);
	assert_int_equal(off.count, 1);
	assert_false(off.reboot);
	assert_true(off.ns < NSEC_PER_SEC);
	assert_non_null(strstr(logged, "poweroff is asked for, by 'ci' over the API\n"));
	assert_non_null(strstr(logged, "\npowering off\n"));
	assert_null(strstr(logged, "waiting"));
	assert_non_null(strstr(logged, "cannot be switched off by software"));
	assert_int_equal(newest().state, JOB_FAILED);
}

static void nobody_who_listens_is_waited_for_at_once(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FAKE_GUESTS; i++)
		fake_guests[i].listens = false;
	request(&action_reboot);
	assert_int_equal(off.count, 1);
	assert_true(off.reboot);
	assert_true(off.ns < NSEC_PER_SEC);
	assert_non_null(strstr(logged, "beta does not listen to its power button\n"));
	assert_non_null(strstr(logged, "\nresetting\n"));
}

/* It is gone a moment after the last of them, and not before. */
static void it_waits_for_the_last_that_listens(void **state)
{
	static const enum guest_state states[] = {GUEST_STARTING, GUEST_RUNNING,
						  GUEST_STOPPING};

	for (unsigned i = 0; i < ARRAY_SIZE(states); i++) {
		fresh(state);
		plan.ends_ns[0] = NSEC_PER_SEC;
		plan.ends_ns[1] = 6 * NSEC_PER_SEC;
		fake_guests[1].state = states[i];
		fake_guests[2].state = GUEST_FAILED;
		request(&action_poweroff);
		assert_int_equal(off.count, 1);
		assert_in_range(off.ns, 6 * NSEC_PER_SEC, 7 * NSEC_PER_SEC);
		assert_string_equal(fake_guests[0].asked, "shutdown");
		assert_string_equal(fake_guests[0].by.name, "ci");
		assert_null(fake_guests[2].asked);
		assert_int_equal(newest().total, 2);
		assert_int_equal(newest().done, 1); /* the last was on its way */
	}
}

static void one_that_is_late_is_not_waited_for(void **state)
{
	(void)state;
	plan.ends_ns[0] = plan.ends_ns[1] = NSEC_PER_SEC;
	plan.ends_ns[2] = 11 * NSEC_PER_SEC;
	request(&action_poweroff);
	assert_int_equal(off.count, 1);
	assert_in_range(off.ns, 10 * NSEC_PER_SEC, 10 * NSEC_PER_SEC + NSEC_PER_SEC / 2);
}

/* The same again goes on, and the newer one says which. */
static void a_second_request_goes_on(void **state)
{
	(void)state;
	plan.again_ns = 2 * NSEC_PER_SEC;
	again_reboots = true;
	request(&action_poweroff);
	assert_int_equal(off.count, 1);
	assert_true(off.reboot);
	assert_in_range(off.ns, 2 * NSEC_PER_SEC, 3 * NSEC_PER_SEC);
	/* And then all is as at first: a single one waits. */
	fresh(NULL);
	request(&action_poweroff);
	assert_true(off.ns >= 10 * NSEC_PER_SEC);
}

static void it_can_be_called_off(void **state)
{
	(void)state;
	plan.cancel_ns = 3 * NSEC_PER_SEC;
	request(&action_poweroff);
	assert_int_equal(off.count, 0);
	assert_true(now - begin < 4 * NSEC_PER_SEC);
	assert_int_equal(newest().state, JOB_CANCELLED);
	assert_non_null(strstr(logged, "the machine stays on\n"));
	/* Whoever asks again means it. */
	fresh(NULL);
	plan.cancel_ns = plan.again_ns = 3 * NSEC_PER_SEC;
	request(&action_poweroff);
	assert_int_equal(off.count, 1);
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
	power_request(false, &actor_console);
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
		cmocka_unit_test_setup(nobody_who_listens_is_waited_for_at_once, fresh),
		cmocka_unit_test_setup(it_waits_for_the_last_that_listens, fresh),
		cmocka_unit_test_setup(one_that_is_late_is_not_waited_for, fresh),
		cmocka_unit_test_setup(a_second_request_goes_on, fresh),
		cmocka_unit_test_setup(it_can_be_called_off, fresh),
		cmocka_unit_test_setup(a_full_table_is_not_in_its_way, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The house that is powered off, for the tests of that: the machine, its clock and its guests
 * are the test's, and a plan says what happens while it is waited; jobs are the real ones.
 */
#ifndef TESTS_UNIT_POWER_HOUSE_H
#define TESTS_UNIT_POWER_HOUSE_H

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
		assert_true(power_call_off());
	if (due(&plan.cancel_ns))
		assert_int_equal(job_cancel(running_job(), &actor_console, ROLE_ADMIN, why), 0);
	if (due(&plan.late_cancel_ns)) {
		assert_int_equal(job_cancel(running_job(), &actor_console, ROLE_ADMIN, why),
				 -EOPNOTSUPP);
		assert_false(power_call_off());
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

static inline struct job_info newest(void)
{
	struct job_info info = {0};

	for (uint64_t number = job_next(0); number; number = job_next(number))
		job_get(number, &info, NULL);
	return info;
}

static inline void demand_log(const char *line)
{
	if (!strstr(logged, line))
		fail_msg("'%s' is not in:\n%s", line, logged);
}

static inline unsigned count_log(const char *line)
{
	unsigned count = 0;

	for (const char *at = logged; (at = strstr(at, line)); at++)
		count++;
	return count;
}

#endif

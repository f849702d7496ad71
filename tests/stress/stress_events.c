/*
 * Events and jobs between threads: many post while others follow from a number on and come and
 * go as watchers; many start jobs, follow and cancel them. Numbers have no gap, no event is
 * torn, what is lost is told, and every job that began ends once.
 */
/* links: guests/events/event.c guests/events/actor.c guests/actions/job.c */
/* links: guests/actions/args.c */
/* links: tests/stress/stress.c */
#include "tests/stress/stress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/actions/job.h"
#include "guests/config/schema.h"
#include "guests/events/event.h"
#include "kernel/cpu/clock.h"
#include "kernel/sched/thread.h"

#define POSTERS	  4
#define FOLLOWERS 3
#define EVENTS	  1000 /* of each poster */
#define CALLERS	  4
#define JOBS	  100 /* of each caller */

static uint64_t seed = 0x2545f4914f6cdd1dull;

uint64_t clock_wall_ns(void)
{
	return clock_now_ns();
}

/* ---- events
 * ---------------------------------------------------------------------------------- */

static _Atomic unsigned posted[POSTERS + 1], posters_left;

static void run_poster(void *arg)
{
	unsigned self = (unsigned)(uintptr_t)arg;
	char subject[EVENT_SUBJECT_BYTES];

	snprintf(subject, sizeof subject, "poster%u", self);
	for (unsigned i = 1; i <= EVENTS; i++) {
		event_post(EVENT_GUEST_STARTED, subject, "%u says %u", self, i);
		posted[self] = i;
	}
	posters_left--;
}

/* An event is whole, and comes behind those that the same thread posted before. */
static void look_at(const struct event *event, unsigned said[POSTERS + 1])
{
	unsigned self, number;
	char subject[EVENT_SUBJECT_BYTES];

	demand(event->kind == EVENT_GUEST_STARTED);
	demand(sscanf(event->text, "%u says %u", &self, &number) == 2);
	demand(self >= 1 && self <= POSTERS);
	snprintf(subject, sizeof subject, "poster%u", self);
	demand(!strcmp(event->subject, subject));
	demand(number > said[self]);
	said[self] = number;
}

static void wake_thread(void *arg)
{
	thread_wake(arg);
}

static _Atomic uint64_t read_in_all;

static void run_follower(void *arg)
{
	uint64_t state = seed + (uintptr_t)arg, next = 1, time_ns = 0, lost = 0, seen = 0;
	struct event_watch watch = {.wake = wake_thread, .arg = thread_current()};
	unsigned said[POSTERS + 1] = {0};

	while (next <= POSTERS * EVENTS) {
		struct event events[7];
		unsigned max = 1 + (unsigned)(stress_random(&state) % 7), count;

		event_watch(&watch);
		count = event_read(next, events, max);
		if (!count && posters_left)
			thread_block_until(clock_now_ns() + NSEC_PER_SEC);
		event_unwatch(&watch);
		for (unsigned i = 0; i < count; i++) {
			demand(events[i].number >= next);
			demand(events[i].time_ns >= time_ns);
			lost += events[i].number - next;
			seen++;
			next = events[i].number + 1;
			time_ns = events[i].time_ns;
			look_at(&events[i], said);
		}
	}
	demand(seen + lost == POSTERS * EVENTS);
	read_in_all += seen;
}

static void events_are_whole_and_in_order(void **state)
{
	struct thread *threads[POSTERS + FOLLOWERS];

	(void)state;
	posters_left = POSTERS;
	for (unsigned i = 0; i < FOLLOWERS; i++)
		threads[i] =
			stress_thread("follower", run_follower, (void *)(uintptr_t)(i + 1));
	for (unsigned i = 0; i < POSTERS; i++)
		threads[FOLLOWERS + i] =
			stress_thread("poster", run_poster, (void *)(uintptr_t)(i + 1));
	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
		thread_join(threads[i]);
	assert_int_equal(event_range().next, POSTERS * EVENTS + 1);
	assert_true(read_in_all >= FOLLOWERS * EVENT_RING);
}

/* ---- jobs
 * ------------------------------------------------------------------------------------ */

void action_result_start(struct action_result *result)
{
	result->error = 0;
	result->value_count = 0;
	result->job = 0;
	result->text[0] = '\0';
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
	(void)action;
	return args;
}

const char *role_name(enum role role)
{
	(void)role;
	return "admin";
}

static const struct config_table arguments = {.bytes = 16};
static _Atomic unsigned began, ended;

/* Some do work and end; the others wait until they are to stop. */
static int run_job(struct action_call *call)
{
	const char *about = call->args;

	began++;
	for (unsigned i = 0; i < 5; i++)
		job_progress(call->job, i, 5, "%s at %u", about, i);
	while (*about == 'w' && !job_cancelled(call->job))
		thread_block();
	action_say(call, "%s", about);
	ended++;
	return *about == 'w' ? -ECANCELED : 0;
}

static const struct action action = {
	.name = "job", .role = ROLE_VIEWER, .arguments = &arguments, .run = run_job};

static void follow(uint64_t number, const char *about)
{
	struct job_watch watch = {.wake = wake_thread, .arg = thread_current()};
	struct action_result *result = malloc(sizeof *result);
	struct job_info info;
	char why[JOB_WHY_BYTES];
	bool known;

	job_watch(&watch);
	while ((known = job_get(number, &info, result)) && info.state == JOB_RUNNING) {
		demand(!strcmp(info.subject, about));
		if (*about == 'w')
			job_cancel(number, &actor_console, ROLE_ADMIN, why);
		thread_block_until(clock_now_ns() + 10 * NSEC_PER_SEC);
	}
	job_unwatch(&watch);
	if (known) { /* not one that others have driven out since */
		demand(info.state == (*about == 'w' ? JOB_CANCELLED : JOB_DONE));
		demand(!strcmp(result->text, about));
		demand(info.ended_ns >= info.started_ns);
	}
	free(result);
}

static _Atomic unsigned started, busy;

static void run_caller(void *arg)
{
	uint64_t state = seed * ((uintptr_t)arg + 1);
	struct action_result *result = malloc(sizeof *result);

	for (unsigned i = 0; i < JOBS; i++) {
		struct action_args args = {0};
		struct action_call call = {.action = &action,
					   .args = args.bytes,
					   .actor = &actor_console,
					   .role = ROLE_ADMIN,
					   .result = result};
		int err;

		snprintf(args.bytes, 16, "%s%u-%u", stress_chance(&state, 3) ? "w" : "x",
			 (unsigned)(uintptr_t)arg, i);
		action_result_start(result);
		err = job_start(&call);
		demand(!err || err == -EBUSY);
		if (err) {
			busy++;
			continue;
		}
		started++;
		follow(result->job, args.bytes);
	}
	free(result);
}

static void every_job_ends_once(void **state)
{
	struct thread *threads[CALLERS];
	struct job_info info;

	(void)state;
	for (unsigned i = 0; i < CALLERS; i++)
		threads[i] = stress_thread("caller", run_caller, (void *)(uintptr_t)(i + 1));
	for (unsigned i = 0; i < CALLERS; i++)
		thread_join(threads[i]);
	assert_int_equal(busy, 0); /* each follows its own, and there are workers for all */
	assert_int_equal(started, CALLERS * JOBS);
	assert_int_equal(began, started);
	assert_int_equal(ended, started);
	for (uint64_t number = job_next(0); number; number = job_next(number)) {
		assert_true(job_get(number, &info, NULL));
		assert_int_not_equal(info.state, JOB_RUNNING);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_are_whole_and_in_order),
		cmocka_unit_test(every_job_ends_once),
	};

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0);
	return cmocka_run_group_tests(tests, stress_start, NULL);
}

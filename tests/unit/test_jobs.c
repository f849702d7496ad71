/* Jobs: progress, end, cancel, the bounded table and the bounded number that run, and each
 * thread that cannot be made. One that never returns is in nobody's way. */
/* links: guests/actions/job.c tests/unit/fake_threads.c guests/events/actor.c */
/* links: guests/actions/args.c */
/* links: guests/events/event.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guests/actions/job.h"
#include "guests/config/schema.h"
#include "guests/events/event.h"
#include "kernel/cpu/clock.h"
#include "kernel/log/log.h"
#include "kernel/sched/thread.h"
#include "tests/unit/fake_threads.h"

static uint64_t now;
static char logged[512];
static struct action_result result;
static struct job_info info;

uint64_t clock_now_ns(void)
{
	return ++now;
}

uint64_t clock_wall_ns(void)
{
	return now;
}

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	va_list args;

	(void)level, (void)area;
	va_start(args, fmt);
	vsnprintf(logged, sizeof logged, fmt, args);
	va_end(args);
}

/* As action.c's, but for what it refuses. */
void action_result_start(struct action_result *r)
{
	memset(r, 0, sizeof *r);
}

void action_say(struct action_call *call, const char *fmt, ...)
{
	size_t used = strlen(call->result->text);
	va_list args;

	va_start(args, fmt);
	vsnprintf(call->result->text + used, ACTION_TEXT_BYTES - used, fmt, args);
	va_end(args);
}

const char *action_subject(const struct action *action, const void *args)
{
	(void)action;
	return args;
}

const char *role_name(enum role role)
{
	return role == ROLE_ADMIN ? "admin" : "less";
}

/* ---- what is done
 * ---------------------------------------------------------------------------- */

static const struct config_table arguments = {.bytes = 16};

static int quick(struct action_call *call)
{
	action_say(call, "%s is done.\nAnd more.", (const char *)call->args);
	return 0;
}

static int failing(struct action_call *call)
{
	action_say(call, "It does not go.");
	return -EIO;
}

static int patient(struct action_call *call)
{
	job_progress(call->job, 1, 3, "waiting for %s", (const char *)call->args);
	while (!job_cancelled(call->job))
		thread_block();
	action_say(call, "Stopped half-way.");
	return -ECANCELED;
}

/* A disk that never answers. */
static int on_a_disk(struct action_call *call)
{
	while (!call->result->error)
		thread_block();
	return 0;
}

static const struct action action_quick = {
	.name = "quick", .role = ROLE_OPERATOR, .arguments = &arguments, .run = quick};
static const struct action action_view = {
	.name = "view", .role = ROLE_VIEWER, .arguments = &arguments, .run = quick};
static const struct action action_failing = {
	.name = "failing", .role = ROLE_ADMIN, .arguments = &arguments, .run = failing};
static const struct action action_patient = {
	.name = "patient", .role = ROLE_ADMIN, .arguments = &arguments, .run = patient};
/* Waits until it is woken, then commits, if it may. */
static int committing(struct action_call *call)
{
	thread_block();
	if (!job_commit(call->job, "it counts by now"))
		return -ECANCELED;
	thread_block();
	return 0;
}

static const struct action action_committing = {
	.name = "committing", .role = ROLE_ADMIN, .arguments = &arguments, .run = committing};
static const struct action action_stuck = {.name = "stuck",
					   .role = ROLE_OPERATOR,
					   .arguments = &arguments,
					   .no_cancel = "the disk has it",
					   .run = on_a_disk};

/* Starts one: its number, or 0 with the reason in `result`. */
static uint64_t start(const struct action *action, const char *about)
{
	const struct actor actor = actor_make(ACTOR_API, "ci");
	struct action_args args = {0};
	struct action_call call = {.action = action,
				   .args = args.bytes,
				   .actor = &actor,
				   .role = ROLE_ADMIN,
				   .result = &result};

	snprintf(args.bytes, 16, "%s", about);
	action_result_start(&result);
	result.error = job_start(&call);
	memset(args.bytes, '?', sizeof args.bytes); /* they were copied */
	return result.job;
}

static uint64_t finish(const struct action *action, const char *about)
{
	uint64_t number = start(action, about);

	assert_true(number);
	fake_threads_run();
	assert_true(job_get(number, &info, &result));
	return number;
}

static unsigned remembered(void)
{
	unsigned count = 0;

	for (uint64_t number = job_next(0); number; number = job_next(number))
		count++;
	return count;
}

/* ---- tests
 * ----------------------------------------------------------------------------------- */

/* The first, as then there is no worker yet: without memory for one, nothing is left of it. */
static void without_a_thread_there_is_no_job(void **state)
{
	char why[JOB_WHY_BYTES];
	uint64_t number;

	(void)state;
	fake_threads_refused = true;
	for (unsigned i = 0; i < 2 * JOBS_WORKERS_MAX; i++) {
		assert_int_equal(start(&action_quick, "web"), 0);
		assert_int_equal(result.error, -ENOMEM);
		assert_non_null(strstr(result.text, "no memory"));
	}
	assert_int_equal(remembered(), 0);
	assert_int_equal(event_range().next, 1);
	fake_threads_refused = false;
	finish(&action_quick, "web");
	assert_int_equal(info.state, JOB_DONE);
	/* That worker is there to stay; another, if it is needed, is not to be had. */
	fake_threads_refused = true;
	finish(&action_quick, "web");
	number = start(&action_patient, "web");
	fake_threads_run();
	assert_int_equal(start(&action_quick, "web"), 0);
	assert_int_equal(result.error, -ENOMEM);
	fake_threads_refused = false;
	finish(&action_quick, "web");
	assert_int_equal(job_cancel(number, &actor_console, ROLE_ADMIN, why), 0);
	fake_threads_run();
}

static unsigned waiting; /* jobs that began to wait */
static uint64_t second;

static int counted(struct action_call *call)
{
	waiting++;
	return patient(call);
}

static const struct action action_counted = {
	.name = "counted", .role = ROLE_ADMIN, .arguments = &arguments, .run = counted};

/* While the thread for the first is being made; `result` is then the first's again. */
static void end_first_start_second(void)
{
	uint64_t first = result.job;

	fake_threads_run();
	second = start(&action_counted, "second");
	result.job = first;
}

static void stop(uint64_t number)
{
	char why[JOB_WHY_BYTES];

	assert_int_equal(job_cancel(number, &actor_console, ROLE_ADMIN, why), 0);
	fake_threads_run();
	assert_true(job_get(number, &info, NULL));
	assert_int_equal(info.state, JOB_CANCELLED);
}

/* A new worker's thread may have ended its job before it is known who it is: nothing else is
 * given to that worker meanwhile, or two threads would have it. */
static void a_worker_in_the_making_is_nobody_else_s(void **state)
{
	uint64_t busy[JOBS_WORKERS_MAX], first;
	unsigned there = fake_threads_alive();

	(void)state;
	waiting = 0;
	for (unsigned i = 0; i < there; i++)
		busy[i] = start(&action_counted, "busy");
	fake_threads_run();
	fake_threads_on_create = end_first_start_second;
	first = start(&action_quick, "first");
	assert_true(job_get(first, &info, NULL));
	assert_int_equal(info.state, JOB_DONE);
	fake_threads_run();
	assert_int_equal(waiting, there + 1);
	assert_int_equal(fake_threads_alive(), there + 2);
	stop(second);
	for (unsigned i = 0; i < there; i++)
		stop(busy[i]);
}

/* Each is woken when it is to stop, also the one whose worker was made for it. */
static void a_job_of_a_new_worker_is_told_to_stop(void **state)
{
	uint64_t numbers[JOBS_WORKERS_MAX];
	unsigned there = fake_threads_alive();

	(void)state;
	for (unsigned i = 0; i <= there; i++)
		numbers[i] = start(&action_counted, "on");
	fake_threads_run();
	assert_int_equal(fake_threads_alive(), there + 1);
	for (unsigned i = 0; i <= there; i++)
		stop(numbers[i]);
}

static void a_job_ends_with_its_result(void **state)
{
	struct event events[2];
	uint64_t number = finish(&action_quick, "vg0/web");

	(void)state;
	assert_int_equal(info.number, number);
	assert_string_equal(info.action, "quick");
	assert_string_equal(info.subject, "vg0/web");
	assert_string_equal(info.actor.name, "ci");
	assert_int_equal(info.state, JOB_DONE);
	assert_true(info.ended_ns > info.started_ns);
	assert_string_equal(result.text, "vg0/web is done.\nAnd more.");
	assert_int_equal(event_read(event_range().next - 2, events, 2), 2);
	assert_int_equal(events[0].kind, EVENT_JOB_STARTED);
	assert_string_equal(events[0].text, "quick vg0/web by 'ci' over the API");
	assert_int_equal(events[1].kind, EVENT_JOB_ENDED);
	assert_string_equal(events[1].text,
			    "done quick vg0/web by 'ci' over the API: vg0/web is done.");
	assert_string_equal(logged,
			    "quick vg0/web by 'ci' over the API, done: vg0/web is done.");

	finish(&action_failing, "x");
	assert_int_equal(info.state, JOB_FAILED);
	assert_int_equal(result.error, -EIO);
}

/* Who only looks, and does so often, would drive all else out of the stream. */
static void looking_is_no_news(void **state)
{
	uint64_t next = event_range().next;

	(void)state;
	logged[0] = '\0';
	finish(&action_view, "x");
	assert_int_equal(event_range().next, next);
	assert_string_equal(logged, "");
}

static void count(void *arg)
{
	++*(unsigned *)arg;
}

static void progress_is_seen_and_cancel_ends_it(void **state)
{
	unsigned changes = 0;
	struct job_watch watch = {.wake = count, .arg = &changes};
	char why[JOB_WHY_BYTES];
	uint64_t number;

	(void)state;
	job_watch(&watch);
	number = start(&action_patient, "web");
	fake_threads_run();
	strcpy(result.text, "untouched");
	assert_true(job_get(number, &info, &result));
	assert_string_equal(result.text, "untouched");
	assert_int_equal(info.state, JOB_RUNNING);
	assert_int_equal(info.ended_ns, 0);
	assert_int_equal(info.done, 1);
	assert_int_equal(info.total, 3);
	assert_string_equal(info.note, "waiting for web");
	assert_int_equal(changes, 1);

	assert_int_equal(job_cancel(number, &actor_console, ROLE_OPERATOR, why), -EPERM);
	assert_non_null(strstr(why, "takes the role admin"));
	fake_threads_run();
	assert_true(job_get(number, &info, NULL));
	assert_false(info.cancel_asked);

	assert_int_equal(job_cancel(number, &actor_console, ROLE_ADMIN, why), 0);
	assert_true(job_get(number, &info, NULL));
	assert_true(info.cancel_asked);
	fake_threads_run();
	assert_true(job_get(number, &info, &result));
	assert_int_equal(info.state, JOB_CANCELLED);
	assert_string_equal(result.text, "Stopped half-way.");
	assert_int_equal(changes, 3);
	assert_int_equal(job_cancel(number, &actor_console, ROLE_ADMIN, why), -EALREADY);
	assert_non_null(strstr(why, "cancelled"));
	assert_int_equal(job_cancel(number + 1, &actor_console, ROLE_ADMIN, why), -ENOENT);
	assert_int_equal(job_cancel(0, &actor_console, ROLE_ADMIN, why), -ENOENT);
	job_unwatch(&watch);
	finish(&action_quick, "x");
	assert_int_equal(changes, 3);
}

/* It is asked before its thread has looked at it even once. */
static void cancel_before_it_begins_counts(void **state)
{
	uint64_t number = start(&action_patient, "web");
	char why[JOB_WHY_BYTES];

	(void)state;
	assert_int_equal(job_cancel(number, &actor_console, ROLE_ADMIN, why), 0);
	fake_threads_run();
	assert_true(job_get(number, &info, NULL));
	assert_int_equal(info.state, JOB_CANCELLED);
}

static void the_oldest_that_ended_makes_room(void **state)
{
	uint64_t stays = start(&action_patient, "stays"), first, number = 0;
	char why[JOB_WHY_BYTES];

	(void)state;
	fake_threads_run();
	first = finish(&action_quick, "first");
	for (unsigned i = 0; i < JOBS_MAX - 2; i++)
		number = finish(&action_quick, "x");
	assert_int_equal(remembered(), JOBS_MAX);
	assert_true(job_get(first, &info, NULL));
	finish(&action_quick, "one more");
	assert_int_equal(remembered(), JOBS_MAX);
	assert_false(job_get(first, &info, NULL));
	assert_true(job_get(stays, &info, NULL)); /* it is older, but it runs */
	assert_true(job_get(number, &info, NULL));
	assert_int_equal(job_next(number + 1), 0);
	assert_int_equal(job_cancel(stays, &actor_console, ROLE_ADMIN, why), 0);
	fake_threads_run();
}

/* Up to its commit a job can be stopped; then not, and it says why. */
static void a_job_stops_before_its_commit_or_not_at_all(void **state)
{
	char why[JOB_WHY_BYTES];
	uint64_t number = start(&action_committing, "x");

	(void)state;
	fake_threads_run();
	assert_int_equal(job_cancel(number, &actor_console, ROLE_ADMIN, why), 0);
	fake_threads_run();
	assert_true(job_get(number, &info, &result));
	assert_int_equal(info.state, JOB_CANCELLED);
	number = start(&action_committing, "x");
	fake_threads_run();
	fake_threads_disturb();
	assert_int_equal(job_cancel(number, &actor_console, ROLE_ADMIN, why), -EOPNOTSUPP);
	assert_string_equal(why, "committing cannot be stopped: it counts by now.");
	assert_true(job_get(number, &info, NULL));
	assert_false(info.cancel_asked);
	fake_threads_disturb();
	assert_true(job_get(number, &info, &result));
	assert_int_equal(info.state, JOB_DONE);
	assert_true(job_commit(NULL, "no job"));
}

/* Disks that never answer: their jobs stay, all else goes on as long as there is a worker, and
 * whoever has a thread of his own even then. */
static void what_is_stuck_holds_up_nothing(void **state)
{
	const struct action_args args = {.bytes = "machine"};
	const struct action_call call = {.action = &action_quick,
					 .args = args.bytes,
					 .actor = &actor_console,
					 .role = ROLE_ADMIN};
	char why[JOB_WHY_BYTES];
	uint64_t last = 0;
	struct job *own;

	(void)state;
	for (unsigned i = 0; i < JOBS_WORKERS_MAX - 1; i++) {
		assert_true(start(&action_stuck, "vg0/web"));
		fake_threads_run();
		finish(&action_quick, "x");
		assert_int_equal(info.state, JOB_DONE);
	}
	last = start(&action_patient, "last");
	assert_true(last);
	fake_threads_run();
	assert_int_equal(start(&action_quick, "x"), 0);
	assert_int_equal(result.error, -EBUSY);
	assert_non_null(strstr(result.text, "8 jobs run"));
	assert_non_null(strstr(result.text, "(stuck vg0/web), "));
	assert_non_null(strstr(result.text, "(patient last). Wait"));

	own = job_open(&call, NULL);
	assert_non_null(own);
	job_progress(own, 0, 2, "waiting");
	assert_false(job_cancelled(own));
	action_result_start(&result);
	job_close(own, &result);

	assert_int_equal(job_cancel(job_next(last - 3), &actor_console, ROLE_ADMIN, why),
			 -EOPNOTSUPP);
	assert_non_null(strstr(why, "the disk has it"));
	assert_int_equal(job_cancel(last, &actor_console, ROLE_ADMIN, why), 0);
	fake_threads_run();
	finish(&action_quick, "x");
	assert_int_equal(info.state, JOB_DONE);
}

static void no_job_is_no_job(void **state)
{
	(void)state;
	job_progress(NULL, 1, 2, "x");
	assert_false(job_cancelled(NULL));
	job_close(NULL, &result);
	assert_string_equal(job_state_name(99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_thread_there_is_no_job),
		cmocka_unit_test(a_worker_in_the_making_is_nobody_else_s),
		cmocka_unit_test(a_job_of_a_new_worker_is_told_to_stop),
		cmocka_unit_test(a_job_ends_with_its_result),
		cmocka_unit_test(looking_is_no_news),
		cmocka_unit_test(progress_is_seen_and_cancel_ends_it),
		cmocka_unit_test(cancel_before_it_begins_counts),
		cmocka_unit_test(the_oldest_that_ended_makes_room),
		cmocka_unit_test(a_job_stops_before_its_commit_or_not_at_all),
		cmocka_unit_test(what_is_stuck_holds_up_nothing),
		cmocka_unit_test(no_job_is_no_job),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

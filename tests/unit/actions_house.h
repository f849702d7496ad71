/*
 * The list of actions for its tests: guests and volumes are played, and jobs, which are
 * test_jobs', run at once.
 */
#ifndef TESTS_UNIT_ACTIONS_HOUSE_H
#define TESTS_UNIT_ACTIONS_HOUSE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guests/actions/actions.h"
#include "guests/actions/guests.h"
#include "guests/actions/job.h"
#include "guests/actions/list.h"
#include "guests/actions/power.h"
#include "guests/catalogue/catalogue.h"
#include "guests/config/schema.h"
#include "guests/events/event.h"
#include "kernel/cpu/clock.h"
#include "kernel/io/volume.h"
#include "kernel/sched/thread.h"
#include "tests/unit/fail_malloc.h"
#include "tests/unit/fake_guests.h"

static struct action_result result;
static struct config_report report;
static struct action_args args;

uint64_t clock_now_ns(void)
{
	return 0;
}

uint64_t clock_wall_ns(void)
{
	return 0;
}

void thread_block_until(uint64_t deadline_ns)
{
	(void)deadline_ns;
}

/* ---- the catalogue ----------------------------------------------------------------------
 */

static int named; /* uses of lvm:vg0/web by guests that do not run, or an error */

int catalogue_named(const char *source, char text[CATALOGUE_NAMED_BYTES])
{
	bool is = !strcmp(source, "lvm:vg0/web") && named > 0;

	strcpy(text, is ? "disks[0] of guest 'web' (bulkhead.yaml:7:16)" : "");
	return is || named < 0 ? named : 0;
}

/* ---- jobs and power, which are tested elsewhere -------------------------------- */

static uint64_t cancelled;
static unsigned jobs;

int job_start(struct action_call *call)
{
	jobs++;
	return call->action->run(call);
}

static bool stop_asked;
static const char *committed; /* why nothing stops it any more */
static char job_note[JOB_NOTE_BYTES];

bool job_cancelled(struct job *job)
{
	(void)job;
	return stop_asked;
}

bool job_commit(struct job *job, const char *no_cancel)
{
	(void)job;
	committed = no_cancel;
	return !stop_asked;
}

void job_progress(struct job *job, uint64_t done, uint64_t total, const char *fmt, ...)
{
	va_list words;

	(void)job, (void)done, (void)total;
	va_start(words, fmt);
	vsnprintf(job_note, sizeof job_note, fmt, words);
	va_end(words);
}

int job_cancel(uint64_t number, const struct actor *actor, enum role role,
	       char why[JOB_WHY_BYTES])
{
	(void)actor;
	assert_int_equal(role, ROLE_ADMIN);
	cancelled = number;
	snprintf(why, JOB_WHY_BYTES, "There is no such job.");
	return number == 7 ? 0 : -ENOENT;
}

static int power(struct action_call *call)
{
	action_say(call, "off");
	return 0;
}

const struct action action_poweroff = {.name = "poweroff",
				       .role = ROLE_ADMIN,
				       .arguments = &action_no_arguments,
				       .run = power};
const struct action action_reboot = {
	.name = "reboot", .role = ROLE_ADMIN, .arguments = &action_no_arguments, .run = power};
const struct action action_wait = {
	.name = "wait", .role = ROLE_OPERATOR, .arguments = &action_no_arguments, .run = power};

/* What documents do is test_documents', and what images do test_image_action's. */
#define DOCUMENT_ACTION(word)                                                   \
	const struct action action_##word = {.name = #word,                     \
					     .role = ROLE_ADMIN,                \
					     .arguments = &action_no_arguments, \
					     .run = power}
DOCUMENT_ACTION(explain);
DOCUMENT_ACTION(plan);
DOCUMENT_ACTION(apply);
DOCUMENT_ACTION(create);
DOCUMENT_ACTION(delete);
DOCUMENT_ACTION(image);

/* ---- volumes ------------------------------------------------------------------- */

static struct {
	char call[16], path[VOLUME_NAME_BYTES];
	uint64_t bytes;
	unsigned stripes;
	bool shrink;
	int error;
	unsigned groups, strays;
	bool missing;
} volumes;

static int note(const char *call, const char *path, uint64_t *bytes,
		const struct volume_watch *watch, char *why)
{
	int stop = watch->step(watch->arg, 1, 2, "halfway");

	snprintf(volumes.call, sizeof volumes.call, "%s", call);
	snprintf(volumes.path, sizeof volumes.path, "%s", path);
	volumes.bytes = bytes ? *bytes : 0;
	if (!stop)
		stop = watch->commit(watch->arg);
	snprintf(why, STORAGE_WHY_BYTES, stop ? "is as it was" : "is in use by 'web'");
	if (stop)
		return stop;
	if (bytes)
		*bytes = ALIGN_UP(*bytes, 4 * MIB);
	return volumes.error;
}

static int create(const char *path, uint64_t *bytes, unsigned stripes,
		  const struct volume_watch *watch, char why[STORAGE_WHY_BYTES])
{
	volumes.stripes = stripes;
	return note("create", path, bytes, watch, why);
}

static int resize(const char *path, uint64_t *bytes, bool may_shrink,
		  const struct volume_watch *watch, char why[STORAGE_WHY_BYTES])
{
	volumes.shrink = may_shrink;
	return note("resize", path, bytes, watch, why);
}

static int remove_it(const char *path, const struct volume_watch *watch,
		     char why[STORAGE_WHY_BYTES])
{
	return note("remove", path, NULL, watch, why);
}

static void groups(void (*visit)(void *arg, const struct volume_group *group), void *arg)
{
	const struct volume_group group = {.name = "vg0",
					   .bytes = 8 * GIB,
					   .free_bytes = GIB,
					   .disks = 1,
					   .volumes = 2,
					   .why = "is damaged"};

	for (unsigned i = 0; i < volumes.groups; i++)
		visit(arg, &group);
}

static void strays(void (*visit)(void *arg, const struct volume_stray *stray), void *arg)
{
	const struct volume_stray stray = {
		.disk = "nvme5", .bytes = GIB, .why = "has no metadata"};

	for (unsigned i = 0; i < volumes.strays; i++)
		visit(arg, &stray);
}

const struct volume_provider *volume_provider(void)
{
	static const struct volume_provider provider = {create, resize, remove_it, groups,
							strays};

	return volumes.missing ? NULL : &provider;
}

/* ---- asking -------------------------------------------------------------------- */

/* As typed, by somebody who has `role`; the sentence. */
static const char *ask_as(enum role role, const char *typed)
{
	const struct actor actor = actor_make(ACTOR_API, "ci");
	const struct action *action;
	char line[128], *rest;
	int err;

	snprintf(line, sizeof line, "%s ", typed);
	rest = strchr(line, ' ');
	*rest++ = '\0';
	action = action_find(line);
	assert_non_null(action);
	action = action_for_words(action, rest);
	assert_int_equal(action_bind_words(action, rest, &args, &report), 0);
	err = action_run(action, &args, &actor, role, &result);
	assert_int_equal(err, result.error);
	assert_int_equal(fake_guests_held(), 0);
	return result.text;
}

static const char *ask(const char *typed)
{
	return ask_as(ROLE_ADMIN, typed);
}

static int fresh(void **state)
{
	(void)state;
	fake_guests_reset(2);
	memset(&volumes, 0, sizeof volumes);
	return 0;
}

#endif

/*
 * The list of actions: every schema binds from a document and from typed words, to the same
 * arguments; mistakes are worded as in the configuration; roles; and what is asked of guests
 * and volumes. Jobs are test_jobs', and run at once here.
 */
/* links: guests/actions/action.c guests/actions/actions.c guests/actions/bind.c */
/* links: guests/actions/cancel.c */
/* links: guests/actions/guests.c guests/actions/volumes.c guests/actions/balloon.c */
/* links: guests/config/address.c guests/config/bind.c guests/config/cpus.c */
/* links: guests/config/hint.c */
/* links: guests/config/report.c guests/config/schema.c guests/config/schema_devices.c */
/* links: guests/config/tree.c guests/config/value.c guests/config/config.c */
/* links: guests/config/derive.c kernel/lib/size.c */
/* links: guests/events/event.c guests/events/actor.c tests/unit/fake_guests.c */
/* links: tests/unit/fail_malloc.c */
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

/* ---- jobs and power, which are tested elsewhere
 * ------------------------------------------------ */

static uint64_t cancelled;
static unsigned jobs;

int job_start(struct action_call *call)
{
	jobs++;
	return call->action->run(call);
}

bool job_cancelled(struct job *job)
{
	(void)job;
	return false;
}

void job_progress(struct job *job, uint64_t done, uint64_t total, const char *fmt, ...)
{
	(void)job, (void)done, (void)total, (void)fmt;
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

/* What documents do is test_documents'. */
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

/* ---- volumes
 * --------------------------------------------------------------------------------- */

static struct {
	char call[16], path[VOLUME_NAME_BYTES];
	uint64_t bytes;
	unsigned stripes;
	bool shrink;
	int error;
	unsigned groups, strays;
	bool missing;
} volumes;

static int note(const char *call, const char *path, uint64_t *bytes, char *why)
{
	snprintf(volumes.call, sizeof volumes.call, "%s", call);
	snprintf(volumes.path, sizeof volumes.path, "%s", path);
	volumes.bytes = bytes ? *bytes : 0;
	snprintf(why, STORAGE_WHY_BYTES, "is in use by 'web'");
	if (bytes)
		*bytes = ALIGN_UP(*bytes, 4 * MIB);
	return volumes.error;
}

static int create(const char *path, uint64_t *bytes, unsigned stripes,
		  char why[STORAGE_WHY_BYTES])
{
	volumes.stripes = stripes;
	return note("create", path, bytes, why);
}

static int resize(const char *path, uint64_t *bytes, bool may_shrink,
		  char why[STORAGE_WHY_BYTES])
{
	volumes.shrink = may_shrink;
	return note("resize", path, bytes, why);
}

static int remove_it(const char *path, char why[STORAGE_WHY_BYTES])
{
	return note("remove", path, NULL, why);
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

/* ---- asking
 * ---------------------------------------------------------------------------------- */

static int bind_words(const char *name, const char *words)
{
	char line[128];

	snprintf(line, sizeof line, "%s", words);
	return action_bind_words(action_find(name), line, &args, &report);
}

static int bind_document(const char *name, const char *document)
{
	return action_bind(action_find(name), document, strlen(document), &args, &report);
}

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

/* ---- tests
 * ----------------------------------------------------------------------------------- */

/* Every action of the list, with all its arguments: as words, as YAML, as JSON. */
static void every_schema_binds_both_ways(void **state)
{
	static const struct {
		const char *name, *words, *yaml, *json;
	} all[] = {
		{"start", "web", "guest: web", "{\"guest\": \"web\"}"},
		{"shutdown", "web", "guest: web", "{\"guest\": \"web\"}"},
		{"stop", "web", "guest: web", "{\"guest\": \"web\"}"},
		{"reset", "web", "guest: web", "{\"guest\": \"web\"}"},
		{"balloon", "web 256 MiB anyway", "{guest: web, size: 256 MiB, anyway: true}",
		 "{\"anyway\": true, \"size\": \"256 MiB\", \"guest\": \"web\"}"},
		{"balloon-state", "web", "guest: web", "{\"guest\": \"web\"}"},
		{"groups", "", "{}", "{}"},
		{"lvcreate", "vg0/web 10 GiB 2", "volume: vg0/web\nsize: 10 GiB\nstripes: 2",
		 "{\"volume\": \"vg0/web\", \"size\": \"10 GiB\", \"stripes\": 2}"},
		{"lvresize", "vg0/web 10GiB shrink",
		 "volume: vg0/web\nsize: 10 GiB\nshrink: true",
		 "{\"volume\": \"vg0/web\", \"size\": \"10GiB\", \"shrink\": true}"},
		{"lvremove", "vg0/web destroy", "volume: vg0/web\ndestroy: true",
		 "{\"volume\": \"vg0/web\", \"destroy\": true}"},
		{"poweroff", "", "{}", "{}"},
		{"reboot", "", "{}", "{}"},
		{"explain", "", "{}", "{}"},
		{"plan", "", "{}", "{}"},
		{"apply", "", "{}", "{}"},
		{"create", "", "{}", "{}"},
		{"delete", "", "{}", "{}"},
		{"cancel", "7", "job: 7", "{\"job\": 7}"},
	};
	static struct action_args typed;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		assert_string_equal(action_at(i)->name, all[i].name);
		assert_true(action_at(i)->arguments->bytes <= sizeof args.bytes);
		assert_int_equal(bind_words(all[i].name, all[i].words), 0);
		typed = args;
		assert_int_equal(bind_document(all[i].name, all[i].yaml), 0);
		assert_memory_equal(&args, &typed, sizeof args);
		assert_int_equal(bind_document(all[i].name, all[i].json), 0);
		assert_memory_equal(&args, &typed, sizeof args);
	}
	assert_null(action_at(ARRAY_SIZE(all)));
	assert_null(action_find("dance"));
	assert_int_equal(action_bind(action_find("groups"), NULL, 0, &args, &report), 0);
}

static void synopses_are_made_of_the_tables(void **state)
{
	static const char *const all[][2] = {{"start", "GUEST"},
					     {"balloon", "GUEST SIZE [anyway]"},
					     {"lvcreate", "VOLUME SIZE [STRIPES]"},
					     {"lvresize", "VOLUME SIZE [shrink]"},
					     {"lvremove", "VOLUME [destroy]"},
					     {"cancel", "JOB"},
					     {"reboot", ""}};
	char text[ACTION_SYNOPSIS_BYTES];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
		assert_string_equal(action_synopsis(action_find(all[i][0]), text), all[i][1]);
}

static void assert_wrong(const char *part)
{
	for (uint32_t i = 0; i < report.count; i++)
		if (strstr(report.errors[i].text, part))
			return;
	fail_msg("nothing says \"%s\" but \"%s\"", part,
		 report.count ? report.errors[0].text : "");
}

/* The same sentences as for a configuration, with the place where it has one. */
static void mistakes_are_worded_as_in_the_configuration(void **state)
{
	static const char *const documents[][3] = {
		{"lvcreate", "volume: vg0/web\nsise: 10 GiB",
		 "unknown key 'sise'; did you mean 'size'?"},
		{"lvcreate", "volume: vg0/web\nsize: 10", "size is '10', without a unit"},
		{"lvcreate", "size: 1 GiB", "volume is missing; add 'volume: vg0/web'"},
		{"lvcreate", "volume: a\nsize: 1 GiB\nstripes: 129",
		 "stripes is '129'; write a number from 1 to 128"},
		{"lvcreate", "volume: a\nsize: 1 GiB\nstripes: 0",
		 "stripes is '0'; write a number from 1 to 128"},
		{"lvremove", "volume: a\ndestroy: yes",
		 "destroy is 'yes'; write true or false"},
		{"lvremove", "volume: a\nvolume: b", "volume is given twice, first on line 1"},
		{"start", "guest: Web", "guest is 'Web'; write a name of a-z"},
		{"start", "- web", "the arguments of start are not a mapping"},
		{"start", "guest: [", "not YAML"},
		{"groups", "count: 3", "unknown key 'count'; nothing belongs here"},
		{"start", "guest: web\ncount: 3", "unknown key 'count'; known here: guest"},
		{"cancel", "job: 0", "job is '0'; write a number from 1 to 4294967295"},
	};
	static const char *const words[][3] = {
		{"lvcreate", "vg0/web 10", "size is '10', without a unit"},
		{"lvcreate", "vg0/web 10 GiB 129", "stripes is '129'"},
		{"lvcreate", "vg0/web 10 GiB 2 3", "unknown key '3'"},
		{"lvremove", "vg0/old destory",
		 "unknown key 'destory'; did you mean 'destroy'?"},
		{"lvremove", "vg0/old destroy destroy", "destroy is given twice"},
		{"balloon", "web anyway", "size is 'anyway'"},
		{"balloon", "web 256 MiB now anyway", "unknown key 'now'"},
		{"balloon", "web MiB anyway", "size is 'MiB'"},
		{"start", "web now", "unknown key 'now'"},
		{"groups", "all", "unknown key 'all'"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(documents); i++) {
		assert_int_equal(bind_document(documents[i][0], documents[i][1]), -EINVAL);
		assert_wrong(documents[i][2]);
		assert_string_equal(report.file, documents[i][0]);
		assert_true(report.errors[0].mark.line > 0);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		assert_int_equal(bind_words(words[i][0], words[i][1]), -EINVAL);
		assert_wrong(words[i][2]);
	}
	/* Where words are missing there is nothing to point at. */
	assert_int_equal(bind_words("lvcreate", "vg0/web"), -EINVAL);
	assert_int_equal(report.count, 0);
	assert_int_equal(bind_words("start", "  "), -EINVAL);
	assert_int_equal(report.count, 0);
}

/* A word that sets something is one only where the required ones are done. */
static void a_guest_may_be_called_as_a_word_is(void **state)
{
	(void)state;
	assert_int_equal(bind_words("balloon", "anyway 256 MiB"), 0);
	assert_string_equal(action_subject(&action_balloon, args.bytes), "anyway");
	assert_int_equal(bind_words("lvremove", "destroy"), 0);
	assert_non_null(strstr(ask("lvremove destroy"), "would be lost"));
}

static void more_than_a_line_holds_is_refused(void **state)
{
	char line[4096];

	(void)state;
	for (unsigned bytes = 1; bytes < sizeof line; bytes = bytes * 2 + 1) {
		memset(line, 'x', bytes);
		line[bytes] = '\0';
		/* 32 with the end of it are a name's limit. */
		assert_int_equal(action_bind_words(&action_start, line, &args, &report),
				 bytes < 32 ? 0 : -EINVAL);
	}
	memset(line, 0, sizeof line);
	for (unsigned i = 0; i < 500; i++)
		strcat(line, "a ");
	assert_int_equal(action_bind_words(&action_start, line, &args, &report), -EINVAL);
	assert_true(report.count > 0);
}

/* Each allocation on the way from a document to arguments. */
static void without_memory_nothing_is_bound(void **state)
{
	unsigned long calls, i;
	int err = -ENOMEM;

	(void)state;
	for (i = 1; err == -ENOMEM; i++) {
		fail_malloc_at(i);
		err = bind_document("lvcreate", "{volume: vg0/web, size: 10 GiB}");
		calls = fail_malloc_calls();
		fail_malloc_at(0);
		assert_true(err == -ENOMEM || (!err && calls < i));
	}
	assert_true(i > 5);
	/* And for a job of a guest's memory. */
	assert_int_equal(bind_words("balloon-state", "alpha"), 0);
	fail_malloc_at(1);
	action_run(&action_balloon_state, &args, &actor_console, ROLE_ADMIN, &result);
	fail_malloc_at(0);
	assert_int_equal(result.error, -ENOMEM);
	assert_int_equal(fake_guests_held(), 0);
}

/* With the last role that is not enough, and the first that is. */
static void a_role_that_is_not_enough_is_refused(void **state)
{
	static const struct {
		const char *typed;
		enum role needs;
	} all[] = {{"groups", ROLE_VIEWER},
		   {"balloon alpha", ROLE_VIEWER},
		   {"start alpha", ROLE_OPERATOR},
		   {"shutdown alpha", ROLE_OPERATOR},
		   {"stop alpha", ROLE_OPERATOR},
		   {"reset alpha", ROLE_OPERATOR},
		   {"balloon alpha 512 MiB", ROLE_OPERATOR},
		   {"lvcreate vg0/x 1 GiB", ROLE_ADMIN},
		   {"lvresize vg0/x 1 GiB", ROLE_ADMIN},
		   {"lvremove vg0/x destroy", ROLE_ADMIN},
		   {"poweroff", ROLE_ADMIN},
		   {"reboot", ROLE_ADMIN}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		fresh(NULL);
		jobs = 0;
		ask_as(all[i].needs - 1, all[i].typed);
		assert_int_equal(result.error, -EPERM);
		assert_non_null(strstr(result.text, role_name(all[i].needs)));
		assert_null(fake_guests[0].asked);
		assert_int_equal(fake_guests[0].memory_asked, 0);
		assert_string_equal(volumes.call, "");
		assert_int_equal(jobs, 0);
		ask_as(all[i].needs, all[i].typed);
		assert_int_equal(result.error, 0);
	}
}

static void guests_are_asked_by_whoever_asks(void **state)
{
	static const char *const all[] = {"start", "shutdown", "stop", "reset"};
	static const struct {
		int err;
		const char *text;
	} refusals[] = {
		{-EALREADY, "beta: nothing to do, it is so already."},
		{-EOPNOTSUPP, "beta: nobody there listens to the power button; `stop beta` "
			      "switches it off."},
		{-ENOENT, "beta: it was removed meanwhile."},
		{-EINVAL, "beta: that does not go now; `show beta` says how it is."},
	};
	char line[64];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		snprintf(line, sizeof line, "%s beta", all[i]);
		fake_guests[1].refusal = 0;
		assert_string_equal(ask(line), "");
		assert_int_equal(result.error, 0);
		assert_string_equal(fake_guests[1].asked, all[i]);
		assert_string_equal(fake_guests[1].by.name, "ci");
		for (unsigned j = 0; j < ARRAY_SIZE(refusals); j++) {
			fake_guests[1].refusal = refusals[j].err;
			assert_string_equal(ask(line), refusals[j].text);
			assert_int_equal(result.error, refusals[j].err);
		}
	}
	assert_string_equal(ask("start nobody"),
			    "There is no guest \"nobody\". The guests are: alpha beta.");
	fake_guests_reset(0);
	assert_string_equal(ask("stop beta"),
			    "There is no guest \"beta\". The guests are: none.");
	assert_int_equal(result.error, -ENOENT);
}

static void volumes_are_changed(void **state)
{
	struct event event;

	(void)state;
	assert_string_equal(ask("lvcreate vg0/web 9 MiB 2"), "vg0/web is new, with 12 MiB.");
	assert_string_equal(volumes.call, "create");
	assert_string_equal(volumes.path, "vg0/web");
	assert_int_equal(volumes.bytes, 9 * MIB);
	assert_int_equal(volumes.stripes, 2);
	assert_int_equal(result.value_count, 1);
	assert_string_equal(result.values[0].name, "bytes");
	assert_int_equal(result.values[0].number, 12 * MIB);
	assert_int_equal(event_read(event_range().next - 1, &event, 1), 1);
	assert_int_equal(event.kind, EVENT_VOLUME_CREATED);
	assert_string_equal(event.text, "vg0/web is new, with 12 MiB, by 'ci' over the API");

	ask("lvcreate vg0/web 9MiB");
	assert_int_equal(volumes.stripes, 1);
	assert_string_equal(ask("lvresize vg0/web 20 MiB"), "vg0/web has now 20 MiB.");
	assert_false(volumes.shrink);
	ask("lvresize vg0/web 8MiB shrink");
	assert_true(volumes.shrink);
	assert_string_equal(ask("lvremove vg0/web destroy"), "vg0/web is removed.");
	assert_string_equal(volumes.call, "remove");
}

static void what_loses_a_volume_takes_a_word(void **state)
{
	(void)state;
	assert_string_equal(ask("lvremove vg0/old"),
			    "All that is in vg0/old would be lost. If that is meant, type: "
			    "lvremove vg0/old destroy");
	assert_int_equal(result.error, -EINVAL);
	assert_string_equal(volumes.call, "");
}

static void volumes_that_refuse_say_why(void **state)
{
	static const char *const all[] = {"lvcreate vg0/x 1 GiB", "lvresize vg0/x 1 GiB",
					  "lvremove vg0/x destroy"};
	uint64_t next = event_range().next;

	(void)state;
	volumes.error = -EBUSY;
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		assert_string_equal(ask(all[i]), "vg0/x is in use by 'web'.");
		assert_int_equal(result.error, -EBUSY);
	}
	volumes.missing = true;
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		assert_string_equal(ask(all[i]), "This machine has no volume groups.");
		assert_int_equal(result.error, -ENODEV);
	}
	assert_int_equal(event_range().next, next);
	assert_string_equal(ask("groups"), "This machine has no volume groups.");
}

static void groups_are_lines(void **state)
{
	(void)state;
	assert_string_equal(ask("groups"),
			    "No disk of this machine has a volume group of LVM2's.");
	volumes.strays = 1;
	assert_string_equal(
		ask("groups"),
		"nvme5            a physical volume of 1 GiB, of no group that is known\n"
		"  nvme5 has no metadata.\n"
		"No disk of this machine has a volume group of LVM2's that can be used.");
	volumes.strays = 0;
	volumes.groups = 2;
	assert_string_equal(ask("groups"),
			    "vg0              8 GiB on 1 disk, 1 GiB free, 2 volumes\n"
			    "  vg0 is damaged.\n"
			    "vg0              8 GiB on 1 disk, 1 GiB free, 2 volumes\n"
			    "  vg0 is damaged.");
	volumes.groups = 500; /* more than there is room for */
	ask("groups");
	assert_int_equal(strlen(result.text), ACTION_TEXT_BYTES - 1);
	assert_string_equal(result.text + strlen(result.text) - 3, "...");
}

static void cancel_is_passed_on(void **state)
{
	(void)state;
	assert_string_equal(ask("cancel 7"), "Job 7 is asked to stop.");
	assert_int_equal(cancelled, 7);
	assert_string_equal(ask("cancel 4294967295"), "There is no such job.");
	assert_int_equal(result.error, -ENOENT);
}

/* Guests' names come from documents, but what a disk says of itself may be anything. */
static void no_text_plays_with_a_terminal(void **state)
{
	struct action_call call = {.result = &result};

	(void)state;
	action_result_start(&result);
	action_say(&call, "a\x1b[2J\nb\x7f\x80");
	assert_string_equal(result.text, "a?[2J\nb??");
	for (unsigned i = 0; i < ACTION_VALUES_MAX + 2; i++)
		action_value(&call, "n", i);
	assert_int_equal(result.value_count, ACTION_VALUES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_schema_binds_both_ways, fresh),
		cmocka_unit_test_setup(synopses_are_made_of_the_tables, fresh),
		cmocka_unit_test_setup(mistakes_are_worded_as_in_the_configuration, fresh),
		cmocka_unit_test_setup(a_guest_may_be_called_as_a_word_is, fresh),
		cmocka_unit_test_setup(more_than_a_line_holds_is_refused, fresh),
		cmocka_unit_test_setup(without_memory_nothing_is_bound, fresh),
		cmocka_unit_test_setup(a_role_that_is_not_enough_is_refused, fresh),
		cmocka_unit_test_setup(guests_are_asked_by_whoever_asks, fresh),
		cmocka_unit_test_setup(volumes_are_changed, fresh),
		cmocka_unit_test_setup(what_loses_a_volume_takes_a_word, fresh),
		cmocka_unit_test_setup(volumes_that_refuse_say_why, fresh),
		cmocka_unit_test_setup(groups_are_lines, fresh),
		cmocka_unit_test_setup(cancel_is_passed_on, fresh),
		cmocka_unit_test_setup(no_text_plays_with_a_terminal, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

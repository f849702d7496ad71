/*
 * The actions with documents, on a catalogue that is played here: which document is read, what
 * is said of it, and what is handed on. What comes of it is test_catalogue's.
 */
/* links: guests/config/parse.c */
/* links: guests/actions/documents.c guests/config/address.c guests/config/bind.c */
/* links: guests/config/bind_lists.c guests/config/binder.c */
/* links: guests/config/check_boot.c guests/config/sound.c */
/* links: guests/config/read.c guests/config/check.c */
/* links: guests/config/check_disks.c guests/config/check_networks.c */
/* links: guests/config/config.c guests/config/cpus.c guests/config/derive.c */
/* links: guests/config/diff.c guests/config/hint.c guests/config/merge.c */
/* links: guests/config/plan.c guests/actions/action.c */
/* links: guests/config/plan_say.c guests/config/report.c guests/config/schema.c */
/* links: guests/config/schema_devices.c guests/config/text.c guests/config/tree.c */
/* links: kernel/lib/duration.c */
/* links: guests/config/value.c guests/config/write.c kernel/lib/size.c */
/* links: tests/unit/fail_malloc.c */
#include "tests/unit/config_parse.h"

#include <stdio.h>
#include <stdlib.h>

#include "guests/actions/job.h"
#include "guests/actions/list.h"
#include "guests/catalogue/catalogue.h"
#include "guests/config/merge.h"
#include "guests/config/schema.h"
#include "guests/config/tree.h"
#include "kernel/io/files.h"
#include "tests/unit/fail_malloc.h"

/* ---- what the actions stand on ------------------------------------------------------------
 */

static struct config *now;
static const char *file_text; /* of night.yaml; NULL: there is none */
static int check_error, apply_error, applied;
static bool applied_now, say_now; /* without asking guests to shut down */
static char told[128];		  /* of the job, last */
static struct config *wanted;	  /* handed to catalogue_apply() last */
static const char *kept_text;

const struct config_table action_stop_arguments;
const struct config_table action_no_arguments;

const struct handoff_file *files_find(const char *path)
{
	static struct handoff_file file;

	file.bytes = file_text ? strlen(file_text) : 0;
	return file_text && !strcmp(path, "night.yaml") ? &file : NULL;
}

const void *files_map(const struct handoff_file *file)
{
	(void)file;
	return file_text;
}

void files_unmap(const void *data)
{
	(void)data;
}

struct config *catalogue_get(void)
{
	return config_copy(now);
}

const struct config_machine *catalogue_machine(void)
{
	static const struct config_machine unknown;

	return &unknown;
}

int catalogue_check(const struct config *next, struct config_report *report_to)
{
	if (check_error)
		config_report_add(report_to, next->guests[0].name_mark,
				  "does not fit; mend it");
	return check_error;
}

static bool all_run(void *context, const char *name)
{
	(void)context, (void)name;
	return true;
}

int catalogue_plan(const struct config *next, struct config_plan *plan)
{
	return config_plan_make(plan, now, next, &test_machine.cpus, all_run, NULL);
}

int catalogue_apply(struct catalogue_change *change)
{
	assert_false(change->cancelled(change->waiter));
	change->progress(change->waiter, 0, 2, "");
	change->progress(change->waiter, 1, 2, "a (booting)");
	applied_now = change->now;
	kept_text = change->text;
	config_free(wanted);
	wanted = config_copy(change->next);
	strcpy(change->why, apply_error ? "guest 'a' had not stopped yet" : "It is transient");
	applied += !apply_error;
	return apply_error;
}

unsigned job_cancels(struct job *job)
{
	(void)job;
	return 0;
}

bool job_cancelled(struct job *job)
{
	(void)job;
	return false;
}

void job_progress(struct job *job, uint64_t done, uint64_t total, const char *fmt, ...)
{
	va_list args;

	(void)job, (void)done, (void)total;
	va_start(args, fmt);
	vsnprintf(told, sizeof(told), fmt, args);
	va_end(args);
}

static struct action_result result;

/* ---- asking --------------------------------------------------------------------------------
 */

#define A "{name: a, memory: 8 MiB, boot: {kernel: 'esp:/k'}}"
#define B "{name: b, memory: 8 MiB, boot: {kernel: 'esp:/k'}}"

static int ask(const struct action *action, const char *argument)
{
	struct {
		struct config_document document;
		bool now;
	} args = {{argument, strlen(argument)}, say_now};
	struct stop_args guest = {.now = say_now};
	struct action_call call = {.action = action, .args = &args, .result = &result};

	snprintf(guest.guest, sizeof(guest.guest), "%s", argument);
	if (action == &action_delete)
		call.args = &guest;
	memset(&result, 0, sizeof(result));
	return action->run(&call);
}

static int fresh(void **state)
{
	(void)state;
	now = parse("guests: [" A "]");
	file_text = NULL;
	check_error = apply_error = applied = 0;
	say_now = false;
	return 0;
}

static int end(void **state)
{
	(void)state;
	config_free(now);
	config_free(wanted);
	wanted = NULL;
	return 0;
}

static void a_plan_is_said_and_not_carried_out(void **state)
{
	(void)state;
	assert_int_equal(ask(&action_plan, B), 0);
	assert_string_equal(result.text, "guest 'b' is created and started");
	assert_string_equal(result.values[0].name, "steps");
	assert_int_equal(result.values[0].number, 1);
	file_text = "guests: []\n";
	assert_int_equal(ask(&action_plan, "esp:/night.yaml"), 0);
	assert_string_equal(result.text, "guest 'a' is shut down within 60 s and deleted");
	assert_int_equal(ask(&action_plan, A), 0);
	assert_string_equal(result.text, "nothing changes");
	assert_int_equal(applied, 0);
}

static void what_is_wrong_is_said(void **state)
{
	(void)state;
	assert_int_equal(ask(&action_plan, "esp:/none.yaml"), -ENOENT);
	assert_non_null(strstr(result.text, "There was no file esp:/none.yaml"));
	assert_int_equal(ask(&action_apply, "{name: b, memory: 8}"), -EINVAL);
	assert_string_equal(result.text,
			    "document:1:1: guest 'b': boot is missing; add 'boot: {kernel: "
			    "\"esp:/samples/vmlinuz\"}'\ndocument:1:19: guest 'b': memory is "
			    "'8', without a unit; write KiB, MiB, GiB or TiB after it, such as "
			    "512 MiB");
	file_text = "guests: 1\n";
	assert_int_equal(ask(&action_apply, "esp:/night.yaml"), -EINVAL);
	assert_non_null(strstr(result.text, "esp:/night.yaml:1:9: guests is '1'"));
	check_error = -EINVAL;
	assert_int_equal(ask(&action_plan, B), -EINVAL);
	assert_non_null(strstr(result.text, "does not fit; mend it"));
	assert_int_equal(applied, 0);
}

static void a_document_is_applied_with_its_text(void **state)
{
	(void)state;
	file_text = "guests: [" B "] # night\n";
	assert_int_equal(ask(&action_apply, "esp:/night.yaml"), 0);
	assert_string_equal(result.text, "guest 'a' is shut down within 60 s and deleted\n"
					 "guest 'b' is created and started\nIt is transient");
	assert_ptr_equal(kept_text, file_text);
	assert_int_equal(wanted->guest_count, 1);
	assert_string_equal(result.values[1].name, "kept");
	assert_int_equal(result.values[1].number, 0);
	assert_false(applied_now);
	assert_string_equal(told, "1 of 2 steps are done; waiting for a (booting)");
}

/* Asking nobody is said of the document or of the guest, and then the report says so. */
static void guests_are_switched_off_now(void **state)
{
	(void)state;
	say_now = true;
	file_text = "guests: []\n";
	assert_int_equal(ask(&action_apply, "esp:/night.yaml"), 0);
	assert_true(applied_now);
	assert_string_equal(result.text,
			    "guest 'a' is switched off and deleted\nIt is transient");
	applied_now = false;
	assert_int_equal(ask(&action_delete, "a"), 0);
	assert_true(applied_now);
	assert_string_equal(result.text,
			    "guest 'a' is switched off and deleted\nIt is transient");
	say_now = false;
	assert_int_equal(ask(&action_delete, "a"), 0);
	assert_false(applied_now);
}

static void one_guest_is_put_beside_the_others(void **state)
{
	(void)state;
	assert_int_equal(ask(&action_apply, B), 0);
	assert_null(kept_text);
	assert_int_equal(wanted->guest_count, 2);
	assert_int_equal(ask(&action_create, B), 0);
	assert_int_equal(applied, 2);
	assert_int_equal(ask(&action_create, A), -EEXIST);
	assert_string_equal(result.text, "There is a guest 'a' already; `apply` changes it.");
	file_text = "guests: []\n";
	assert_int_equal(ask(&action_create, "esp:/night.yaml"), -EINVAL);
	assert_int_equal(applied, 2);
}

/* As a caller with more room than a line hands them in. */
static void documents_of_any_length_are_taken(void **state)
{
	static char whole[CONFIG_BYTES_MAX + 1], guest[4096];
	const size_t length = sizeof(whole) - 1;

	(void)state;
	memset(whole, '#', length);
	memcpy(whole, "guests: [" B "]\n", strlen("guests: [" B "]\n"));
	assert_int_equal(ask(&action_apply, whole), 0);
	assert_int_equal(wanted->guest_count, 1);
	assert_string_equal(wanted->guests[0].name, "b");
	assert_ptr_equal(kept_text, whole); /* with its comments */
	assert_int_equal(ask(&action_create, whole), -EINVAL);
	assert_string_equal(result.text, "This is a whole configuration: `apply` takes it.");
	snprintf(guest, sizeof(guest),
		 "name: c\nmemory: 8 MiB\nboot:\n  kernel: 'esp:/k'\n"
		 "  cmdline: '%01500d'\n",
		 7);
	assert_int_equal(ask(&action_create, guest), 0);
	assert_int_equal(wanted->guest_count, 2);
	assert_int_equal(strlen(config_find_guest(wanted, "c")->boot.cmdline), 1500);
	assert_null(kept_text);
	assert_int_equal(ask(&action_apply, "guests: [\n"), -EINVAL);
	assert_non_null(strstr(result.text, "document:2:1: not YAML"));
}

static void a_guest_is_deleted_by_name(void **state)
{
	(void)state;
	assert_int_equal(ask(&action_delete, "c"), -ENOENT);
	assert_string_equal(result.text, "There is no guest 'c' to delete.");
	assert_int_equal(applied, 0);
	assert_int_equal(ask(&action_delete, "a"), 0);
	assert_int_equal(wanted->guest_count, 0);
	apply_error = -ECANCELED;
	assert_int_equal(ask(&action_delete, "a"), -ECANCELED);
	assert_string_equal(result.text, "Nothing is changed: guest 'a' had not stopped yet.");
}

static void memory_may_end_anywhere(void **state)
{
	static const struct action *const actions[] = {&action_plan, &action_apply,
						       &action_create, &action_delete};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		int err = -ENOMEM;

		for (unsigned long call = 1; err; call++) {
			fail_malloc_at(call);
			err = ask(actions[i], i < 3 ? B : "a");
			fail_malloc_at(0);
			if (err)
				assert_true(result.text[0] != '\0');
			assert_true(call < 300);
		}
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, end)
	const struct CMUnitTest tests[] = {
		TEST(a_plan_is_said_and_not_carried_out),
		TEST(what_is_wrong_is_said),
		TEST(a_document_is_applied_with_its_text),
		TEST(guests_are_switched_off_now),
		TEST(one_guest_is_put_beside_the_others),
		TEST(documents_of_any_length_are_taken),
		TEST(a_guest_is_deleted_by_name),
		TEST(memory_may_end_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

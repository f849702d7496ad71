/*
 * Documents while the machine runs: what one would change, and that it be so. Checking and
 * doing it is guests/catalogue's.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "guests/actions/job.h"
#include "guests/actions/list.h"
#include "guests/catalogue/catalogue.h"
#include "guests/config/schema.h"
#include "guests/config/tree.h"
#include "kernel/io/files.h"
#include "kernel/lib/plural.h"

#define WHICH                                                                                \
	"Say which document: a file of the boot partition, as it was when the machine "      \
	"started, such as esp:/night.yaml, or one guest's own, such as {name: web, memory: " \
	"64 MiB, boot: {kernel: \"esp:/samples/vmlinuz\"}}."

struct document_args {
	struct config_document document;
	bool now;
};
_Static_assert(sizeof(struct document_args) <= sizeof(struct action_args), "arguments fit");

#define DOCUMENT_FIELD                                                                       \
	{                                                                                    \
		.key = "document", .type = CONFIG_DOCUMENT, .required = true,                \
		.offset = offsetof(struct document_args, document),                          \
		.maximum = CONFIG_BYTES_MAX, .example = "\"esp:/night.yaml\"",               \
		.doc = "A whole configuration, one guest's keys and values, or a file that " \
		       "is a "                                                               \
		       "whole configuration."                                                \
	}

static const struct config_field fields[] = {DOCUMENT_FIELD};

static const struct config_table arguments = CONFIG_TABLE(fields, struct document_args, NULL);

static const struct config_field apply_fields[] = {
	DOCUMENT_FIELD,
	{.key = "now",
	 .type = CONFIG_BOOL,
	 .offset = offsetof(struct document_args, now),
	 .initial = "false",
	 .doc = "Whether guests that have to stop are switched off, and not asked."},
};

static const struct config_table apply_arguments =
	CONFIG_TABLE(apply_fields, struct document_args, NULL);

/* What is asked for, and what it is made of. */
struct asked {
	struct config *now, *next;
	const char *name; /* of the document, for messages */
	const char *text; /* of a whole configuration; else NULL */
	size_t length;
	const void *mapped; /* the file that it is, or NULL */
	struct guest_config guest;
	struct config_report report;
};

static void forget(struct asked *asked)
{
	if (!asked)
		return;
	files_unmap(asked->mapped);
	config_free(asked->next);
	config_free(asked->now);
	free(asked);
}

static int no_memory(struct action_call *call)
{
	action_say(call, "The hypervisor is out of memory, or still starting.");
	return -ENOMEM;
}

static void say_report(struct action_call *call, const struct config_report *report)
{
	char line[CONFIG_LINE_MAX];

	for (uint32_t i = 0; i < report->count; i++) {
		config_report_line(report, i, line);
		action_say(call, "%s%s", i ? "\n" : "", line);
	}
	if (report->dropped)
		action_say(call, "\nand %u more", (unsigned)report->dropped);
}

/* The whole configuration, from a file or as it was handed in. */
static int read_whole(struct asked *asked)
{
	return config_read(asked->text, asked->length, asked->name, catalogue_machine(),
			   &asked->next, &asked->report);
}

/* The whole configuration, as a file says it. */
static int read_file(struct action_call *call, struct asked *asked, const char *name)
{
	const struct handoff_file *file = files_find(config_esp_path(name));

	if (!file) {
		action_say(call,
			   "There was no file %s when the machine started; files of the boot "
			   "partition are read then.",
			   name);
		return -ENOENT;
	}
	asked->text = asked->mapped = files_map(file);
	if (!asked->text)
		return no_memory(call);
	asked->length = file->bytes;
	asked->name = name;
	return read_whole(asked);
}

/* The configuration that there is, with one guest. */
static int read_guest(struct asked *asked, const struct config_document *document)
{
	return config_read_guest(document->text, document->length, asked->name, asked->now,
				 catalogue_machine(), &asked->guest, &asked->next,
				 &asked->report);
}

static struct asked *new_asked(void)
{
	struct asked *asked = calloc(1, sizeof(*asked));

	if (!asked)
		return NULL;
	asked->name = "document";
	asked->now = catalogue_get();
	if (asked->now)
		return asked;
	free(asked);
	return NULL;
}

static int read_text(struct asked *asked, const struct config_document *document)
{
	bool whole;

	if (config_is_whole(document->text, document->length, &whole))
		return -ENOMEM;
	if (!whole)
		return read_guest(asked, document);
	asked->text = document->text;
	asked->length = document->length;
	return read_whole(asked);
}

/* Reads what the call asks for; what is wrong is said. */
static int read_document(struct action_call *call, struct asked *asked)
{
	const struct document_args *args = call->args;
	const char *text = args->document.text;
	int err = config_esp_path(text) ? read_file(call, asked, text)
					: read_text(asked, &args->document);

	if (err && asked->report.count)
		say_report(call, &asked->report);
	else if (err == -ENOMEM && !call->result->text[0])
		no_memory(call);
	config_report_clear(&asked->report); /* the catalogue looks once more */
	return err;
}

static int plan(struct action_call *call)
{
	struct asked *asked = new_asked();
	struct config_plan made = {0};
	int err = asked ? read_document(call, asked) : no_memory(call);

	if (!err) {
		err = catalogue_check(asked->next, &asked->report);
		if (asked->report.count)
			say_report(call, &asked->report);
		if (!err)
			err = catalogue_plan(asked->next, &made);
		if (err == -ENOMEM)
			no_memory(call);
	}
	if (!err) {
		config_plan_say(&made, action_say_line, call);
		action_value(call, "steps", made.step_count);
	}
	config_plan_free(&made);
	forget(asked);
	return err;
}

static bool given_up(void *waiter)
{
	return job_cancels(((struct action_call *)waiter)->job) > 1;
}

static bool cancelled(void *waiter)
{
	return job_cancelled(((struct action_call *)waiter)->job);
}

static void progress(void *waiter, uint32_t steps, uint32_t of, const char *waits_for)
{
	job_progress(((struct action_call *)waiter)->job, steps, of,
		     "%u of %u step%s %s done%s%s", (unsigned)steps, (unsigned)of, plural(of),
		     of == 1 ? "is" : "are", waits_for[0] ? "; waiting for " : "", waits_for);
}

/* No guest is asked. */
static void switch_off(struct config_plan *plan)
{
	for (uint32_t i = 0; i < plan->item_count; i++)
		plan->items[i].shutdown_seconds = 0;
}

static void say_waiting(struct action_call *call, const struct asked *asked)
{
	const struct config *next = asked->next;

	for (uint32_t i = 0; i < next->guest_count; i++)
		if (asked->report.lacking >> i & 1)
			action_say(call,
				   "\nguest '%s' can't start for now; `explain %s` tells more",
				   next->guests[i].name, next->guests[i].name);
}

/* Carries it out: says what that did, and whether it is kept. */
static int carry_out(struct action_call *call, struct asked *asked, bool now)
{
	struct catalogue_change change = {
		.next = asked->next,
		.text = asked->text,
		.length = asked->length,
		.name = asked->name,
		.actor = call->actor,
		.now = now,
		.cancelled = cancelled,
		.given_up = given_up,
		.progress = progress,
		.waiter = call,
		.report = &asked->report,
	};
	struct config_plan made;
	int err = catalogue_plan(asked->next, &made);

	if (!err && now)
		switch_off(&made);
	if (!err)
		err = catalogue_apply(&change);
	if (asked->report.count)
		say_report(call, &asked->report);
	if (err && !asked->report.wrong)
		action_say(call, "%sNothing is changed: %s.", asked->report.count ? "\n" : "",
			   change.why[0] ? change.why : "the hypervisor is out of memory");
	if (!err) {
		config_plan_say(&made, action_say_line, call);
		say_waiting(call, asked);
		if (change.why[0])
			action_say_line(call, change.why);
		action_value(call, "steps", made.step_count);
		action_value(call, "kept", change.kept == CATALOGUE_KEPT);
	}
	config_plan_free(&made);
	return err;
}

static int apply(struct action_call *call)
{
	const struct document_args *args = call->args;
	struct asked *asked = new_asked();
	int err = asked ? read_document(call, asked) : no_memory(call);

	if (!err)
		err = carry_out(call, asked, args->now);
	forget(asked);
	return err;
}

static int create(struct action_call *call)
{
	struct asked *asked = new_asked();
	int err = asked ? read_document(call, asked) : no_memory(call);

	if (!err && asked->text) {
		action_say(call, "This is a whole configuration: `apply` takes it.");
		err = -EINVAL;
	}
	if (!err && config_find_guest(asked->now, asked->guest.name)) {
		action_say(call, "There is a guest '%s' already; `apply` changes it.",
			   asked->guest.name);
		err = -EEXIST;
	}
	if (!err)
		err = carry_out(call, asked, false);
	forget(asked);
	return err;
}

static int delete (struct action_call *call)
{
	const struct stop_args *args = call->args;
	struct asked *asked = new_asked();
	int err = asked ? 0 : no_memory(call);

	if (!err && !config_find_guest(asked->now, args->guest)) {
		action_say(call, "There is no guest '%s' to delete.", args->guest);
		err = -ENOENT;
	}
	if (!err) {
		asked->next = config_without_guest(asked->now, args->guest);
		err = asked->next ? carry_out(call, asked, args->now) : no_memory(call);
	}
	forget(asked);
	return err;
}

const struct action action_plan = {
	.name = "plan",
	.help = "what a document would change",
	.usage = WHICH,
	.role = ROLE_VIEWER,
	.arguments = &arguments,
	.whole_line = true,
	.is_job = true, /* it looks at the disks */
	.no_cancel = "it only looks",
	.run = plan,
};

const struct action action_apply = {
	.name = "apply",
	.help = "change the machine as a document says",
	.usage = WHICH,
	.role = ROLE_ADMIN,
	.arguments = &apply_arguments,
	.whole_line = true,
	.is_job = true,
	.run = apply,
};

const struct action action_create = {
	.name = "create",
	.help = "create a guest, by its document",
	.usage = WHICH,
	.role = ROLE_ADMIN,
	.arguments = &arguments,
	.whole_line = true,
	.is_job = true,
	.run = create,
};

const struct action action_delete = {
	.name = "delete",
	.help = "have it shut down, or switch it off now, and delete it; its disks stay",
	.role = ROLE_ADMIN,
	.arguments = &action_stop_arguments,
	.is_job = true,
	.run = delete,
};

/*
 * The list of actions: every schema binds from a document and from typed words, to the same
 * arguments; mistakes are worded as in the configuration; roles. What is asked of guests and
 * volumes is test_actions_asked's.
 */
/* links: guests/actions/action.c guests/actions/actions.c guests/actions/bind.c */
/* links: guests/actions/args.c */
/* links: guests/actions/cancel.c */
/* links: guests/actions/guests.c guests/actions/volumes.c guests/actions/balloon.c */
/* links: guests/config/address.c guests/config/bind.c guests/config/cpus.c */
/* links: guests/config/bind_lists.c guests/config/binder.c */
/* links: guests/config/sound.c */
/* links: guests/config/hint.c */
/* links: guests/config/report.c guests/config/schema.c guests/config/schema_devices.c */
/* links: guests/config/tree.c guests/config/value.c guests/config/config.c */
/* links: kernel/lib/duration.c */
/* links: guests/config/derive.c kernel/lib/size.c */
/* links: guests/events/event.c guests/events/actor.c tests/unit/fake_guests.c */
/* links: tests/unit/fail_malloc.c */
#include <stdlib.h>

#include "guests/config/tree.h"
#include "tests/unit/actions_house.h"

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

/* Every action of the list, with all its arguments: as words, as YAML, as JSON. */
static void every_schema_binds_both_ways(void **state)
{
	static const struct {
		const char *name, *words, *yaml, *json;
	} all[] = {
		{"start", "web", "guest: web", "{\"guest\": \"web\"}"},
		{"shutdown", "web", "guest: web", "{\"guest\": \"web\"}"},
		{"stop", "web now", "guest: web\nnow: true",
		 "{\"guest\": \"web\", \"now\": true}"},
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
		{"wait", "", "{}", "{}"},
		{"image", "", "{}", "{}"},
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
					     {"lvresize", "VOLUME SIZE [shrink] [anyway]"},
					     {"lvremove", "VOLUME [destroy] [anyway]"},
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
		{"lvcreate", "vg0/web 10 GiB 2 3", "'3' is more than lvcreate takes"},
		{"lvremove", "vg0/old destory",
		 "'destory' is more than lvremove takes; did you mean 'destroy'?"},
		{"lvremove", "vg0/old destroy destroy", "destroy is given twice"},
		{"balloon", "web anyway", "size is 'anyway'"},
		{"balloon", "web 256 MiB now anyway", "'now' is more than balloon takes"},
		{"balloon", "web MiB anyway", "size is 'MiB'"},
		{"start", "web now", "'now' is more than start takes"},
		{"groups", "all", "'all' is more than groups takes"},
		{"lvcreate", "vg0/web 100G", "size is '100G'"},
		{"lvcreate", "vg0/web", "size is missing, such as 10 GiB"},
		{"balloon", "web", "size is missing, such as 256 MiB"},
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
	assert_int_equal(bind_words("lvcreate", "vg0/web"), -EINVAL);
	assert_int_equal(report.count, 1); /* what need not be there is not missed */
	/* Where nothing is typed there is nothing wrong with it. */
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

static const struct config_field text_fields[] = {
	{.key = "document",
	 .type = CONFIG_DOCUMENT,
	 .required = true,
	 .maximum = CONFIG_BYTES_MAX,
	 .example = "esp:/a"},
};
static const struct config_table text_arguments =
	CONFIG_TABLE(text_fields, struct config_document, NULL);
static const struct action action_text = {.name = "text", .arguments = &text_arguments};

/* {"document": "..."}, of `count` characters that are each `written` so. */
static int bind_text(size_t count, const char *written)
{
	size_t each = strlen(written), length = 0;
	char *text = malloc(32 + count * each);
	int err;

	length = (size_t)snprintf(text, 32, "{\"document\": \"");
	for (size_t i = 0; i < count; i++, length += each)
		memcpy(text + length, written, each);
	memcpy(text + length, "\"}", 2);
	err = action_bind(&action_text, text, length + 2, &args, &report);
	free(text);
	return err;
}

/* The last that is good and the first that is not, however it is written. */
static void a_document_is_as_long_as_documents_may_be(void **state)
{
	static const char *const forms[] = {"\\n", "\\u000a", "x"};
	const struct config_document *document = (const void *)args.bytes;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(forms); i++) {
		assert_int_equal(bind_text(CONFIG_BYTES_MAX, forms[i]), 0);
		assert_int_equal(document->length, CONFIG_BYTES_MAX);
		assert_int_equal(document->text[0], i < 2 ? '\n' : 'x');
		assert_int_equal(document->text[CONFIG_BYTES_MAX], '\0');
		assert_string_equal(action_subject(&action_text, args.bytes),
				    i < 2 ? "" : document->text);
		action_args_free(&args);
		assert_null(document->text);
		assert_int_equal(bind_text(CONFIG_BYTES_MAX + 1, forms[i]), -EINVAL);
		assert_wrong("is 262145 bytes long; make it smaller, 256 KiB at most");
	}
	assert_int_equal(bind_text(0, ""), 0);
	action_args_free(&args);
	assert_int_equal(bind_text(CONFIG_QUOTED_MAX, "x"), -EINVAL);
	assert_wrong("the document is larger than 1540 KiB; make it smaller");
}

/* Typed, it is the line; a copy of arguments has its own, and is good without the first. */
static void a_document_lies_beside_its_arguments(void **state)
{
	char line[] = "{name: a}";
	const struct config_document *document;
	struct action typed = action_text;
	struct action_args copy;
	int err = -ENOMEM;

	(void)state;
	typed.whole_line = true;
	for (unsigned long i = 1; err == -ENOMEM; i++) {
		fail_malloc_at(i);
		err = action_bind_words(&typed, line, &args, &report);
		fail_malloc_at(0);
	}
	assert_int_equal(err, 0);
	memset(line, '?', sizeof line - 1);
	fail_malloc_at(1);
	assert_int_equal(action_args_copy(&typed, &copy, args.bytes), -ENOMEM);
	fail_malloc_at(0);
	assert_int_equal(action_args_copy(&typed, &copy, args.bytes), 0);
	action_args_free(&args);
	document = (const void *)copy.bytes;
	assert_string_equal(document->text, "{name: a}");
	assert_int_equal(document->length, 9);
	action_args_free(&copy);
}

/* Typed, a flag may stand behind it; where there is none of that name it is the document's. */
static void a_flag_stands_behind_a_document(void **state)
{
	struct with_flag {
		struct config_document document;
		bool now;
	};
	static const struct config_field fields[] = {
		{.key = "document",
		 .type = CONFIG_DOCUMENT,
		 .required = true,
		 .offset = offsetof(struct with_flag, document),
		 .maximum = CONFIG_BYTES_MAX},
		{.key = "now",
		 .type = CONFIG_BOOL,
		 .offset = offsetof(struct with_flag, now),
		 .initial = "false"},
	};
	static const struct config_table table = CONFIG_TABLE(fields, struct with_flag, NULL);
	static const struct {
		const char *line, *document;
		bool now;
	} cases[] = {
		{"  esp:/a b.yaml now  ", "esp:/a b.yaml", true},
		{"esp:/a.yaml", "esp:/a.yaml", false},
		{"esp:/a.yaml  ", "esp:/a.yaml", false},
		{"now", "now", false},
		{"{name: now} now", "{name: now}", true},
		{"{name: now}", "{name: now}", false},
		{"a then", "a then", false},
	};
	struct action typed = action_text;
	const struct with_flag *bound = (const void *)args.bytes;
	char line[64];

	(void)state;
	typed.whole_line = true;
	typed.arguments = &table;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		strcpy(line, cases[i].line);
		assert_int_equal(action_bind_words(&typed, line, &args, &report), 0);
		assert_string_equal(bound->document.text, cases[i].document);
		assert_int_equal(bound->now, cases[i].now);
		action_args_free(&args);
	}
	strcpy(line, "   ");
	assert_int_equal(action_bind_words(&typed, line, &args, &report), -EINVAL);
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
		   {"stop alpha now", ROLE_OPERATOR},
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
		cmocka_unit_test(a_document_is_as_long_as_documents_may_be),
		cmocka_unit_test(a_document_lies_beside_its_arguments),
		cmocka_unit_test(a_flag_stands_behind_a_document),
		cmocka_unit_test_setup(without_memory_nothing_is_bound, fresh),
		cmocka_unit_test_setup(a_role_that_is_not_enough_is_refused, fresh),
		cmocka_unit_test_setup(cancel_is_passed_on, fresh),
		cmocka_unit_test_setup(no_text_plays_with_a_terminal, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

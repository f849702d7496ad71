/*
 * The operator's console: a thread that reads command lines. Commands that show something are
 * reports, listed here; what changes something is an action of guests/actions, and this is one
 * of its callers.
 */
#include "guests/console/operator.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/actions/actions.h"
#include "guests/actions/guests.h"
#include "guests/console/aside.h"
#include "guests/console/follow.h"
#include "guests/console/lineedit.h"
#include "guests/console/show.h"
#include "guests/console/text.h"
#include "guests/devices/console.h"
#include "guests/guest/guest.h"
#include "kernel/sched/thread.h"

#define PROMPT	  "bulkhead> "
#define SAY_BYTES 640 /* a line of the log and a bit */
#define LOG_LINES 20

static struct thread *thread;
static struct console *console;
static struct follow follow;

/* The thread's own: too large for its stack. */
static struct action_result result;
static struct config_report wrong;

static void wake(void *arg)
{
	(void)arg;
	thread_wake(thread);
}

static void put(char byte)
{
	while (!console_put(console, byte))
		thread_sleep_ns(NSEC_PER_MSEC); /* the terminal is slow */
}

/* Whether a terminal shows a byte, and does not obey it: no control character but '\n', nor one
 * of U+0080 to U+009F, in UTF-8 or as a byte alone. The operator's thread alone asks, byte by
 * byte, since what is written may be cut anywhere. */
static bool is_shown(uint8_t c)
{
	static unsigned left; /* bytes of a character that are to come */
	static uint8_t last;
	bool follows = left && c >> 6 == 2, low = last == 0xc2 && c < 0xa0;

	last = c;
	if (follows) {
		left--;
		return !low;
	}
	left = c < 0xc2 || c > 0xf4 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	return left || c == '\n' || (c >= ' ' && c < 0x7f);
}

/* A sink's. */
static int print_plain(void *arg, const char *text, size_t bytes)
{
	(void)arg;
	for (size_t i = 0; i < bytes; i++)
		put(is_shown((uint8_t)text[i]) ? text[i] : '?');
	return 0;
}

/* Where reports go to. */
static struct sink terminal(void)
{
	return (struct sink){.write = print_plain};
}

void operator_say(const char *fmt, ...)
{
	char text[SAY_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	print_plain(NULL, text, strlen(text));
}

/* ---- commands -------------------------------------------------------------------------- */

static void command_log(struct sink *to, const char *word)
{
	uint64_t lines = LOG_LINES;

	if (word && !strcmp(word, "previous"))
		show_previous_log(to);
	else if (word && (!text_number(word, &lines) || !lines))
		operator_say("'%s' is no number of lines. Write: log 100; or, for the run "
			     "before the last reset: log previous\n",
			     word);
	else
		show_log(to, (unsigned)MIN(lines, UINT32_MAX));
}

static void make_disks(struct sink *to, const char *word)
{
	(void)word;
	show_disks(to);
}

static void command_disks(struct sink *to)
{
	aside_show(&follow, to, make_disks, NULL);
}

static void command_json(struct sink *to, const char *word)
{
	if (show_json_waits(word))
		aside_show(&follow, to, show_json, word);
	else
		show_json(to, word);
}

static void command_help(struct sink *to);

static const struct command {
	const char *name, *argument, *help;
	/* One of these: about the machine; what more a word says; about a guest. */
	void (*plain)(struct sink *to);
	void (*with_word)(struct sink *to, const char *word);
	void (*report)(struct sink *to, struct guest *guest);
} commands[] = {
	{"help", "", "this list", .plain = command_help},
	{"list", "", "all guests and how they are", .plain = show_list},
	{"show", "GUEST", "one guest in detail", .report = show_guest},
	{"counters", "GUEST", "its counters, for programs", .report = show_counters},
	{"log", "[LINES]",
	 "the end of the log; `log previous`: of the run before the last reset",
	 .with_word = command_log},
	{"cpus", "", "the CPUs and what runs there", .plain = show_cpus},
	{"memory", "", "who has the memory", .plain = show_memory},
	{"disks", "", "the machine's disks, and what guests can be given",
	 .plain = command_disks},
	{"networks", "", "NICs, networks, and the guests' ports", .plain = show_networks},
	{"stations", "", "addresses that the networks have learned", .plain = show_stations},
	{"jobs", "", "what is being done, and what was", .plain = follow_jobs},
	{"events", "[FROM]", "what happened, from a number on", .with_word = follow_events},
	{"metrics", "", "counters of all, for Prometheus", .plain = show_metrics},
	{"json", "[WHAT]", "guests, disks, networks ... as JSON", .with_word = command_json},
	{"about", "", "what this is", .plain = show_machine},
};

static void command_help(struct sink *to)
{
	char synopsis[ACTION_SYNOPSIS_BYTES];
	const struct action *action;

	(void)to;
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
		operator_say("%-9s %-8s %s\n", commands[i].name, commands[i].argument,
			     commands[i].help);
	for (unsigned i = 0; (action = action_at(i)); i++)
		operator_say("%-9s %-8s %s\n", action->name, action_synopsis(action, synopsis),
			     action->help);
}

static void say_guests(void)
{
	char names[GUEST_NAMES_BYTES];

	guests_named(names);
	print_plain(NULL, names, strlen(names));
	put('\n');
}

static void report_on(const struct command *command, const char *name)
{
	struct sink to = terminal();
	struct guest *guest = name ? guest_get(name) : NULL;

	if (!guest) {
		if (name)
			operator_say("There is no guest \"%s\". ", name);
		say_guests();
		return;
	}
	command->report(&to, guest);
	guest_put(guest);
}

/* The next word of *rest, which becomes what is behind it; "" at the end. Not strtok_r(): where
 * newlib's leaves *rest at the end of a line is not where others do. */
static char *take_word(char **rest)
{
	char *word = *rest + strspn(*rest, " "), *end = word + strcspn(word, " ");

	*rest = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

static bool obey_command(const char *name, char *rest)
{
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct command *command = &commands[i];
		struct sink to = terminal();
		char *word;

		if (strcmp(name, command->name) != 0)
			continue;
		word = command->plain ? "" : take_word(&rest);
		if (rest[strspn(rest, " ")]) {
			operator_say("'%s' is more than %s takes. Write: %s%s%s\n",
				     take_word(&rest), name, name,
				     *command->argument ? " " : "", command->argument);
			return true;
		}
		if (command->plain)
			command->plain(&to);
		else if (command->with_word)
			command->with_word(&to, *word ? word : NULL);
		else
			report_on(command, *word ? word : NULL);
		return true;
	}
	return false;
}

/* ---- actions --------------------------------------------------------------------------------
 */

/* What was typed does not bind. Without any word, who there is to name is more of a help. */
static void say_wrong(const struct action *action)
{
	char synopsis[ACTION_SYNOPSIS_BYTES];

	if (!wrong.count && !action->usage) {
		say_guests();
		return;
	}
	for (uint32_t i = 0; i < wrong.count; i++)
		operator_say("%s.\n", wrong.errors[i].text);
	if (action->usage)
		operator_say("%s\n", action->usage);
	else
		operator_say("Write: %s %s\n", action->name, action_synopsis(action, synopsis));
}

static void show_result(void)
{
	if (!*result.text)
		return;
	print_plain(NULL, result.text, strlen(result.text));
	put('\n');
}

static bool obey_action(const char *name, char *rest)
{
	const struct action *action = action_find(name);
	struct sink to = terminal();
	struct action_args args;
	int err;

	if (!action)
		return false;
	action = action_for_words(action, rest);
	err = action_bind_words(action, rest, &args, &wrong);
	if (err == -ENOMEM) {
		operator_say("The hypervisor is out of memory.\n");
		return true;
	}
	if (err) {
		say_wrong(action);
		return true;
	}
	action_run(action, &args, &actor_console, ROLE_ADMIN, &result);
	action_args_free(&args);
	if (!result.error && result.job && !follow_job(&follow, &to, result.job, &result))
		return true;
	show_result();
	return true;
}

static void obey(char *line)
{
	char *rest = line, *name = take_word(&rest);

	if (*name && !obey_command(name, rest) && !obey_action(name, rest))
		operator_say("There is no command \"%s\"; `help` lists them.\n", name);
}

/* What the line editor made of keys: control bytes are what it is for. */
static void echo_typed(const char *echo)
{
	while (*echo)
		put(*echo++);
}

/* ---- the thread ----------------------------------------------------------------------------
 */

static void operator_thread(void *arg)
{
	static struct lineedit edit;
	char echo[LINEEDIT_ECHO_BYTES];
	enum lineedit_result typed;
	char byte;

	(void)arg;
	operator_say(PROMPT);
	for (;;) {
		if (!follow_read(&follow, &byte)) {
			thread_block();
			continue;
		}
		typed = lineedit_take(&edit, (uint8_t)byte, echo);
		echo_typed(echo);
		if (typed == LINEEDIT_DONE)
			obey(edit.line);
		else if (typed == LINEEDIT_TOO_LONG)
			operator_say("That line is longer than %u characters: nothing was "
				     "done. A long document goes into a file (esp:/...).\n",
				     LINEEDIT_BYTES - 1);
		if (typed != LINEEDIT_MORE)
			operator_say(PROMPT);
	}
}

int operator_init(struct console *to)
{
	const struct thread_params params = {
		.name = "operator", .fn = operator_thread, .weight = THREAD_WEIGHT_SERVICE};

	console = to;
	follow_init(&follow, to, wake);
	thread = thread_create(&params);
	if (!thread)
		return -ENOMEM;
	console_set_reader(console, wake, NULL);
	return 0;
}

/*
 * The operator's console: a thread that reads commands and obeys. Commands are listed in one
 * table, which is also their help.
 */
#include "guests/console/operator.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/console/balloon.h"
#include "guests/console/console.h"
#include "guests/console/lineedit.h"
#include "guests/console/report.h"
#include "guests/console/report_devices.h"
#include "guests/console/report_networks.h"
#include "guests/console/volumes.h"
#include "guests/guest/snapshot.h"
#include "kernel/cpu/clock.h"
#include "kernel/lib/lock.h"
#include "kernel/log/log.h"
#include "kernel/sched/thread.h"

#define PROMPT		 "bulkhead> "
#define SAY_BYTES	 640 /* a line of the log and a bit */
#define LOG_LINES	 20
#define SHUTDOWN_WAIT_NS (10 * NSEC_PER_SEC)
#define SHUTDOWN_POLL_NS (100 * NSEC_PER_MSEC)
#define LAST_WORDS_NS	 (100 * NSEC_PER_MSEC) /* until the terminal has shown them */

static struct thread *thread;
static struct console *console;
static void (*machine_off)(bool reboot);

static _Atomic unsigned power_requests;
static _Atomic bool power_reboot;

static void wake(void *arg)
{
	(void)arg;
	thread_wake(thread);
}

static void print(const char *text)
{
	for (; *text; text++)
		while (!console_put(console, *text))
			thread_sleep_ns(NSEC_PER_MSEC); /* the terminal is slow */
}

void operator_say(const char *fmt, ...)
{
	char text[SAY_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	for (char *c = text; *c; c++)
		if ((*c < ' ' && *c != '\n') || *c == 0x7f)
			*c = '?';
	print(text);
}

/* ---- commands -------------------------------------------------------------------------- */

static void command_log(const char *word)
{
	int lines = word ? atoi(word) : LOG_LINES;

	if (lines < 1)
		operator_say("log takes a number of lines, from 1 on.\n");
	else
		report_log((unsigned)lines);
}

static void command_poweroff(void)
{
	operator_power_off(false);
}

static void command_reboot(void)
{
	operator_power_off(true);
}

static void command_help(void);

static const struct command {
	const char *name, *argument, *help;
	/* One of these: about the machine; the same with an optional word; with all that was
	 * typed; what there is to say of a guest; what a guest is asked to do. */
	void (*plain)(void);
	void (*with_word)(const char *word);
	void (*with_words)(char *words);
	void (*report)(struct guest *guest);
	int (*request)(struct guest *guest, const struct actor *actor);
} commands[] = {
	{"help", "", "this list", .plain = command_help},
	{"list", "", "all guests and how they are", .plain = report_list},
	{"show", "GUEST", "one guest in detail", .report = report_guest},
	{"start", "GUEST", "start it", .request = guest_start},
	{"shutdown", "GUEST", "press its power button: it shuts down if it wants to",
	 .request = guest_shutdown},
	{"stop", "GUEST", "switch it off, now", .request = guest_stop},
	{"reset", "GUEST", "press its reset button", .request = guest_reset},
	{"counters", "GUEST", "its counters, for programs", .report = report_counters},
	{"log", "[LINES]", "the end of the log", .with_word = command_log},
	{"cpus", "", "the CPUs and what runs there", .plain = report_cpus},
	{"memory", "", "who has the memory", .plain = report_memory},
	{"balloon", "GUEST [SIZE [anyway]]",
	 "have a guest make do with less memory, or give it back",
	 .with_words = balloon_command},
	{"disks", "", "the machine's disks, and what guests can be given",
	 .plain = report_disks},
	{"groups", "", "volume groups of the disks", .with_words = volumes_groups},
	{"lvcreate", "GROUP/VOLUME SIZE [STRIPES]", "make a logical volume",
	 .with_words = volumes_create},
	{"lvresize", "GROUP/VOLUME SIZE", "make it larger, or smaller with `shrink` behind it",
	 .with_words = volumes_resize},
	{"lvremove", "GROUP/VOLUME", "take it away, with all that is in it",
	 .with_words = volumes_remove},
	{"networks", "", "NICs, networks, and the guests' ports", .plain = report_networks},
	{"stations", "", "addresses that the networks have learned", .plain = report_stations},
	{"about", "", "what this is", .plain = report_machine},
	{"poweroff", "", "shut the guests down (10 s), then power off; again: at once",
	 .plain = command_poweroff},
	{"reboot", "", "the same, then reset the machine", .plain = command_reboot},
};

static void command_help(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
		operator_say("%-9s %-8s %s\n", commands[i].name, commands[i].argument,
			     commands[i].help);
}

static void say_guests(void)
{
	bool any = false;

	operator_say("The guests are:");
	for (struct guest *guest = guest_next(NULL); guest; guest = guest_next(guest)) {
		operator_say(" %s", guest_name(guest));
		any = true;
	}
	operator_say(any ? ".\n" : " none.\n");
}

static void obey_guest(const struct command *command, const char *name)
{
	struct guest *guest = name ? guest_get(name) : NULL;
	int err;

	if (!guest) {
		if (name)
			operator_say("There is no guest \"%s\". ", name);
		say_guests();
		return;
	}
	if (command->report) {
		command->report(guest);
		guest_put(guest);
		return;
	}
	err = command->request(guest, &actor_console);
	guest_put(guest);
	if (err == -EALREADY)
		operator_say("%s: nothing to do, it is so already.\n", name);
	else if (err == -EOPNOTSUPP)
		operator_say("%s: nobody there listens to the power button; `stop %s` switches "
			     "it off.\n",
			     name, name);
	else if (err)
		operator_say("%s: that does not go now; `show %s` says how it is.\n", name,
			     name);
}

static void obey(char *line)
{
	char *rest, *name = strtok_r(line, " ", &rest), *word;

	if (!name)
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(name, commands[i].name) != 0)
			continue;
		if (commands[i].with_words) {
			commands[i].with_words(rest);
			return;
		}
		word = strtok_r(NULL, " ", &rest);
		if (commands[i].plain)
			commands[i].plain();
		else if (commands[i].with_word)
			commands[i].with_word(word);
		else
			obey_guest(&commands[i], word);
		return;
	}
	operator_say("There is no command \"%s\"; `help` lists them.\n", name);
}

/* ---- switching the machine off ----------------------------------------------------------- */

void operator_power_off(bool reboot)
{
	power_reboot = reboot;
	power_requests++;
	thread_wake(thread);
}

static bool runs(struct guest *guest)
{
	static struct guest_info info; /* too large for a stack */

	guest_get_info(guest, &info);
	return info.state == GUEST_STARTING || info.state == GUEST_RUNNING ||
	       info.state == GUEST_STOPPING;
}

/* Presses all power buttons; true when it is worth waiting for somebody. */
static bool ask_guests(void)
{
	bool heard = false;

	for (struct guest *guest = guest_next(NULL); guest; guest = guest_next(guest)) {
		if (!runs(guest))
			continue;
		if (guest_shutdown(guest, &actor_console) == 0)
			heard = true;
		else
			log_info("power", "%s does not listen to its power button",
				 guest_name(guest));
	}
	return heard;
}

static bool all_ended(void)
{
	for (struct guest *guest = guest_next(NULL); guest; guest = guest_next(guest)) {
		if (!runs(guest))
			continue;
		guest_put(guest);
		return false;
	}
	return true;
}

static void power_off(void)
{
	uint64_t deadline = clock_now_ns() + SHUTDOWN_WAIT_NS;

	if (ask_guests()) {
		log_info("power", "waiting for guests to shut down; the same again goes on");
		while (power_requests == 1 && clock_now_ns() < deadline && !all_ended())
			thread_block_until(clock_now_ns() + SHUTDOWN_POLL_NS);
	}
	log_info("power", power_reboot ? "resetting" : "powering off");
	thread_sleep_ns(LAST_WORDS_NS);
	machine_off(power_reboot);
	log_error("power", "this machine cannot be switched off by software: use its button");
	power_requests = 0;
}

/* ---- the thread ----------------------------------------------------------------------------
 */

static void operator_thread(void *arg)
{
	static struct lineedit edit;
	char echo[LINEEDIT_ECHO_BYTES];
	enum lineedit_result result;
	char byte;

	(void)arg;
	print(PROMPT);
	for (;;) {
		if (power_requests)
			power_off();
		if (!console_read(console, &byte, 1)) {
			thread_block();
			continue;
		}
		result = lineedit_take(&edit, (uint8_t)byte, echo);
		print(echo);
		if (result == LINEEDIT_DONE)
			obey(edit.line);
		if (result != LINEEDIT_MORE)
			print(PROMPT);
	}
}

int operator_init(struct console *to, void (*off)(bool reboot))
{
	const struct thread_params params = {
		.name = "operator", .fn = operator_thread, .weight = THREAD_WEIGHT_SERVICE};

	console = to;
	machine_off = off;
	thread = thread_create(&params);
	if (!thread)
		return -ENOMEM;
	console_set_reader(console, wake, NULL);
	return 0;
}

/*
 * The operator's console as one caller of the actions: what is typed, what is shown, and that a
 * job that never ends holds up neither the console nor what is typed behind it. Actions and
 * jobs are the real ones; guests, volumes, terminal and clock are the test's.
 */
/* links: guests/console/operator.c guests/console/follow.c guests/console/lineedit.c */
/* links: guests/console/aside.c */
/* links: guests/actions/action.c guests/actions/actions.c guests/actions/bind.c */
/* links: guests/actions/cancel.c */
/* links: guests/actions/guests.c guests/actions/volumes.c guests/actions/balloon.c */
/* links: guests/actions/job.c guests/actions/power.c */
/* links: guests/config/address.c guests/config/bind.c guests/config/cpus.c */
/* links: guests/config/hint.c */
/* links: guests/config/report.c guests/config/schema.c guests/config/schema_devices.c */
/* links: guests/config/tree.c guests/config/value.c guests/config/config.c */
/* links: guests/config/derive.c kernel/lib/size.c */
/* links: guests/events/event.c guests/events/actor.c tests/unit/fake_guests.c */
/* links: tests/unit/fake_threads.c guests/views/sink.c */
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
#include "guests/console/operator.h"
#include "guests/console/show.h"
#include "guests/devices/console.h"
#include "guests/events/event.h"
#include "kernel/cpu/clock.h"
#include "kernel/io/volume.h"
#include "kernel/log/log.h"
#include "kernel/sched/thread.h"
#include "tests/unit/fake_guests.h"
#include "tests/unit/fake_threads.h"

#define PROMPT "bulkhead> "

static int no_document(struct action_call *call)
{
	(void)call;
	return -ENOENT;
}

/* What documents do is test_documents'. */
#define DOCUMENT_ACTION(word)                                                   \
	const struct action action_##word = {.name = #word,                     \
					     .role = ROLE_ADMIN,                \
					     .arguments = &action_no_arguments, \
					     .run = no_document}
DOCUMENT_ACTION(explain);
DOCUMENT_ACTION(plan);
DOCUMENT_ACTION(apply);
DOCUMENT_ACTION(create);
DOCUMENT_ACTION(delete);

static uint64_t now;
static char shown[32768];
static char typed[8192];
static size_t typed_count;
static void (*wake)(void *arg);
static unsigned machine_offs;
static bool disk_answers;

/* ---- the house
 * ------------------------------------------------------------------------------- */

uint64_t clock_now_ns(void)
{
	return now;
}

uint64_t clock_wall_ns(void)
{
	return now;
}

/* Time goes on when the test says so, and wakes the operator. */
void thread_block_until(uint64_t deadline_ns)
{
	(void)deadline_ns;
	thread_block();
}

static struct thread *operator_thread;
static struct thread *sleeper; /* for whom all others run once, when it next sleeps */

/* As the kernel's: a wake-up that comes meanwhile has no effect afterwards. */
void thread_sleep_ns(uint64_t ns)
{
	now += ns;
	if (!sleeper || sleeper != fake_threads_current())
		return;
	sleeper = NULL;
	disk_answers = true;
	fake_threads_give_way();
	disk_answers = false;
}

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	(void)level, (void)area, (void)fmt;
}

static bool slow, room; /* takes every second byte that is offered */

bool console_put(struct console *console, char byte)
{
	size_t used = strlen(shown);

	(void)console;
	room = !room;
	if (slow && room)
		return false;
	assert_true(used + 1 < sizeof shown);
	shown[used] = byte;
	shown[used + 1] = '\0';
	return true;
}

void console_set_reader(struct console *console, void (*fn)(void *arg), void *arg)
{
	(void)console, (void)arg;
	wake = fn;
}

size_t console_read(struct console *console, char *buf, size_t bytes)
{
	size_t n = MIN(bytes, typed_count);

	(void)console;
	operator_thread = fake_threads_current();
	memcpy(buf, typed, n);
	memmove(typed, typed + n, typed_count - n);
	typed_count -= n;
	return n;
}

void show_list(struct sink *to)
{
	sink_text(to, "a list\n");
}

void show_cpus(struct sink *to)
{
	(void)to;
}

void show_memory(struct sink *to)
{
	(void)to;
}

void show_machine(struct sink *to)
{
	(void)to;
}

/* Of many lines, some before the disk is waited for. */
void show_disks(struct sink *to)
{
	sink_text(to, "nvme0\n");
	while (!disk_answers)
		thread_block();
	for (unsigned i = 1; i < 1000; i++)
		sink_print(to, "nvme%u\n", i);
}

void show_networks(struct sink *to)
{
	(void)to;
}

void show_stations(struct sink *to)
{
	(void)to;
}

void show_metrics(struct sink *to)
{
	/* U+009B as a byte, in UTF-8, and cut in two; then characters with such bytes in them.
	 */
	sink_text(to, "figures\x1b \x9b \xc2\x9b \xc2");
	sink_text(to, "\x9b \xc2\xa0 \xc4\x9b \xe2\x82");
	sink_text(to, "\xac \xe2\x9b \x9b\n");
}

void show_json(struct sink *to, const char *what)
{
	while (show_json_waits(what) && !disk_answers)
		thread_block();
	sink_print(to, "json of %s\n", what ? what : "nothing");
}

bool show_json_waits(const char *what)
{
	return what && !strcmp(what, "disks");
}

void show_log(struct sink *to, unsigned lines)
{
	sink_print(to, "%u lines\n", lines);
}

void show_guest(struct sink *to, struct guest *guest)
{
	sink_print(to, "this is %s\n", guest_name(guest));
}

void show_counters(struct sink *to, struct guest *guest)
{
	(void)to, (void)guest;
}

static void machine_off(bool reboot)
{
	(void)reboot;
	machine_offs++;
}

/* A disk that may never answer. */
static int create(const char *path, uint64_t *bytes, unsigned stripes,
		  char why[STORAGE_WHY_BYTES])
{
	(void)path, (void)bytes, (void)stripes, (void)why;
	while (!disk_answers)
		thread_block();
	return 0;
}

static int remove_it(const char *path, char why[STORAGE_WHY_BYTES])
{
	(void)path;
	snprintf(why, STORAGE_WHY_BYTES, "names no\x1b[2J volume");
	return -ENOENT;
}

const struct volume_provider *volume_provider(void)
{
	static const struct volume_provider provider = {.create = create, .remove = remove_it};

	return &provider;
}

/* ---- typing
 * ---------------------------------------------------------------------------------- */

static void press(const char *keys)
{
	size_t bytes = strlen(keys);

	assert_true(typed_count + bytes <= sizeof typed);
	memcpy(typed + typed_count, keys, bytes);
	typed_count += bytes;
	wake(NULL);
	fake_threads_run();
}

static const char *type(const char *keys)
{
	shown[0] = '\0';
	press(keys);
	return shown;
}

/* What a command says: all between its line and the prompt. */
static const char *say(const char *command)
{
	static char line[256];
	size_t bytes;

	snprintf(line, sizeof line, "%s\r", command);
	type(line);
	bytes = strlen(shown) - strlen(PROMPT);
	assert_string_equal(shown + bytes, PROMPT);
	shown[bytes] = '\0';
	assert_int_equal(fake_guests_held(), 0);
	return shown + strlen(command) + 1;
}

static void pass(uint64_t ns)
{
	now += ns;
	wake(NULL);
	fake_threads_run();
}

/* The disk answers all that wait for it. */
static void answer(void)
{
	disk_answers = true;
	fake_threads_disturb();
	disk_answers = false;
}

static int fresh(void **state)
{
	(void)state;
	fake_guests_reset(2);
	return 0;
}

static int start(void **state)
{
	(void)state;
	fake_threads_refused = true;
	assert_int_equal(operator_init(NULL), -ENOMEM);
	assert_null(wake);
	fake_threads_refused = false;
	assert_int_equal(power_init(machine_off), 0);
	assert_int_equal(operator_init((struct console *)1), 0);
	return 0;
}

/* ---- tests
 * ----------------------------------------------------------------------------------- */

static void commands_and_actions_are_listed(void **state)
{
	const char *help = say("help");

	(void)state;
	assert_non_null(strstr(help, "list               all guests and how they are\n"));
	assert_non_null(strstr(help, "\nshutdown  GUEST    press its power button"));
	assert_non_null(strstr(help, "\nlvcreate  VOLUME SIZE [STRIPES] make a logical"));
	assert_non_null(strstr(help, "\njobs "));
}

static void reports_are_called(void **state)
{
	(void)state;
	assert_string_equal(say("list"), "a list\n");
	assert_string_equal(say("log 3"), "3 lines\n");
	assert_string_equal(say("log"), "20 lines\n");
	/* No control character passes. */
	assert_string_equal(say("metrics"), "figures? ? \xc2? \xc2? \xc2\xa0 \xc4\x9b "
					    "\xe2\x82\xac \xe2\x9b ?\n");
	assert_string_equal(say("json"), "json of nothing\n");
	assert_string_equal(say("json guests"), "json of guests\n");
	assert_string_equal(say("log x"), "log takes a number of lines, from 1 on.\n");
	assert_string_equal(say("show beta"), "this is beta\n");
	assert_string_equal(say("show nobody"),
			    "There is no guest \"nobody\". The guests are: alpha beta.\n");
	assert_string_equal(say("show"), "The guests are: alpha beta.\n");
	assert_string_equal(say("dance"),
			    "There is no command \"dance\"; `help` lists them.\n");
	assert_string_equal(say(""), "");
	assert_string_equal(say("jobs"), "There were no jobs yet.\n");
}

static void actions_are_asked_by_the_operator(void **state)
{
	(void)state;
	assert_string_equal(say("stop beta"), "");
	assert_string_equal(fake_guests[1].asked, "stop");
	assert_int_equal(fake_guests[1].by.kind, ACTOR_CONSOLE);
	assert_string_equal(say("start nobody"),
			    "There is no guest \"nobody\". The guests are: alpha beta.\n");
	assert_string_equal(say("start"), "The guests are: alpha beta.\n");
	assert_string_equal(say("stop a b"), "unknown key 'b'; known here: guest.\n"
					     "Write: stop GUEST\n");
}

static void mistakes_get_the_action_s_own_words(void **state)
{
	(void)state;
	assert_string_equal(say("lvcreate"),
			    "Say which and how large: lvcreate vg0/web 10 GiB. A number behind "
			    "it is on how many disks at once.\n");
	assert_non_null(strstr(say("lvcreate vg0/x 10"), "size is '10', without a unit"));
	assert_non_null(strstr(say("lvcreate vg0/x 10"), "\nSay which and how large"));
	assert_non_null(strstr(say("lvremove vg0/old yes"), "Say which: lvremove vg0/web."));
	assert_non_null(strstr(say("balloon"), "Say which guest"));
	assert_non_null(strstr(say("balloon alpha much"), "That is no size"));
	assert_non_null(strstr(say("cancel"), "Say which: cancel 7."));
}

/* A job that ends soon looks like a command. */
static void a_job_s_end_is_shown(void **state)
{
	(void)state;
	fake_guests[0].info.balloon.driven = false;
	assert_non_null(strstr(say("balloon alpha"), "alpha has 512 MiB and is to make do"));
	assert_string_equal(say("balloon alpha 512 MiB"),
			    "alpha is asked; `balloon alpha` says how far it is.\n");
	assert_string_equal(say("lvremove vg0/x destroy"), "vg0/x names no?[2J volume.\n");
	disk_answers = true;
	assert_string_equal(say("lvcreate vg0/x 1 GiB"), "vg0/x is new, with 1 GiB.\n");
	disk_answers = false;
}

/* What is pasted behind it waits, whole, for its end. */
static void what_is_typed_meanwhile_comes_later(void **state)
{
	(void)state;
	type("lvcreate vg0/x 1 GiB\rlist\rlog 7\r");
	assert_string_equal(shown, "lvcreate vg0/x 1 GiB\n");
	press("log 8\r");
	assert_string_equal(shown, "lvcreate vg0/x 1 GiB\n");
	answer();
	assert_string_equal(shown, "lvcreate vg0/x 1 GiB\nvg0/x is new, with 1 GiB.\n" PROMPT
				   "list\na list\n" PROMPT "log 7\n7 lines\n" PROMPT
				   "log 8\n8 lines\n" PROMPT);
}

/* More than is kept for it: the rest stays with the terminal until there is room. */
static void more_than_is_kept_is_not_lost(void **state)
{
	char line[5000];

	(void)state;
	memset(line, ' ', sizeof line);
	strcpy(line + sizeof line - 6, "list\r");
	type("lvcreate vg0/x 1 GiB\r");
	press(line);
	assert_true(typed_count > 0);
	answer();
	assert_int_equal(typed_count, 0);
	assert_non_null(strstr(shown, "vg0/x is new, with 1 GiB.\n"));
	/* A line holds less than that, and half of one is not obeyed. */
	assert_null(strstr(shown, "a list"));
	assert_non_null(strstr(shown, "\nThat line is longer than 511 characters: nothing was "
				      "done."));
	assert_string_equal(shown + strlen(shown) - strlen(PROMPT), PROMPT);
}

static uint64_t newest(void)
{
	uint64_t newest = 0;

	for (uint64_t number = job_next(0); number; number = job_next(number))
		newest = number;
	return newest;
}

/* After a while it is said how to leave it; Ctrl-C does, and drops what was typed before it. */
static void control_c_leaves_a_job_to_itself(void **state)
{
	char text[160];

	(void)state;
	type("lvcreate vg0/x 1 GiB\r");
	pass(2 * NSEC_PER_SEC);
	assert_null(strstr(shown, "-- job"));
	pass(NSEC_PER_SEC);
	pass(NSEC_PER_SEC);
	snprintf(text, sizeof text,
		 "lvcreate vg0/x 1 GiB\n-- job %u takes a while; Ctrl-C: do not wait for it "
		 "--\n",
		 (unsigned)newest());
	assert_string_equal(shown, text);

	type("list\r\x03");
	snprintf(
		text, sizeof text,
		"^C\nJob %u goes on; `jobs` says how far it is, `cancel %u` stops it.\n" PROMPT,
		(unsigned)newest(), (unsigned)newest());
	assert_string_equal(shown, text);
	assert_string_equal(say("list"), "a list\n");
	snprintf(text, sizeof text, "%5u running   lvcreate vg0/x, by the operator, 4 s\n",
		 (unsigned)newest());
	assert_non_null(strstr(say("jobs"), text));
	snprintf(text, sizeof text, "cancel %u", (unsigned)newest());
	assert_non_null(strstr(say(text), "lvcreate cannot be stopped: what it changes on"));
	answer();
	snprintf(text, sizeof text,
		 "%5u done      lvcreate vg0/x, by the operator, 4 s\n"
		 "      vg0/x is new, with 1 GiB.\n",
		 (unsigned)newest());
	assert_non_null(strstr(say("jobs"), text));
}

/* One that ends while the console waits for its terminal is seen to have ended. */
static void an_end_behind_a_slow_terminal_is_seen(void **state)
{
	(void)state;
	type("lvcreate vg0/x 1 GiB\r");
	slow = true;
	sleeper = operator_thread;
	pass(3 * NSEC_PER_SEC);
	slow = false;
	assert_null(sleeper);
	assert_non_null(strstr(shown, "-- job"));
	assert_non_null(strstr(shown, "vg0/x is new, with 1 GiB.\n" PROMPT));
}

static void nobody_waits_for_ever(void **state)
{
	(void)state;
	type("lvcreate vg0/x 1 GiB\r");
	pass(59 * NSEC_PER_SEC);
	assert_null(strstr(shown, "goes on"));
	pass(NSEC_PER_SEC);
	assert_non_null(strstr(shown, "goes on; `jobs` says how far it is"));
	assert_string_equal(say("list"), "a list\n");
	answer();
}

/* Guests that listen are waited for; `jobs` says how many, and the operator thinks again. */
static void switching_off_is_a_job(void **state)
{
	char text[160];

	(void)state;
	machine_offs = 0;
	assert_string_equal(say("poweroff"), "");
	assert_string_equal(fake_guests[0].asked, "shutdown");
	snprintf(text, sizeof text,
		 "%5u running   poweroff, by the operator, 0 s\n"
		 "      waiting for 2 of 2 guests, 0 of 2\n",
		 (unsigned)newest());
	assert_non_null(strstr(say("jobs"), text));
	snprintf(text, sizeof text, "cancel %u", (unsigned)newest());
	assert_non_null(strstr(say(text), "is asked to stop.\n"));
	assert_non_null(strstr(say("jobs"), "cancelled poweroff, by the operator, 0 s\n"
					    "      The machine stays on.\n"));
	assert_int_equal(machine_offs, 0);
}

/* A terminal that has no room is waited for; nothing is left out. */
static void a_slow_terminal_gets_all(void **state)
{
	(void)state;
	slow = true;
	assert_string_equal(say("list"), "a list\n");
	slow = false;
}

/* As many as can be are stuck on disks: everything else goes on, and so does switching off. */
static void stuck_disks_block_only_their_jobs(void **state)
{
	(void)state;
	for (unsigned i = 0; i < JOBS_WORKERS_MAX; i++) {
		type("lvcreate vg0/x 1 GiB\r");
		press("\x03");
	}
	assert_non_null(strstr(say("lvcreate vg0/y 1 GiB"), "8 jobs run, which is as many as"));
	assert_string_equal(say("stop beta"), "");
	assert_string_equal(fake_guests[1].asked, "stop");
	assert_string_equal(say("list"), "a list\n");
	machine_offs = 0;

	/* `Ctrl-] q`, whose keys are the terminal's; with the console waiting for a disk. */
	fake_guests_reset(0);
	power_request(false, &actor_console);
	fake_threads_run();
	assert_int_equal(machine_offs, 1);
	assert_string_equal(say("reboot"), "");
	assert_int_equal(machine_offs, 2);
	answer();
}

/* A report that waits for a disk shows what it has, all of it once the disk answers, and can be
 * left; the next such waits its turn, and nothing else does. */
static void a_report_that_waits_can_be_left(void **state)
{
	(void)state;
	fake_threads_refused = true;
	assert_non_null(strstr(say("disks"), "has no memory for a thread"));
	fake_threads_refused = false;
	type("disks\rlist\r");
	assert_string_equal(shown, "disks\nnvme0\n");
	answer();
	assert_non_null(strstr(shown, "\nnvme998\nnvme999\n" PROMPT "list\na list\n" PROMPT));

	type("disks\r");
	assert_string_equal(shown, "disks\nnvme0\n");
	press("list\r\x03");
	assert_string_equal(shown, "disks\nnvme0\n^C\n" PROMPT);
	assert_string_equal(say("json disks"),
			    "One that was asked for before still waits for a disk.\n");
	assert_string_equal(say("json guests"), "json of guests\n");
	assert_string_equal(say("json"), "json of nothing\n");
	shown[0] = '\0';
	answer(); /* nobody wants to know any more */
	assert_string_equal(shown, "");

	type("json disks\r");
	pass(59 * NSEC_PER_SEC);
	assert_string_equal(shown, "json disks\n");
	pass(NSEC_PER_SEC);
	assert_string_equal(shown,
			    "json disks\nIt waits for a disk, and is left alone.\n" PROMPT);
	answer();
	disk_answers = true;
	assert_string_equal(say("json disks"), "json of disks\n");
	assert_non_null(strstr(say("disks"), "\nnvme999\n"));
	disk_answers = false;
}

static void events_are_shown_from_a_number_on(void **state)
{
	char text[64];
	uint64_t first;

	(void)state;
	now = 12345678 * NSEC_PER_USEC;
	first = event_post(EVENT_GUEST_STARTED, "web", "started, by the operator");
	event_post(EVENT_MACHINE_GOING_DOWN, "", "poweroff");
	snprintf(text, sizeof text, "events %u", (unsigned)first);
	say(text);
	snprintf(text, sizeof text, "%6u [  12.345678] guest-started web: started, by the",
		 (unsigned)first);
	assert_non_null(strstr(shown, text));
	assert_non_null(strstr(shown, "] machine-going-down: poweroff\n"));
	snprintf(text, sizeof text, "events %u", (unsigned)first + 2);
	assert_non_null(strstr(say(text), "There is none yet from"));
	assert_string_equal(say("events x"),
			    "events takes the number of the first one to show.\n");
	for (unsigned i = 0; i < EVENT_RING; i++)
		event_post(EVENT_GUEST_ADDED, "web", "number %u", i);
	shown[0] = '\0';
	snprintf(text, sizeof text, "events %u", (unsigned)first);
	assert_non_null(strstr(say(text), "-- 2 older ones are no longer here --\n"));
	say("events"); /* the last ones */
	assert_null(strstr(shown, "number 491\n"));
	assert_non_null(strstr(shown, "number 492\n"));
	assert_non_null(strstr(shown, "number 511\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(commands_and_actions_are_listed, fresh),
		cmocka_unit_test_setup(reports_are_called, fresh),
		cmocka_unit_test_setup(actions_are_asked_by_the_operator, fresh),
		cmocka_unit_test_setup(mistakes_get_the_action_s_own_words, fresh),
		cmocka_unit_test_setup(a_job_s_end_is_shown, fresh),
		cmocka_unit_test_setup(what_is_typed_meanwhile_comes_later, fresh),
		cmocka_unit_test_setup(more_than_is_kept_is_not_lost, fresh),
		cmocka_unit_test_setup(control_c_leaves_a_job_to_itself, fresh),
		cmocka_unit_test_setup(an_end_behind_a_slow_terminal_is_seen, fresh),
		cmocka_unit_test_setup(nobody_waits_for_ever, fresh),
		cmocka_unit_test_setup(switching_off_is_a_job, fresh),
		cmocka_unit_test_setup(a_slow_terminal_gets_all, fresh),
		cmocka_unit_test_setup(stuck_disks_block_only_their_jobs, fresh),
		cmocka_unit_test_setup(a_report_that_waits_can_be_left, fresh),
		cmocka_unit_test_setup(events_are_shown_from_a_number_on, fresh),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}

/*
 * The house of the operator's console for its tests: guests, reports, volumes, terminal and
 * clock are played, actions and jobs are the real ones. Typing, and what comes of it.
 */
#ifndef TESTS_UNIT_OPERATOR_HOUSE_H
#define TESTS_UNIT_OPERATOR_HOUSE_H

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
#include "guests/catalogue/catalogue.h"
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
DOCUMENT_ACTION(image);

static uint64_t now;
static char shown[32768];
static char typed[8192];
static size_t typed_count;
static void (*wake)(void *arg);
static unsigned machine_offs;
static bool disk_answers;

/* ---- the catalogue ----------------------------------------------------------------------
 */

int catalogue_named(const char *source, char text[CATALOGUE_NAMED_BYTES])
{
	(void)source;
	text[0] = '\0';
	return 0;
}

/* ---- the house ----------------------------------------------------------------- */

uint64_t clock_now_ns(void)
{
	return now;
}

uint64_t clock_wall_ns(void)
{
	return now + 1000000000 * NSEC_PER_SEC; /* 2001-09-09 01:46:40 */
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

void show_previous_log(struct sink *to)
{
	sink_text(to, "previous\n");
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

void catalogue_host(struct host_config *host)
{
	*host = (struct host_config){.shutdown_timeout_seconds = 300};
}

static void machine_off(bool reboot)
{
	(void)reboot;
	machine_offs++;
}

/* A disk that may never answer, in the midst of what can't be ended half-way. */
static int create(const char *path, uint64_t *bytes, unsigned stripes,
		  const struct volume_watch *watch, char why[STORAGE_WHY_BYTES])
{
	(void)path, (void)bytes, (void)stripes, (void)why;
	assert_int_equal(watch->commit(watch->arg), 0);
	while (!disk_answers)
		thread_block();
	return 0;
}

static int remove_it(const char *path, const struct volume_watch *watch,
		     char why[STORAGE_WHY_BYTES])
{
	(void)path, (void)watch;
	snprintf(why, STORAGE_WHY_BYTES, "names no\x1b[2J volume");
	return -ENOENT;
}

const struct volume_provider *volume_provider(void)
{
	static const struct volume_provider provider = {.create = create, .remove = remove_it};

	return &provider;
}

/* ---- typing -------------------------------------------------------------------- */

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
	fake_threads_run(); /* it has prompted */
	return 0;
}

#endif

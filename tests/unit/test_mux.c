/*
 * The terminal as guests come and go: who is new is shown by name, what one that was removed
 * printed is shown to its end, and its place is the next one's. With consoles, screen and keys
 * as they are; the line is a fake. What the screen makes of bytes is test_screen's.
 */
/* links: guests/console/mux.c guests/devices/console.c guests/console/screen.c */
/* links: guests/console/row.c guests/console/keys.c kernel/lib/utf8.c guests/events/actor.c */
/* links: tests/unit/fake_threads.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "guests/actions/power.h"
#include "guests/console/mux.h"
#include "guests/console/operator.h"
#include "guests/devices/console.h"
#include "guests/devices/uart.h"
#include "kernel/cpu/apic.h"
#include "kernel/cpu/clock.h"
#include "kernel/cpu/traps.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/thread.h"
#include "tests/unit/fake_threads.h"

static char shown[1 << 16]; /* what the line took */
static size_t shown_bytes;
static const char *typed = "";
static bool line_busy;
static void (*on_input_fn)(void *arg);
static void *on_input_arg;
static uint64_t now_ns;
static unsigned held;

static size_t try_write(struct chardev *dev, const char *buf, size_t bytes)
{
	(void)dev;
	if (line_busy)
		return 0;
	memcpy(shown + shown_bytes, buf, bytes);
	shown_bytes += bytes;
	return bytes;
}

static int get(struct chardev *dev)
{
	(void)dev;
	return *typed ? (unsigned char)*typed++ : -1;
}

static int on_input(struct chardev *dev, void (*fn)(void *arg), void *arg)
{
	(void)dev;
	on_input_fn = fn;
	on_input_arg = arg;
	return 0;
}

static struct chardev line = {.try_write = try_write, .getc = get, .on_input = on_input};

/* ---- around it --------------------------------------------------------------------------- */

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	held++;
	return calloc(1, bytes);
}

void heap_free(void *p)
{
	held -= p != NULL;
	free(p);
}

uint64_t clock_now_ns(void)
{
	return now_ns;
}

/* Time stands still for who waits for something that is due. */
void thread_block_until(uint64_t deadline_ns)
{
	(void)deadline_ns;
	thread_block();
}

int operator_init(struct console *console)
{
	(void)console;
	return 0;
}

static struct {
	bool waits, late;
	unsigned requests, waited, called_off;
} power;

void power_request(bool reboot, bool at_once, const struct actor *actor)
{
	(void)actor;
	assert_false(reboot || at_once);
	power.requests++;
}

bool power_waits(char text[LEAVERS_TEXT_BYTES])
{
	strcpy(text, power.waits ? "alpha (booting, 7 s)" : "");
	return power.waits;
}

int power_wait(const char *name, uint64_t ns)
{
	assert_string_equal(name, "");
	assert_int_equal(ns, 60 * NSEC_PER_SEC);
	power.waited++;
	return power.waits ? 0 : -1;
}

bool power_call_off(void)
{
	power.called_off++;
	return !power.late;
}

int trap_alloc_vector(trap_handler handler, void *arg)
{
	(void)handler, (void)arg;
	return 100;
}

void apic_send_ipi(uint32_t apic_id, unsigned vector)
{
	(void)apic_id, (void)vector;
}

void log_attach(struct log_sink *sink)
{
	(void)sink;
}

bool log_in_panic(void)
{
	return false;
}

size_t log_tail(char *buf, size_t bytes)
{
	(void)buf, (void)bytes;
	return 0;
}

size_t uart_receive(struct uart *u, const uint8_t *buf, size_t bytes)
{
	(void)u, (void)buf;
	return bytes;
}

void uart_drained(struct uart *u)
{
	(void)u;
}

/* ---- the tests ----------------------------------------------------------------------------
 */

/* Runs the terminal until it sleeps, and once more when it is quiet: then unfinished lines are
 * shown. Returns what the line took. */
static const char *look(void)
{
	shown_bytes = 0;
	for (unsigned i = 0; i < 3; i++) {
		on_input_fn(on_input_arg);
		fake_threads_run();
		now_ns += NSEC_PER_SEC;
	}
	shown[shown_bytes] = '\0';
	return shown;
}

static const char *type(const char *keys)
{
	typed = keys;
	return look();
}

static void print(struct console *console, const char *text)
{
	assert_int_equal(console_write(console, text, strlen(text)), strlen(text));
}

static void leave(struct console *console)
{
	console_hide(console);
	console_release(console);
}

static void guests_come_and_go(void **state)
{
	struct console *alpha = console_create("alpha"), *beta = console_create("beta"), *gamma;
	unsigned before;

	(void)state;
	assert_null(strstr(look(), "-- keyboard:")); /* the host has it from the start */
	print(alpha, "one\r\n");
	print(beta, "two\r\n");
	look();
	assert_non_null(strstr(shown, "-- keyboard: alpha --"));
	assert_non_null(strstr(shown, "alpha| one\r\n"));
	assert_non_null(strstr(shown, "beta| two\r\n"));
	assert_non_null(strstr(type("\x1d"
				    "2"),
			       "-- keyboard: beta --"));

	/* What it printed last is shown, though the line is busy for a while; then it has gone,
	 * and the keyboard is the host's. */
	before = held;
	line_busy = true;
	print(beta, "last words\r\n");
	leave(beta);
	look();
	line_busy = false;
	look();
	assert_non_null(strstr(shown, "beta| last words\r\n"));
	look();
	assert_int_equal(held, before - 1);
	assert_non_null(strstr(type("\x1d"
				    "2"),
			       "-- there is no guest 2 --"));
	/* It is left out on the way round: the host, alpha, the host. */
	assert_non_null(strstr(type("\x1dn"), "-- keyboard: alpha --"));
	assert_non_null(strstr(type("\x1dn"), "-- keyboard: host --"));
	assert_non_null(strstr(type("\x1dp"), "-- keyboard: alpha --"));

	/* The next one has its place, and nothing of its line. */
	gamma = console_create("gamma");
	print(gamma, "three\r\n");
	assert_non_null(strstr(look(), "gamma| three\r\n"));
	assert_non_null(strstr(type("\x1d"
				    "2"),
			       "-- keyboard: gamma --"));
	leave(alpha);
	leave(gamma);
	look();
}

/* Removed before the terminal had its turn, and another at its place: the old one's words, then
 * the new one's, each whole; and the keyboard is the host's. */
static void one_after_the_other_at_one_place(void **state)
{
	struct console *old = console_create("web"), *new;
	const char *first, *second;

	(void)state;
	look();
	type("\x1d"
	     "1");
	print(old, "unfinished");
	look();
	print(old, " words");
	leave(old);
	new = console_create("web2");
	print(new, "fresh\r\n");
	look();
	first = strstr(shown, " words");
	second = strstr(shown, "web2| fresh\r\n");
	assert_true(first && second && first < second);
	assert_null(strstr(shown, "wordsfresh"));
	assert_non_null(strstr(shown, "-- keyboard: host --"));
	leave(new);
	look();
}

/* Only what is the same guest by its name keeps keyboard and screen. */
static void one_that_comes_again_has_the_keyboard(void **state)
{
	struct console *web = console_create("web"), *other;

	(void)state;
	look();
	type("\x1d"
	     "1");
	leave(web);
	web = console_create("web");
	assert_null(strstr(look(), "-- keyboard"));
	type("\x1do");
	print(web, "\x1b[2J");
	assert_non_null(strstr(look(), "\x1b[2J"));
	leave(web);
	other = console_create("other");
	print(other, "\x1b[2J.\r\n");
	assert_non_null(strstr(look(), "-- keyboard: host --"));
	assert_null(strstr(shown, "\x1b[2J"));
	leave(other);
	look();
}

/* The terminal is woken once for all that happened, and shows all of it before it sleeps. */
static void one_wake_up_is_enough(void **state)
{
	struct console *old = console_create("old"), *new;

	(void)state;
	look();
	leave(old);
	new = console_create("new");
	print(new, "first words\r\n");
	shown_bytes = 0;
	fake_threads_run();
	shown[shown_bytes] = '\0';
	assert_non_null(strstr(shown, "new| first words\r\n"));
	leave(new);
	look();
}

/* Switching off is asked for twice; while it waits the same keys say for whom, and what now. */
static void switching_off(void **state)
{
	(void)state;
	memset(&power, 0, sizeof power);
	assert_non_null(strstr(type("\x1dq"), "-- power this machine off? q or y does it --"));
	assert_non_null(strstr(type("n"), "-- it stays on --"));
	assert_int_equal(power.requests, 0);
	type("\x1dqq");
	assert_int_equal(power.requests, 1);
	assert_non_null(strstr(type("\x1dqw"), "-- nothing is being shut down --"));

	power.waits = true;
	assert_non_null(strstr(type("\x1dq"),
			       "-- waiting for alpha (booting, 7 s). q: switch them off now; "
			       "w: wait 60 s longer; c: keep the machine on --"));
	assert_non_null(strstr(type("n"), "-- it goes on shutting down --"));
	assert_non_null(strstr(type("\x1dqw"), "-- all that are shutting down have 60 s more"));
	assert_int_equal(power.waited, 2);
	assert_int_equal(power.called_off, 0);
	assert_non_null(strstr(type("\x1dqc"), "-- it stays on --"));
	assert_int_equal(power.called_off, 1);
	power.late = true;
	assert_non_null(
		strstr(type("\x1dqc"), "-- too late: the guests are being switched off"));
	assert_int_equal(power.requests, 1);
	type("\x1dqq");
	assert_int_equal(power.requests, 2);
}

/* One that had the screen for itself gives it back. */
static void the_screen_is_given_back(void **state)
{
	struct console *web = console_create("web"), *other = console_create("other");

	(void)state;
	look();
	type("\x1d"
	     "1");
	type("\x1do");
	leave(web);
	look();
	print(other, "seen\r\n");
	assert_non_null(strstr(look(), "other| seen\r\n"));
	leave(other);
	look();
}

static unsigned prompts; /* so often was it shown since talk() began */

/* Another prints a line every `ns`, for `lines` lines, and the terminal runs between them. */
static void talk(struct console *other, unsigned lines, uint64_t ns)
{
	for (unsigned i = 0; i < lines; i++) {
		print(other, "blah\r\n");
		for (uint64_t passed = 0; passed < ns; passed += 10 * NSEC_PER_MSEC) {
			on_input_fn(on_input_arg);
			fake_threads_run();
			now_ns += 10 * NSEC_PER_MSEC;
		}
	}
	shown[shown_bytes] = '\0';
	prompts = 0;
	for (const char *at = shown; (at = strstr(at, "web| ~ # ")); at++)
		prompts++;
}

/* What is on the line is the prompt, and not what others said. */
static bool prompt_is_last(void)
{
	return shown_bytes >= 9 && !strcmp(shown + shown_bytes - 9, "web| ~ # ");
}

/* The prompt of who has the keyboard, and does nothing, while another talks on and on. */
static void an_idle_prompt_is_not_repeated(void **state)
{
	struct console *web = console_create("web"), *other = console_create("other");

	(void)state;
	look();
	type("\x1d"
	     "1");
	shown_bytes = 0;
	print(web, "~ # ");
	talk(other, 100, 100 * NSEC_PER_MSEC);
	assert_int_equal(prompts, 1); /* shown when it came */
	talk(other, 1, 1900 * NSEC_PER_MSEC);
	assert_int_equal(prompts, 1);
	talk(other, 1, 2100 * NSEC_PER_MSEC);
	assert_int_equal(prompts, 2); /* and again when the other was quiet, at the bottom */
	assert_true(prompt_is_last());
	talk(other, 20, 3 * NSEC_PER_SEC);
	assert_int_equal(prompts, 2);

	/* A key that is not echoed, and one that is. */
	typed = "s";
	talk(other, 1, 100 * NSEC_PER_MSEC);
	assert_int_equal(prompts, 3);
	assert_true(prompt_is_last());
	talk(other, 20, 100 * NSEC_PER_MSEC);
	assert_int_equal(prompts, 3);
	print(web, "l");
	talk(other, 1, 100 * NSEC_PER_MSEC);
	assert_int_equal(prompts, 4);
	assert_string_equal(shown + shown_bytes - 10, "web| ~ # l");
	leave(web);
	leave(other);
	look();
}

static int start(void **state)
{
	(void)state;
	return mux_init(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guests_come_and_go),
		cmocka_unit_test(one_after_the_other_at_one_place),
		cmocka_unit_test(one_that_comes_again_has_the_keyboard),
		cmocka_unit_test(one_wake_up_is_enough),
		cmocka_unit_test(an_idle_prompt_is_not_repeated),
		cmocka_unit_test(the_screen_is_given_back),
		cmocka_unit_test(switching_off),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}

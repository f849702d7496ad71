/*
 * Rings between threads: a guest's console, which its device fills and the terminal empties
 * while somebody types and the guest comes and goes; and the log, into which all write while
 * sinks come and go. Nothing is lost, doubled or mixed up.
 */
/* links: guests/devices/console.c kernel/log/log.c tests/stress/stress.c */
/* links: kernel/log/stamp.c kernel/lib/date.c */
#include "tests/stress/stress.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/devices/console.h"
#include "kernel/log/log.h"
#include "kernel/sched/thread.h"

#define BYTES 60000
#define LINES 2000
#define LOUD  3

static uint64_t seed = 0x2545f4914f6cdd1dull;

/* What the console asks of a UART; its reader here is a virtio console's stand-in. */
size_t uart_receive(struct uart *uart, const uint8_t *buf, size_t bytes)
{
	(void)uart, (void)buf;
	return bytes;
}

void uart_drained(struct uart *uart)
{
	(void)uart;
}

/* ---- the console ------------------------------------------------------------------------- */

static struct console *console;
static struct thread *device, *terminal;
static _Atomic bool over;
static _Atomic uint64_t printed, taken, typed, read_back;

static char byte_at(uint64_t n)
{
	return (char)('!' + n % 89);
}

static void wake_device(void *arg)
{
	thread_wake(arg);
}

static void wake_terminal(void *arg)
{
	(void)arg;
	thread_wake(terminal);
}

/* The guest's device: prints, and reads what was typed. */
static void run_device(void *arg)
{
	char piece[200];
	uint64_t random = seed;

	(void)arg;
	console_set_reader(console, wake_device, thread_current());
	while (printed < BYTES || read_back < BYTES) {
		size_t want = MIN((size_t)(1 + stress_random(&random) % sizeof piece),
				  (size_t)(BYTES - printed));
		size_t done, got;

		for (size_t i = 0; i < want; i++)
			piece[i] = byte_at(printed + i);
		done = want ? console_write(console, piece, want) : 0;
		printed += done;
		got = console_read(console, piece, 1 + stress_random(&random) % 100);
		for (size_t i = 0; i < got; i++)
			demand(piece[i] == byte_at(read_back + i));
		read_back += got;
		if (done < want || (!got && !want))
			thread_block();
	}
	console_set_reader(console, NULL, NULL);
}

static void run_terminal(void *arg)
{
	char piece[300];
	uint64_t random = seed * 3;

	(void)arg;
	while (taken < BYTES || typed < BYTES) {
		size_t got = console_take(console, piece, 1 + stress_random(&random) % 300);
		size_t want =
			MIN((size_t)(1 + stress_random(&random) % 80), (size_t)(BYTES - typed));

		for (size_t i = 0; i < got; i++)
			demand(piece[i] == byte_at(taken + i));
		taken += got;
		for (size_t i = 0; i < want; i++)
			piece[i] = byte_at(typed + i);
		want = want ? console_type(console, piece, want) : 0;
		typed += want;
		if (!got && !want)
			thread_block();
	}
}

static void test_console(void **state)
{
	(void)state;
	console = console_create("guest");
	assert_non_null(console);
	console_on_output(wake_terminal, NULL);
	terminal = stress_thread("terminal", run_terminal, NULL);
	device = stress_thread("device", run_device, NULL);
	thread_join(device);
	thread_wake(terminal);
	thread_join(terminal);
	assert_int_equal(taken, BYTES);
	assert_int_equal(read_back, BYTES);
}

/* ---- the log ----------------------------------------------------------------------------- */

static unsigned heard[LOUD]; /* last number of each, guarded by the log's lock */

static void hear(struct log_sink *sink, enum log_level level, const char *line, size_t bytes)
{
	unsigned who, number;
	const char *at = strstr(line, "who ");

	(void)sink, (void)level;
	demand(strlen(line) == bytes);
	if (!at)
		return;
	demand(sscanf(at, "who %u says %u", &who, &number) == 2 && who < LOUD);
	demand(number == heard[who] + 1);
	heard[who] = number;
}

static void ignore(struct log_sink *sink, enum log_level level, const char *line, size_t bytes)
{
	(void)sink, (void)level;
	demand(strlen(line) == bytes);
}

static void talk(void *arg)
{
	for (unsigned i = 1; i <= LINES; i++)
		log_info("stress", "who %u says %u %.*s", (unsigned)(uintptr_t)arg, i,
			 (int)(i % 40), "........................................");
}

static void come_and_go(void *arg)
{
	static char tail[8192];

	(void)arg;
	while (!over) {
		struct log_sink sink = {.write = ignore};

		log_attach(&sink);
		demand(log_tail(tail, sizeof tail) <= sizeof tail);
		sched_yield();
		log_detach(&sink);
	}
}

static void test_log(void **state)
{
	static struct log_sink sink = {.write = hear, .only_new = true};
	struct thread *loud[LOUD], *other;

	(void)state;
	log_attach(&sink);
	other = stress_thread("sinks", come_and_go, NULL);
	for (uintptr_t i = 0; i < LOUD; i++)
		loud[i] = stress_thread("loud", talk, (void *)i);
	for (unsigned i = 0; i < LOUD; i++)
		thread_join(loud[i]);
	over = true;
	thread_join(other);
	for (unsigned i = 0; i < LOUD; i++)
		assert_int_equal(heard[i], LINES);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_console),
					   cmocka_unit_test(test_log)};

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0) | 1;
	return cmocka_run_group_tests(tests, stress_start, NULL);
}

/*
 * One guest's console: the ring of what it printed and nobody has shown yet, and the way for
 * what is typed to it. Lives as long as the guest is configured, through all its restarts; and
 * as long as somebody still shows it.
 */
#ifndef GUESTS_CONSOLE_CONSOLE_H
#define GUESTS_CONSOLE_CONSOLE_H

#include "guests/devices/uart.h"

struct console;

#define CONSOLE_RING_BYTES 8192
#define CONSOLE_MAX	   65 /* the host's own, and CONFIG_GUESTS_MAX guests' */

/* Creates a console and lists it at the first free place. NULL when out of memory, or of
 * places. Its creator has a reference, to be released after console_hide(). Thread context. */
struct console *console_create(const char *name);
/* Takes it off the list: its place is free. What it printed can still be taken by who has a
 * reference. Thread context. */
void console_hide(struct console *console);
const char *console_name(const struct console *console);
/* The console at a place below CONSOLE_MAX, with a reference; NULL: nobody's. Thread context.
 */
struct console *console_hold(unsigned place);
void console_release(struct console *console); /* NULL is fine. Thread context. */
/* How often the list has changed so far. */
unsigned console_changes(void);

/* Called once, before any output: whom to tell, from any context, that there is something to
 * take or room to type. */
void console_on_output(void (*fn)(void *arg), void *arg);

/* The host end for a guest's UART. */
struct uart_host console_uart_host(struct console *console);
/* The UART to type into; NULL while the guest does not run. A guest that starts again begins on
 * a line of its own. Thread context. */
void console_set_uart(struct console *console, struct uart *uart);

/* Another device than the UART is typed to, for as long as it likes: `wake` is called when
 * something is typed, and when there is room again after console_write() took less than it was
 * given. It may come from any thread, under spinlocks. NULL: the UART again; `wake` is not
 * called any more. Thread context. */
void console_set_reader(struct console *console, void (*wake)(void *arg), void *arg);
/* What was typed, at most `bytes`, for the reader. Returns how much. Any thread. */
size_t console_read(struct console *console, char *buf, size_t bytes);

/* Prints as a guest's UART does: false when there is no room. Any context. */
bool console_put(struct console *console, char byte);
/* Prints `bytes`; returns how many there was room for. Any context. */
size_t console_write(struct console *console, const char *buf, size_t bytes);

/* Since it was created. */
struct console_info {
	uint64_t printed_bytes, typed_bytes; /* that found room */
	bool has_reader; /* console_set_reader(): typed to, instead of the UART */
};
/* Any context. */
void console_get_info(struct console *console, struct console_info *info);

/* Takes output out of the ring; returns bytes. Lets a waiting guest go on, and types what it
 * had no room for. Any thread. */
size_t console_take(struct console *console, char *buf, size_t bytes);

/* Types to the guest. What it does not take now waits in a small ring. Returns how many bytes
 * found room; who takes output is told when there is more. Any thread. */
size_t console_type(struct console *console, const char *buf, size_t bytes);

#endif

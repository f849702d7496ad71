/*
 * One guest's console: the ring of what it printed and nobody has shown yet, and the way for
 * what is typed to it. Lives as long as the guest is configured, through all its restarts.
 */
#ifndef GUESTS_CONSOLE_CONSOLE_H
#define GUESTS_CONSOLE_CONSOLE_H

#include "guests/devices/uart.h"

struct console;

#define CONSOLE_RING_BYTES 8192

/* NULL when out of memory. `written` is called, from any context, after output was added. */
struct console *console_create(const char *name);
const char *console_name(const struct console *console);

/* Called once, before any output: whom to tell that there is some. Any context. */
void console_on_output(void (*fn)(void *arg), void *arg);

/* The host end for a guest's UART. */
struct uart_host console_uart_host(struct console *console);
/* The UART to type into; NULL while the guest does not run. Thread context. */
void console_set_uart(struct console *console, struct uart *uart);

/* Takes output out of the ring; returns bytes. Lets a waiting guest go on. Any thread. */
size_t console_take(struct console *console, char *buf, size_t bytes);
bool console_has_output(const struct console *console);

/* Types to the guest. What its UART does not take now waits in a small ring; what does not fit
 * there is lost, as on a real line. Any thread. */
void console_type(struct console *console, const char *buf, size_t bytes);

#endif

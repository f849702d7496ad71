/*
 * The operator's console: commands about guests and the machine, typed on the terminal. Its
 * actions are those of guests/guest/guest.h. Nothing here depends on what guests do.
 */
#ifndef GUESTS_CONSOLE_OPERATOR_H
#define GUESTS_CONSOLE_OPERATOR_H

#include "kernel/lib/types.h"

struct console;

/* Starts it. It prints to `console`, and reads what is typed there; `machine_off` as in struct
 * mux_params. 0 or -ENOMEM. */
int operator_init(struct console *console, void (*machine_off)(bool reboot));

/* For what commands print; control bytes but '\n' come out as '?'. On the operator's thread; it
 * sleeps while the terminal is behind. */
void operator_say(const char *fmt, ...) printf_like(1, 2);

/* Asks all running guests to shut down, waits up to 10 s for them, and powers the machine off
 * or resets it. Asked a second time, it waits no longer. Returns at once. Any context. */
void operator_power_off(bool reboot);

#endif

/*
 * The operator's console: commands about guests and the machine, typed on the terminal. What
 * they do is guests/actions' and the reports'. Nothing here depends on what guests do.
 */
#ifndef GUESTS_CONSOLE_OPERATOR_H
#define GUESTS_CONSOLE_OPERATOR_H

#include "kernel/lib/types.h"

struct console;

/* Starts it. It prints to `console`, and reads what is typed there. 0 or -ENOMEM. */
int operator_init(struct console *console);

/* For what commands print; control bytes but '\n' come out as '?'. On the operator's thread; it
 * sleeps while the terminal is behind. */
void operator_say(const char *fmt, ...) printf_like(1, 2);

#endif

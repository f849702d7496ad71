/* Words for the operator, on the operator's console. */
#ifndef GUESTS_CONSOLE_OPERATOR_SAY_H
#define GUESTS_CONSOLE_OPERATOR_SAY_H

#include "kernel/lib/types.h"

struct console;

void operator_say_to(struct console *console); /* once, before anything is said */

/* For what commands print; control bytes but '\n' come out as '?'. On the operator's thread; it
 * sleeps while the terminal is behind. */
void operator_say(const char *fmt, ...) printf_like(1, 2);
/* The same as it is, control bytes too. */
void operator_print(const char *text);

#endif

/* What is said to the operator. */
#include "guests/console/operator_say.h"

#include <stdarg.h>
#include <stdio.h>

#include "guests/devices/console.h"
#include "kernel/sched/thread.h"

#define SAY_BYTES 640 /* a line of the log and a bit */

static struct console *console;

void operator_say_to(struct console *to)
{
	console = to;
}

void operator_print(const char *text)
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
	operator_print(text);
}

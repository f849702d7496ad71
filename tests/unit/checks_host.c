/* See checks_host.h. Linked to every unit test. */
#include "tests/unit/checks_host.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define IF BIT(9)

static _Thread_local struct check_held cpu, thread;
_Thread_local bool checks_irqs_off, checks_in_irq, checks_window_open;
char *checks_expected;

struct check_held *checks_this_cpu(void)
{
	return &cpu;
}

struct check_held *checks_this_thread(void)
{
	return &thread;
}

bool check_irqs_on(void)
{
	return !checks_irqs_off;
}

bool check_starting(void)
{
	return false;
}

bool check_in_irq(void)
{
	return checks_in_irq;
}

bool check_window_open(void)
{
	return checks_window_open;
}

uint64_t check_irq_save(void)
{
	bool off = checks_irqs_off;

	checks_irqs_off = true;
	return off ? 0 : IF;
}

void check_irq_restore(uint64_t flags)
{
	if (flags & IF)
		checks_irqs_off = false;
}

void check_failed(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (checks_expected && !*checks_expected) /* what follows from it is of no interest */
		vsnprintf(checks_expected, CHECKS_TEXT_BYTES, fmt, args);
	else if (!checks_expected)
		vfprintf(stderr, fmt, args);
	va_end(args);
	if (checks_expected)
		return;
	fprintf(stderr, ": a rule of kernel/lib/checks.h is broken\n");
	abort();
}

/* What kernel/lib/checks asks of a CPU. Empty in builds without checks. */
#include "kernel/lib/checks.h"

#ifdef CHECKS

#include <stdarg.h>
#include <stdio.h>

#include "kernel/cpu/cpu.h"
#include "kernel/lib/x86.h"
#include "kernel/log/log.h"

static uint64_t rflags(void)
{
	uint64_t flags;

	__asm__ volatile("pushfq; pop %0" : "=r"(flags));
	return flags;
}

/* Once something panics the rules end: the log goes round its locks. */
struct check_held *checks_this_cpu(void)
{
	return log_in_panic() ? NULL : &cpu_this()->checks;
}

bool check_starting(void)
{
	return !cpu_this()->current;
}

bool check_irqs_on(void)
{
	return rflags() & RFLAGS_IF;
}

bool check_in_irq(void)
{
	return cpu_this()->irq_depth;
}

bool check_window_open(void)
{
	return cpu_features.smap && rflags() & RFLAGS_AC;
}

uint64_t check_irq_save(void)
{
	uint64_t flags = rflags();

	irq_disable();
	return flags;
}

void check_irq_restore(uint64_t flags)
{
	if (flags & RFLAGS_IF)
		irq_enable();
}

void check_announce(void)
{
	log_warn("checks", "locks, waits and frames' owners are checked: this kernel is for "
			   "tests, and slower");
}

void check_failed(const char *fmt, ...)
{
	char text[400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	panic("check: %s", text);
}

#endif

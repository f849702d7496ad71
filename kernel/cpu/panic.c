/*
 * The end of the machine: stops the other CPUs, says why and from where, halts. Declared in
 * kernel/log/log.h, since anyone may panic; here, since stopping CPUs is this layer's.
 */
#include "kernel/cpu/panic.h"

#include <stdatomic.h>

#include "kernel/cpu/cpu.h"
#include "kernel/cpu/dump.h"
#include "kernel/cpu/ipi.h"
#include "kernel/log/log.h"

static _Atomic bool panicked;

/* Only the first CPU to panic gets past this; one that panics while panicking halts. */
static void panic_begin(void)
{
	irq_disable();
	if (atomic_exchange(&panicked, true))
		cpu_park();
	smp_stop_others();
	log_enter_panic();
}

void panic(const char *fmt, ...)
{
	va_list args;

	panic_begin();
	va_start(args, fmt);
	log_vline(LOG_ERROR, "panic", fmt, args);
	va_end(args);
	log_info("panic", "on CPU %u, called from:", cpu_this()->index);
	dump_backtrace((uint64_t)__builtin_return_address(0),
		       *(const uint64_t *)__builtin_frame_address(0));
	log_info("panic", "The machine is stopped. Reset it to start again.");
	cpu_park();
}

void panic_at(const struct trap_frame *frame, const char *fmt, ...)
{
	va_list args;

	panic_begin();
	va_start(args, fmt);
	log_vline(LOG_ERROR, "panic", fmt, args);
	va_end(args);
	dump_frame(frame);
	log_info("panic", "The machine is stopped. Reset it to start again.");
	cpu_park();
}

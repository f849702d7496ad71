/*
 * The end of the machine: stops the other CPUs, says why and from where, halts. Declared in
 * kernel/log/log.h, since anyone may panic; here, since stopping CPUs is this layer's.
 */
#include "kernel/cpu/panic.h"

#include <stdatomic.h>

#include "kernel/cpu/cpu.h"
#include "kernel/cpu/extable.h"
#include "kernel/cpu/smp.h"
#include "kernel/log/ksyms.h"
#include "kernel/log/log.h"

#define BACKTRACE_MAX 32

extern const char kernel_entry[], __text_end[]; /* link.ld */

static _Atomic bool panicked;

static bool is_text(uint64_t address)
{
	return address >= (uint64_t)kernel_entry && address < (uint64_t)__text_end;
}

/* `back` is 1 for return addresses, which may be the next function's first byte. */
static void print_place(unsigned depth, uint64_t address, unsigned back)
{
	uint64_t offset;
	const char *name = ksyms_lookup(address - back, &offset);

	log_info("panic", "  #%-2u %#lx %s+%#lx", depth, address, name ? name : "?",
		 name ? offset + back : 0ul);
}

void panic_backtrace(uint64_t rip, uint64_t rbp)
{
	print_place(0, rip, 0);
	/* A frame lies above the one that it called, on the same stack, in the kernel's half.
	 */
	for (unsigned depth = 1; depth < BACKTRACE_MAX; depth++) {
		uint64_t caller_rbp, return_address;

		if (rbp < 1ull << 63 || load_safe(rbp, &caller_rbp) ||
		    load_safe(rbp + 8, &return_address) || !is_text(return_address))
			break;
		print_place(depth, return_address, 1);
		if (caller_rbp <= rbp || caller_rbp - rbp > CPU_STACK_BYTES)
			break;
		rbp = caller_rbp;
	}
}

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
	panic_backtrace((uint64_t)__builtin_return_address(0),
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
	trap_dump(frame);
	log_info("panic", "The machine is stopped. Reset it to start again.");
	cpu_park();
}

/* Panicking from within a trap. Everybody else uses panic() of kernel/log/log.h. */
#ifndef KERNEL_CPU_PANIC_H
#define KERNEL_CPU_PANIC_H

#include "kernel/cpu/vectors.h"

/* As panic(), with the registers and the backtrace of `frame` instead of the caller's. */
noreturn void panic_at(const struct trap_frame *frame, const char *fmt, ...) printf_like(2, 3);

#endif

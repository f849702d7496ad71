/* A CPU's state in the log, for a panic. */
#ifndef KERNEL_CPU_DUMP_H
#define KERNEL_CPU_DUMP_H

#include "kernel/cpu/vectors.h"

/* Prints the machine's state at `frame`: registers, symbolised backtrace, CPU. */
void dump_frame(const struct trap_frame *frame);

/* Logs the return addresses of the chain of frame pointers that starts at `rbp`, each with its
 * function's name. Stops at what cannot be a frame. Any context. */
void dump_backtrace(uint64_t rip, uint64_t rbp);

#endif

/* In place of kernel/cpu/fpu.h on the build machine: see instructions.h beside it. */
#ifndef TESTS_UNIT_CPU_FPU_H
#define TESTS_UNIT_CPU_FPU_H

#include "kernel/lib/types.h"

void fxsave(void *area) __attribute__((weak));
void fxrstor(const void *area) __attribute__((weak));
void xsave(void *area, uint64_t mask) __attribute__((weak));
void xrstor(const void *area, uint64_t mask) __attribute__((weak));
void x87_load_zero(void) __attribute__((weak));

#endif

/* In place of kernel/cpu/control.h on the build machine: see instructions.h beside it. */
#ifndef TESTS_UNIT_CPU_CONTROL_H
#define TESTS_UNIT_CPU_CONTROL_H

#include "kernel/lib/types.h"

#define REGISTER(name)                                    \
	uint64_t read_##name(void) __attribute__((weak)); \
	void write_##name(uint64_t) __attribute__((weak));
REGISTER(cr0)
REGISTER(cr2)
REGISTER(cr3)
REGISTER(cr4)
REGISTER(dr0)
REGISTER(dr1)
REGISTER(dr2)
REGISTER(dr3)
REGISTER(dr6)
#undef REGISTER

uint64_t xgetbv(void) __attribute__((weak));
void xsetbv(uint64_t value) __attribute__((weak));
uint64_t idt_base(void) __attribute__((weak));

#endif

/*
 * A page of registers that do something when they are read or written, for drivers that reach
 * them through a pointer: each access faults, and is told of. x86-64 Linux.
 */
#ifndef TESTS_UNIT_FAKE_MMIO_H
#define TESTS_UNIT_FAKE_MMIO_H

#include "kernel/lib/types.h"

/* Before a read, which finds what the function leaves in the page; after a write, which the
 * function finds there. The page is the functions' to use. */
struct fake_mmio_ops {
	void (*reading)(unsigned offset);
	void (*written)(unsigned offset);
};

/* The page, zeroed, the same each time; from the test's own body, as cmocka has handlers of
 * signals, too. */
volatile uint8_t *fake_mmio_start(const struct fake_mmio_ops *ops);

#endif

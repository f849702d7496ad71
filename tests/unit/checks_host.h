/*
 * What kernel/lib/checks asks of a CPU, on the build machine: each thread is one. irq_save()
 * and irq_restore() are real for the checks' purpose: they set a flag. A rule that is broken
 * ends the test, unless it says that it expects so.
 */
#ifndef TESTS_UNIT_CHECKS_HOST_H
#define TESTS_UNIT_CHECKS_HOST_H

#include "kernel/lib/checks.h"

#define CHECKS_TEXT_BYTES 512

/* Of the calling thread: as a test sets them. */
extern _Thread_local bool checks_irqs_off, checks_in_irq, checks_window_open;

/* Where the next complaints go, CHECKS_TEXT_BYTES; NULL: they end the test. */
extern char *checks_expected;

#endif

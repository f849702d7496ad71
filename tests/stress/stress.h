/*
 * The hypervisor around code under stress: threads, sleep, a clock and timers of the build
 * machine, all really concurrent, under ThreadSanitizer. For programs that are bounded by how
 * much they do, never by time. Not a fake: nothing here waits for the test to say so.
 *
 * What it cannot show is an interrupt on the CPU of who holds a lock: "any context" is another
 * thread here.
 */
#ifndef TESTS_STRESS_STRESS_H
#define TESTS_STRESS_STRESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/lib/types.h"

/* Its clock is so much faster than the wall's, so that what takes seconds there is soon here.
 */
#define STRESS_CLOCK 4

/* A thread of the kind that kernel/sched has: it may block, and be woken and joined. */
struct thread *stress_thread(const char *name, void (*fn)(void *arg), void *arg);

/* A group's setup: makes the calling thread one of those. */
int stress_start(void **state);

/* xorshift64*; each thread has a state of its own. The same sequence for the same seed, which
 * is what the program's argument is for; who runs when is the build machine's choice. */
uint64_t stress_random(uint64_t *state);
static inline bool stress_chance(uint64_t *state, unsigned one_in)
{
	return stress_random(state) % one_in == 0;
}

/* Demands in threads: cmocka's asserts are for the test's own. Ends the program. */
#define demand(condition)                                            \
	do {                                                         \
		if (!(condition))                                    \
			stress_fail(__FILE__, __LINE__, #condition); \
	} while (0)
_Noreturn void stress_fail(const char *file, int line, const char *condition);

extern _Atomic unsigned stress_log_lines;

#endif

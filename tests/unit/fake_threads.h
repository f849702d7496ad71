/*
 * Threads on the build machine, one at a time and when the test says so: a thread runs until it
 * blocks with nothing to wake it. For devices that have a thread; no preemption, no clock.
 */
#ifndef TESTS_UNIT_FAKE_THREADS_H
#define TESTS_UNIT_FAKE_THREADS_H

#include <stdbool.h>

struct thread;

/* Runs every thread that was woken, until none is left. */
void fake_threads_run(void);
/* Whether a thread would run now. */
bool fake_threads_pending(void);
unsigned fake_threads_alive(void);
/* Wakes every thread, as may happen to any at any time, and runs them. */
void fake_threads_disturb(void);
/* The one that runs sleeps for a while, in which all others are woken and run; that it was
 * woken meanwhile is forgotten, as by thread_sleep_ns(). */
void fake_threads_give_way(void);
/* The one that runs; NULL: the test itself. */
struct thread *fake_threads_current(void);

/* thread_create() fails from now on, or no longer. */
extern bool fake_threads_refused;
/* Called, once, in thread_create() when the new thread could run already. NULL: nothing. */
extern void (*fake_threads_on_create)(void);

/* What thread_others_waiting() says; calls of thread_yield(). */
extern bool fake_threads_waiting;
extern unsigned fake_threads_yields;
extern void (*fake_threads_on_yield)(void);

#endif

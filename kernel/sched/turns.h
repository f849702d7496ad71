/* Long work in pieces: threads are not preempted, so whoever does work whose amount others
 * decide gives them their turn in between. Not a limit of that work: each place has its own. */
#ifndef KERNEL_SCHED_TURNS_H
#define KERNEL_SCHED_TURNS_H

#include "kernel/sched/thread.h"

/* A step is a handful of instructions: a comparison, a word, a few bytes. So many take about
 * 100 us at the most. */
#define TURNS_STEPS 4096

/* How far one piece of work is. Zeroed at its beginning. */
struct turns {
	uint64_t steps;
};

/* Notes `steps` (0 or more) that were done, and lets others run after each TURNS_STEPS. Thread
 * context, without a spinlock. */
static inline void turns_take(struct turns *turns, uint64_t steps)
{
	uint64_t before = turns->steps / TURNS_STEPS;

	turns->steps += steps;
	if (turns->steps / TURNS_STEPS != before)
		thread_yield();
}

#endif

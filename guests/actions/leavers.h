/*
 * The guests that are shut down with the machine: asked by their order, waited for, and told
 * of. How long all that may take, and who asked for it, is power.c's.
 */
#ifndef GUESTS_ACTIONS_LEAVERS_H
#define GUESTS_ACTIONS_LEAVERS_H

#include "guests/events/actor.h"
#include "kernel/lib/types.h"

#define LEAVERS_TEXT_BYTES 256

struct leavers {
	uint32_t there;			/* guests that are not at rest and waited for */
	char names[LEAVERS_TEXT_BYTES]; /* "alpha, beta": those whose turn it is */
	char times[LEAVERS_TEXT_BYTES]; /* "alpha (booting, 7 s), ...": what they do, and the
					   seconds that they have left */
};

/* Looks how the guests are whose turn it is, those of the highest order; with an actor, asks
 * them. What ended and is kept by a disk is waited for 10 s longer than its time. Thread
 * context. */
void leavers_look(struct leavers *leavers, const struct actor *actor, uint64_t deadline_ns);

/* Switches all off, and says so of those that were not asked before. */
void leavers_switch_off(const struct actor *actor);

/* Those that were asked with the machine run on: who has not heard of it yet does not. */
void leavers_stay(void);

/* All that were asked have `ns` more, or with `name` that guest. 0, or -ENOENT: there is none.
 */
int leavers_wait(const char *name, uint64_t ns);

#endif

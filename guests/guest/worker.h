/*
 * The thread of a guest that does what is slow: preparing its VM, and taking it apart. It does
 * one thing at a time, as it is told, and answers with a fact; it decides nothing. It is there
 * as long as the guest, so that no start, and above all no end, fails for want of it.
 */
#ifndef GUESTS_GUEST_WORKER_H
#define GUESTS_GUEST_WORKER_H

#include "guests/launch.h"

struct guest;
struct thread;

/* From an order to its answer all but `order` and `given_up` are the worker's alone, then the
 * control thread's. */
struct worker {
	struct thread *thread;
	_Atomic unsigned order;
	_Atomic bool given_up;
	struct launch launch;	  /* what was prepared; what is to be released */
	char why[BOOT_WHY_BYTES]; /* not prepared: the reason */
};

/* 0 or -ENOMEM. Thread context. */
int worker_create(struct guest *guest);
/* It has answered its last order. Waits for the thread's end, which is near. */
void worker_destroy(struct guest *guest);

/* Prepares a VM for the guest: LIFE_PREPARED, or LIFE_NOT_PREPARED, is told of it. */
void worker_prepare(struct guest *guest);
/* It is not wanted any more; what is under way ends as soon as it can. */
void worker_give_up(struct guest *guest);
/* Takes worker.launch apart; LIFE_RELEASED is told. */
void worker_release(struct guest *guest);

/* Some guest has given back what it had: for those that wait for it. */
void worker_freed(void);

#endif

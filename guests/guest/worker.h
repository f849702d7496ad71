/*
 * The thread of a guest that does what is slow: preparing its VM, and taking it apart. It does
 * one thing at a time, as it is told, and answers with a fact; it decides nothing. It is there
 * as long as the guest, so that no start, and above all no end, fails for want of it.
 */
#ifndef GUESTS_GUEST_WORKER_H
#define GUESTS_GUEST_WORKER_H

struct guest;

/* 0 or -ENOMEM. Thread context. */
int worker_create(struct guest *guest);
/* It has answered its last order. Waits for the thread's end, which is near. */
void worker_destroy(struct guest *guest);

/* Prepares a VM for the guest: LIFE_PREPARED, LIFE_NOT_PREPARED or LIFE_ABSENT is told of it.
 */
void worker_prepare(struct guest *guest);
/* It is not wanted any more; what is under way ends as soon as it can. */
void worker_give_up(struct guest *guest);
/* A start to come was called off: the disks that are kept for it are closed. It is no order: it
 * goes beside one, and no fact is told. */
void worker_let_go(struct guest *guest);
/* Takes worker.launch apart; LIFE_RELEASED is told. */
void worker_release(struct guest *guest);

/* Some guest has given back what it had: for those that wait for it. */
void worker_freed(void);

#endif

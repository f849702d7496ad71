/*
 * The life of a guest as a state machine, alone: what a request or a fact does in a state, and
 * what is to be done then. No thread, no clock, no VM: who does it is act.c and worker.c.
 */
#ifndef GUESTS_GUEST_LIFE_H
#define GUESTS_GUEST_LIFE_H

#include "guests/guest/guest.h"

enum life_input {
	/* Requests. */
	LIFE_START,
	LIFE_SHUTDOWN,
	LIFE_STOP,
	LIFE_RESET,
	LIFE_REMOVE,
	/* Facts. */
	LIFE_PREPARED,	   /* its VM is ready to run */
	LIFE_NOT_PREPARED, /* and can't be made, or was given up; nothing of it is left */
	LIFE_ABSENT,	   /* the same, as this machine lacks something that it names */
	LIFE_ENDED,	   /* its VM has stopped */
	LIFE_CRASHED,	   /* so it has, and it should not have */
	LIFE_RELEASED,	   /* its VM is taken apart */
	LIFE_DUE,	   /* the time has come for the start that was put off */
	LIFE_APPEARED,	   /* what was absent may be there now */
	LIFE_INPUTS
};

/* What is to be done; the slow ones by the worker, which answers with a fact. */
enum life_action {
	LIFE_NOTHING,
	LIFE_PREPARE, /* slow: PREPARED, NOT_PREPARED or ABSENT follows */
	LIFE_GIVE_UP, /* the worker is to give up PREPARE; it answers as it would have */
	LIFE_RUN,
	LIFE_PRESS_POWER,
	LIFE_SWITCH_OFF, /* ENDED or CRASHED follows, as after the next */
	LIFE_PRESS_RESET,
	LIFE_RELEASE,  /* slow: RELEASED follows */
	LIFE_DECIDE,   /* it ended by itself: the policy says whether it starts again */
	LIFE_PUT_OFF,  /* it is to start again, but not at once */
	LIFE_CALL_OFF, /* it waits no more */
	LIFE_FORGET,   /* it was removed, and nothing of it is left */
};

struct life {
	enum guest_state state;
	bool removed;
	bool ending;  /* RUNNING: it was told to stop */
	bool ran;     /* STOPPING: it ended, rather than being given up */
	bool crashed; /* STOPPING: how it ended */
	bool due;     /* at rest: a start was put off */
	bool anew;    /* STARTING: something appeared since it began */
	enum { LIFE_WISH_NONE, LIFE_WISH_START, LIFE_WISH_RESET } wish; /* once it is at rest */
};

/*
 * The life takes an input. 0, with what is to be done in `action`; or, for requests, with
 * nothing changed: -ENOENT (it was removed), -EALREADY, -EINVAL. A fact that can't be in this
 * state does nothing.
 */
int life_take(struct life *life, enum life_input input, enum life_action *action);

/* After LIFE_DECIDE: it is to start again, as after LIFE_PUT_OFF. */
void life_put_off(struct life *life);

/* Nothing of a VM is there. */
static inline bool life_at_rest(const struct life *life)
{
	return life->state == GUEST_STOPPED || life->state == GUEST_FAILED ||
	       life->state == GUEST_WAITING;
}

/* It starts later, if nobody stops or removes it. */
static inline bool life_starts_later(const struct life *life)
{
	return life->due || life->wish != LIFE_WISH_NONE;
}

/* It is giving back what it has. */
static inline bool life_leaving(const struct life *life)
{
	return life->state == GUEST_STOPPING || (life->state == GUEST_RUNNING && life->ending);
}

#endif

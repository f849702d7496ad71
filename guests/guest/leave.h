/*
 * How one guest is shut down in good order, alone: what it does meanwhile, when its power
 * button is pressed again, and when it is switched off. Pure; leaving.c has guest, VM and
 * clock.
 */
#ifndef GUESTS_GUEST_LEAVE_H
#define GUESTS_GUEST_LEAVE_H

#include "guests/devices/pm.h"
#include "guests/events/actor.h"
#include "guests/guest/life.h"

/* Zeroed: nobody asked. */
struct leave {
	bool asked;
	bool with_machine; /* and by nobody for its own sake */
	bool later;	   /* it was not, and is to be once others are gone */
	uint64_t asked_ns;
	uint64_t due_ns;   /* it is switched off then */
	uint64_t press_ns; /* its button is pressed again then, if it read it before */
	struct actor actor;
};

enum leave_move { LEAVE_WAIT, LEAVE_PRESS, LEAVE_SWITCH_OFF };

/* `up_ns`: since its VM started, where it runs. */
enum guest_leave_stage leave_stage(const struct life *life, enum pm_listener listener,
				   uint64_t up_ns, uint64_t timeout_ns);

void leave_ask(struct leave *leave, const struct actor *actor, uint64_t timeout_ns,
	       uint64_t now_ns);

/* What is to be done of one that was asked. It is looked at again at leave_turn_ns(). */
enum leave_move leave_move(struct leave *leave, enum guest_leave_stage stage, uint64_t now_ns);
uint64_t leave_turn_ns(const struct leave *leave);

#define LEAVE_HOW_BYTES 128

/* ", 60 s after it was asked to shut down: it never listened ...". Returns `how`. */
const char *leave_describe(const struct leave *leave, enum guest_leave_stage stage,
			   uint64_t now_ns, char how[LEAVE_HOW_BYTES]);

#endif

/*
 * The turns of guests that start together, by start.order and start.delay of their
 * configurations, alone. Pure; control.c has guests and clock.
 */
#ifndef GUESTS_GUEST_TURN_H
#define GUESTS_GUEST_TURN_H

#include "guests/guest/life.h"

/* Zeroed: none. */
struct turn {
	enum {
		TURN_NONE,
		TURN_WAITS,  /* for guests of lower orders */
		TURN_COMES,  /* its delay passes */
		TURN_STARTS, /* it is being prepared, since `since_ns` */
	} state;
	uint64_t since_ns;
};

/* When guests of higher orders wait no longer for this one: 0: they don't; UINT64_MAX: when
 * something is told of it. */
uint64_t turn_holds_until(const struct turn *turn, const struct life *life, uint64_t now_ns);

#endif

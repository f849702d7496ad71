/* See turn.h. */
#include "guests/guest/turn.h"

#include "kernel/cpu/clock.h"

/* A disk that does not answer keeps one guest from starting, and others for so long. */
#define PATIENCE_NS (10 * NSEC_PER_SEC)

uint64_t turn_holds_until(const struct turn *turn, const struct life *life, uint64_t now_ns)
{
	switch (turn->state) {
	case TURN_WAITS:
	case TURN_COMES: return life->due ? UINT64_MAX : 0;
	case TURN_STARTS:
		return life->state == GUEST_STARTING && now_ns < turn->since_ns + PATIENCE_NS
			       ? turn->since_ns + PATIENCE_NS
			       : 0;
	default: return 0;
	}
}

/* See leave.h. */
#include "guests/guest/leave.h"

#include <stdio.h>

#include "kernel/cpu/clock.h"

/* A guest that never listened boots for so long, or for its timeout: then it never will. */
#define BOOT_NS (60 * NSEC_PER_SEC)
/* Services of a guest may come to listen long after its kernel did. */
#define PRESS_NS (5 * NSEC_PER_SEC)

static enum guest_leave_stage running_stage(enum pm_listener listener, uint64_t up_ns,
					    uint64_t timeout_ns)
{
	switch (listener) {
	case PM_UNREAD: return GUEST_LEAVE_UNREAD;
	case PM_LISTENS: return GUEST_LEAVE_LATE;
	default:
		return up_ns < MAX(BOOT_NS, timeout_ns) ? GUEST_LEAVE_BOOTING
							: GUEST_LEAVE_DEAF;
	}
}

enum guest_leave_stage leave_stage(const struct life *life, enum pm_listener listener,
				   uint64_t up_ns, uint64_t timeout_ns)
{
	if (life_at_rest(life))
		return GUEST_LEAVE_GONE;
	if (life->state == GUEST_RUNNING && !life->ending)
		return running_stage(listener, up_ns, timeout_ns);
	return GUEST_LEAVE_ENDING;
}

void leave_ask(struct leave *leave, const struct actor *actor, uint64_t timeout_ns,
	       uint64_t now_ns)
{
	*leave = (struct leave){.asked = true,
				.asked_ns = now_ns,
				.due_ns = now_ns + timeout_ns,
				.press_ns = now_ns + PRESS_NS,
				.actor = *actor};
}

enum leave_move leave_move(struct leave *leave, enum guest_leave_stage stage, uint64_t now_ns)
{
	if (stage == GUEST_LEAVE_GONE || stage == GUEST_LEAVE_ENDING)
		return LEAVE_WAIT;
	if (stage == GUEST_LEAVE_DEAF || now_ns >= leave->due_ns)
		return LEAVE_SWITCH_OFF;
	if (now_ns < leave->press_ns)
		return LEAVE_WAIT;
	leave->press_ns = now_ns + PRESS_NS;
	return stage == GUEST_LEAVE_LATE ? LEAVE_PRESS : LEAVE_WAIT;
}

uint64_t leave_turn_ns(const struct leave *leave)
{
	return MIN(leave->due_ns, leave->press_ns);
}

const char *guest_leave_name(enum guest_leave_stage stage)
{
	static const char *const names[] = {
		[GUEST_LEAVE_GONE] = "gone",	      [GUEST_LEAVE_BOOTING] = "booting",
		[GUEST_LEAVE_DEAF] = "not listening", [GUEST_LEAVE_UNREAD] = "asked",
		[GUEST_LEAVE_LATE] = "shutting down", [GUEST_LEAVE_ENDING] = "ending",
	};

	return names[stage];
}

const char *leave_describe(const struct leave *leave, enum guest_leave_stage stage,
			   uint64_t now_ns, char how[LEAVE_HOW_BYTES])
{
	static const char *const words[] = {
		[GUEST_LEAVE_BOOTING] = "was still booting",
		[GUEST_LEAVE_DEAF] = "never listened to its power button",
		[GUEST_LEAVE_UNREAD] = "had not read its power button's event",
		[GUEST_LEAVE_LATE] = "had read its power button's event, and was late",
	};

	how[0] = '\0';
	if (leave->asked && stage < ARRAY_SIZE(words) && words[stage])
		snprintf(how, LEAVE_HOW_BYTES,
			 ", %llu s after it was asked to shut down: it %s",
			 (unsigned long long)((now_ns - leave->asked_ns) / NSEC_PER_SEC),
			 words[stage]);
	return how;
}

/* One function for each state: what each input does there. */
#include "guests/guest/life.h"

#include <errno.h>

#include "guests/views/guest.h"

const char *guest_state_name(enum guest_state state)
{
	_Static_assert(GUEST_STOPPED == 0 && GUEST_STARTING == 1 && GUEST_RUNNING == 2 &&
			       GUEST_STOPPING == 3 && GUEST_FAILED == 4 && GUEST_WAITING == 5,
		       "the order of guest_view_states");
	return guest_view_states[state];
}

static enum life_action prepare(struct life *life)
{
	*life = (struct life){.state = GUEST_STARTING};
	return LIFE_PREPARE;
}

static enum life_action remove(struct life *life, enum life_action action)
{
	life->removed = true;
	life->due = false;
	life->wish = LIFE_WISH_NONE;
	return action;
}

static int at_rest(struct life *life, enum life_input input, enum life_action *action)
{
	switch (input) {
	case LIFE_START: *action = prepare(life); return 0;
	case LIFE_DUE:
		if (life->due)
			*action = prepare(life);
		return 0;
	case LIFE_APPEARED:
		if (life->state == GUEST_WAITING && !life->removed)
			*action = prepare(life);
		return 0;
	case LIFE_STOP:
		if (life->state == GUEST_WAITING) {
			life->state = GUEST_STOPPED;
			life->due = false;
			*action = LIFE_CALL_OFF;
			return 0;
		}
		if (!life->due)
			return -EINVAL;
		life->due = false;
		return 0;
	case LIFE_REMOVE: *action = remove(life, LIFE_FORGET); return 0;
	case LIFE_SHUTDOWN:
	case LIFE_RESET: return -EINVAL;
	default: return 0;
	}
}

static enum life_action give_up(struct life *life)
{
	life->state = GUEST_STOPPING;
	return LIFE_GIVE_UP;
}

static int starting(struct life *life, enum life_input input, enum life_action *action)
{
	switch (input) {
	case LIFE_START: return -EALREADY;
	case LIFE_STOP: *action = give_up(life); return 0;
	case LIFE_REMOVE: *action = remove(life, give_up(life)); return 0;
	case LIFE_PREPARED:
		life->state = GUEST_RUNNING;
		*action = LIFE_RUN;
		return 0;
	case LIFE_NOT_PREPARED: life->state = GUEST_FAILED; return 0;
	case LIFE_APPEARED: life->anew = true; return 0;
	case LIFE_ABSENT:
		if (life->anew)
			*action = prepare(life);
		else
			life->state = GUEST_WAITING;
		return 0;
	case LIFE_SHUTDOWN:
	case LIFE_RESET: return -EINVAL;
	default: return 0;
	}
}

/* The last word counts: one that is stopped, and reset before it has stopped, starts again. */
static enum life_action end(struct life *life, bool again, enum life_action action)
{
	life->ending = true;
	life->wish = again ? LIFE_WISH_RESET : LIFE_WISH_NONE;
	return action;
}

static enum life_action take_apart(struct life *life, bool crashed)
{
	life->state = GUEST_STOPPING;
	life->ran = true;
	life->crashed = crashed;
	return LIFE_RELEASE;
}

static int running(struct life *life, enum life_input input, enum life_action *action)
{
	switch (input) {
	case LIFE_START:
		if (!life->ending)
			return -EALREADY;
		life->wish = LIFE_WISH_START;
		return 0;
	case LIFE_SHUTDOWN: *action = LIFE_PRESS_POWER; return 0;
	case LIFE_STOP: *action = end(life, false, LIFE_SWITCH_OFF); return 0;
	case LIFE_RESET: *action = end(life, true, LIFE_PRESS_RESET); return 0;
	case LIFE_REMOVE: *action = remove(life, end(life, false, LIFE_SWITCH_OFF)); return 0;
	case LIFE_ENDED: *action = take_apart(life, false); return 0;
	case LIFE_CRASHED: *action = take_apart(life, true); return 0;
	default: return 0;
	}
}

/* Nothing of it is left: what it is to do next. */
static enum life_action rest(struct life *life)
{
	life->state = life->crashed ? GUEST_FAILED : GUEST_STOPPED;
	if (life->removed)
		return LIFE_FORGET;
	if (life->wish == LIFE_WISH_START)
		return prepare(life);
	if (life->wish == LIFE_WISH_RESET) {
		life->wish = LIFE_WISH_NONE;
		life->due = true;
		return LIFE_PUT_OFF;
	}
	return life->ran ? LIFE_DECIDE : LIFE_NOTHING;
}

static int stopping(struct life *life, enum life_input input, enum life_action *action)
{
	switch (input) {
	case LIFE_START: life->wish = LIFE_WISH_START; return 0;
	case LIFE_STOP:
		if (life->wish == LIFE_WISH_NONE)
			return -EINVAL;
		life->wish = LIFE_WISH_NONE;
		return 0;
	case LIFE_REMOVE: *action = remove(life, LIFE_NOTHING); return 0;
	case LIFE_PREPARED:
		if (!life->ran)
			*action = LIFE_RELEASE;
		return 0;
	case LIFE_NOT_PREPARED:
	case LIFE_ABSENT:
		if (!life->ran)
			*action = rest(life);
		return 0;
	case LIFE_RELEASED: *action = rest(life); return 0;
	case LIFE_SHUTDOWN:
	case LIFE_RESET: return -EINVAL;
	default: return 0;
	}
}

int life_take(struct life *life, enum life_input input, enum life_action *action)
{
	*action = LIFE_NOTHING;
	if (life->removed && input <= LIFE_REMOVE)
		return -ENOENT;
	switch (life->state) {
	case GUEST_STARTING: return starting(life, input, action);
	case GUEST_RUNNING: return running(life, input, action);
	case GUEST_STOPPING: return stopping(life, input, action);
	default: return at_rest(life, input, action);
	}
}

void life_put_off(struct life *life)
{
	life->due = life_at_rest(life) && !life->removed;
}

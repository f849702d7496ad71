/*
 * The state machine of a guest's life: every state with every request and fact, as one table,
 * and random walks that never get stuck.
 */
/* links: guests/guest/life.c guests/views/guest.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "guests/guest/life.h"

/* The kinds of states that a life can be in, as the machine tells them apart. */
enum kind {
	REST,
	FAILED,
	WAITING,
	WAITING_DUE,
	REST_DUE,
	STARTING,
	STARTING_ANEW, /* something appeared meanwhile */
	RUNNING,
	ENDING,	   /* running, but told to stop */
	RESETTING, /* the same, to start again */
	GIVING_UP,
	GIVING_UP_AGAIN, /* and to start once that is done */
	RELEASING,
	RELEASING_CRASHED,
	RELEASING_AGAIN, /* by hand */
	RELEASING_RESET,
	KINDS
};

static const struct life lives[KINDS] = {
	[REST] = {.state = GUEST_STOPPED},
	[FAILED] = {.state = GUEST_FAILED},
	[WAITING] = {.state = GUEST_WAITING},
	[WAITING_DUE] = {.state = GUEST_WAITING, .due = true},
	[REST_DUE] = {.state = GUEST_STOPPED, .due = true},
	[STARTING] = {.state = GUEST_STARTING},
	[STARTING_ANEW] = {.state = GUEST_STARTING, .anew = true},
	[RUNNING] = {.state = GUEST_RUNNING},
	[ENDING] = {.state = GUEST_RUNNING, .ending = true},
	[RESETTING] = {.state = GUEST_RUNNING, .ending = true, .wish = LIFE_WISH_RESET},
	[GIVING_UP] = {.state = GUEST_STOPPING},
	[GIVING_UP_AGAIN] = {.state = GUEST_STOPPING, .wish = LIFE_WISH_START},
	[RELEASING] = {.state = GUEST_STOPPING, .ran = true},
	[RELEASING_CRASHED] = {.state = GUEST_STOPPING, .ran = true, .crashed = true},
	[RELEASING_AGAIN] = {.state = GUEST_STOPPING, .ran = true, .wish = LIFE_WISH_START},
	[RELEASING_RESET] = {.state = GUEST_STOPPING, .ran = true, .wish = LIFE_WISH_RESET},
};

struct step {
	int error;
	enum life_action action;
	enum kind next;
};

#define SAME(kind)                    \
	{                             \
		0, LIFE_NOTHING, kind \
	}
#define REFUSED(kind, error)              \
	{                                 \
		error, LIFE_NOTHING, kind \
	}
#define NEXT(kind, what)             \
	{                            \
		0, LIFE_##what, kind \
	}

/* By what stands in the state before; removal has a test of its own. */
static const struct step steps[KINDS][LIFE_INPUTS] =
	{
		[REST] =
			{
				[LIFE_START] = NEXT(STARTING, PREPARE),
				[LIFE_SHUTDOWN] = REFUSED(REST, -EINVAL),
				[LIFE_STOP] = REFUSED(REST, -EINVAL),
				[LIFE_RESET] = REFUSED(REST, -EINVAL),
				[LIFE_PREPARED... LIFE_APPEARED] = SAME(REST),
			},
		[FAILED] =
			{
				[LIFE_START] = NEXT(STARTING, PREPARE),
				[LIFE_SHUTDOWN] = REFUSED(FAILED, -EINVAL),
				[LIFE_STOP] = REFUSED(FAILED, -EINVAL),
				[LIFE_RESET] = REFUSED(FAILED, -EINVAL),
				[LIFE_PREPARED... LIFE_APPEARED] = SAME(FAILED),
			},
		[WAITING] =
			{
				[LIFE_START] = NEXT(STARTING, PREPARE),
				[LIFE_SHUTDOWN] = REFUSED(WAITING, -EINVAL),
				[LIFE_STOP] = NEXT(REST, CALL_OFF),
				[LIFE_RESET] = REFUSED(WAITING, -EINVAL),
				[LIFE_PREPARED... LIFE_DUE] = SAME(WAITING),
				[LIFE_APPEARED] = NEXT(STARTING, PREPARE),
			},
		[WAITING_DUE] =
			{
				[LIFE_START] = NEXT(STARTING, PREPARE),
				[LIFE_SHUTDOWN] = REFUSED(WAITING_DUE, -EINVAL),
				[LIFE_STOP] = NEXT(REST, CALL_OFF),
				[LIFE_RESET] = REFUSED(WAITING_DUE, -EINVAL),
				[LIFE_PREPARED... LIFE_RELEASED] = SAME(WAITING_DUE),
				[LIFE_DUE... LIFE_APPEARED] = NEXT(STARTING, PREPARE),
			},
		[REST_DUE] =
			{
				[LIFE_START] = NEXT(STARTING, PREPARE),
				[LIFE_SHUTDOWN] = REFUSED(REST_DUE, -EINVAL),
				[LIFE_STOP] = SAME(REST),
				[LIFE_RESET] = REFUSED(REST_DUE, -EINVAL),
				[LIFE_PREPARED... LIFE_RELEASED] = SAME(REST_DUE),
				[LIFE_DUE] = NEXT(STARTING, PREPARE),
				[LIFE_APPEARED] = SAME(REST_DUE),
			},
		[STARTING] =
			{
				[LIFE_START] = REFUSED(STARTING, -EALREADY),
				[LIFE_SHUTDOWN] = REFUSED(STARTING, -EINVAL),
				[LIFE_STOP] = NEXT(GIVING_UP, GIVE_UP),
				[LIFE_RESET] = REFUSED(STARTING, -EINVAL),
				[LIFE_PREPARED] = NEXT(RUNNING, RUN),
				[LIFE_NOT_PREPARED] = SAME(FAILED),
				[LIFE_ABSENT] = SAME(WAITING),
				[LIFE_ENDED... LIFE_DUE] = SAME(STARTING),
				[LIFE_APPEARED] = SAME(STARTING_ANEW),
			},
		[STARTING_ANEW] =
			{
				[LIFE_START] = REFUSED(STARTING_ANEW, -EALREADY),
				[LIFE_SHUTDOWN] = REFUSED(STARTING_ANEW, -EINVAL),
				[LIFE_STOP] = NEXT(GIVING_UP, GIVE_UP),
				[LIFE_RESET] = REFUSED(STARTING_ANEW, -EINVAL),
				[LIFE_PREPARED] = NEXT(RUNNING, RUN),
				[LIFE_NOT_PREPARED] = SAME(FAILED),
				[LIFE_ABSENT] = NEXT(STARTING, PREPARE),
				[LIFE_ENDED... LIFE_APPEARED] = SAME(STARTING_ANEW),
			},
		[RUNNING] =
			{
				[LIFE_START] = REFUSED(RUNNING, -EALREADY),
				[LIFE_SHUTDOWN] = NEXT(RUNNING, PRESS_POWER),
				[LIFE_STOP] = NEXT(ENDING, SWITCH_OFF),
				[LIFE_RESET] = NEXT(RESETTING, PRESS_RESET),
				[LIFE_PREPARED... LIFE_ABSENT] = SAME(RUNNING),
				[LIFE_ENDED] = NEXT(RELEASING, RELEASE),
				[LIFE_CRASHED] = NEXT(RELEASING_CRASHED, RELEASE),
				[LIFE_RELEASED... LIFE_APPEARED] = SAME(RUNNING),
			},
		[ENDING] =
			{
				[LIFE_START] =
					SAME(ENDING), /* and its wish, which is seen below */
				[LIFE_SHUTDOWN] = NEXT(ENDING, PRESS_POWER),
				[LIFE_STOP] = NEXT(ENDING, SWITCH_OFF),
				[LIFE_RESET] = NEXT(RESETTING, PRESS_RESET),
				[LIFE_PREPARED... LIFE_ABSENT] = SAME(ENDING),
				[LIFE_ENDED] = NEXT(RELEASING, RELEASE),
				[LIFE_CRASHED] = NEXT(RELEASING_CRASHED, RELEASE),
				[LIFE_RELEASED... LIFE_APPEARED] = SAME(ENDING),
			},
		[RESETTING] =
			{
				[LIFE_START] = SAME(ENDING),
				[LIFE_SHUTDOWN] = NEXT(RESETTING, PRESS_POWER),
				[LIFE_STOP] = NEXT(ENDING, SWITCH_OFF),
				[LIFE_RESET] = NEXT(RESETTING, PRESS_RESET),
				[LIFE_PREPARED... LIFE_ABSENT] = SAME(RESETTING),
				[LIFE_ENDED... LIFE_CRASHED] = NEXT(RELEASING_RESET, RELEASE),
				[LIFE_RELEASED... LIFE_APPEARED] = SAME(RESETTING),
			},
		[GIVING_UP] =
			{
				[LIFE_START] = SAME(GIVING_UP_AGAIN),
				[LIFE_SHUTDOWN] = REFUSED(GIVING_UP, -EINVAL),
				[LIFE_STOP] = REFUSED(GIVING_UP, -EINVAL),
				[LIFE_RESET] = REFUSED(GIVING_UP, -EINVAL),
				[LIFE_PREPARED] = NEXT(GIVING_UP, RELEASE),
				[LIFE_NOT_PREPARED... LIFE_ABSENT] = SAME(REST),
				[LIFE_ENDED... LIFE_CRASHED] = SAME(GIVING_UP),
				[LIFE_RELEASED] = SAME(REST),
				[LIFE_DUE... LIFE_APPEARED] = SAME(GIVING_UP),
			},
		[GIVING_UP_AGAIN] =
			{
				[LIFE_START] = SAME(GIVING_UP_AGAIN),
				[LIFE_SHUTDOWN] = REFUSED(GIVING_UP_AGAIN, -EINVAL),
				[LIFE_STOP] = SAME(GIVING_UP),
				[LIFE_RESET] = REFUSED(GIVING_UP_AGAIN, -EINVAL),
				[LIFE_PREPARED] = NEXT(GIVING_UP_AGAIN, RELEASE),
				[LIFE_NOT_PREPARED... LIFE_ABSENT] = NEXT(STARTING, PREPARE),
				[LIFE_ENDED... LIFE_CRASHED] = SAME(GIVING_UP_AGAIN),
				[LIFE_RELEASED] = NEXT(STARTING, PREPARE),
				[LIFE_DUE... LIFE_APPEARED] = SAME(GIVING_UP_AGAIN),
			},
		[RELEASING] =
			{
				[LIFE_START] = SAME(RELEASING_AGAIN),
				[LIFE_SHUTDOWN] = REFUSED(RELEASING, -EINVAL),
				[LIFE_STOP] = REFUSED(RELEASING, -EINVAL),
				[LIFE_RESET] = REFUSED(RELEASING, -EINVAL),
				[LIFE_PREPARED... LIFE_CRASHED] = SAME(RELEASING),
				[LIFE_RELEASED] = NEXT(REST, DECIDE),
				[LIFE_DUE... LIFE_APPEARED] = SAME(RELEASING),
			},
		[RELEASING_CRASHED] =
			{
				[LIFE_START] = SAME(RELEASING_AGAIN),
				[LIFE_SHUTDOWN] = REFUSED(RELEASING_CRASHED, -EINVAL),
				[LIFE_STOP] = REFUSED(RELEASING_CRASHED, -EINVAL),
				[LIFE_RESET] = REFUSED(RELEASING_CRASHED, -EINVAL),
				[LIFE_PREPARED... LIFE_CRASHED] = SAME(RELEASING_CRASHED),
				[LIFE_RELEASED] = NEXT(FAILED, DECIDE),
				[LIFE_DUE... LIFE_APPEARED] = SAME(RELEASING_CRASHED),
			},
		[RELEASING_AGAIN] =
			{
				[LIFE_START] = SAME(RELEASING_AGAIN),
				[LIFE_SHUTDOWN] = REFUSED(RELEASING_AGAIN, -EINVAL),
				[LIFE_STOP] = SAME(RELEASING),
				[LIFE_RESET] = REFUSED(RELEASING_AGAIN, -EINVAL),
				[LIFE_PREPARED... LIFE_CRASHED] = SAME(RELEASING_AGAIN),
				[LIFE_RELEASED] = NEXT(STARTING, PREPARE),
				[LIFE_DUE... LIFE_APPEARED] = SAME(RELEASING_AGAIN),
			},
		[RELEASING_RESET] =
			{
				[LIFE_START] = SAME(RELEASING_AGAIN),
				[LIFE_SHUTDOWN] = REFUSED(RELEASING_RESET, -EINVAL),
				[LIFE_STOP] = SAME(RELEASING),
				[LIFE_RESET] = REFUSED(RELEASING_RESET, -EINVAL),
				[LIFE_PREPARED... LIFE_CRASHED] = SAME(RELEASING_RESET),
				[LIFE_RELEASED] = NEXT(REST_DUE, PUT_OFF),
				[LIFE_DUE... LIFE_APPEARED] = SAME(RELEASING_RESET),
			},
};

/* What counts of a life in its state. */
static enum kind kind_of(const struct life *life)
{
	switch (life->state) {
	case GUEST_STOPPED: return life->due ? REST_DUE : REST;
	case GUEST_FAILED: return FAILED;
	case GUEST_WAITING: return life->due ? WAITING_DUE : WAITING;
	case GUEST_STARTING: return life->anew ? STARTING_ANEW : STARTING;
	case GUEST_RUNNING:
		if (!life->ending)
			return RUNNING;
		return life->wish == LIFE_WISH_RESET ? RESETTING : ENDING;
	default:
		if (life->wish == LIFE_WISH_RESET)
			return RELEASING_RESET;
		if (life->wish == LIFE_WISH_START)
			return life->ran ? RELEASING_AGAIN : GIVING_UP_AGAIN;
		if (!life->ran)
			return GIVING_UP;
		return life->crashed ? RELEASING_CRASHED : RELEASING;
	}
}

static void every_input_in_every_state(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < KINDS; kind++)
		for (unsigned input = 0; input < LIFE_INPUTS; input++) {
			const struct step *step = &steps[kind][input];
			struct life life = lives[kind];
			enum life_action action;

			assert_int_equal(kind_of(&life), kind);
			if (input == LIFE_REMOVE)
				continue; /* below */
			assert_int_equal(life_take(&life, input, &action), step->error);
			assert_int_equal(action, step->action);
			assert_int_equal(kind_of(&life), step->next);
			if (step->error)
				assert_memory_equal(&life, &lives[kind], sizeof(life));
		}
}

/* Until it has stopped the last word counts, and the VM is told each time. */
static void between_order_and_end(void **state)
{
	static const enum kind kinds[] = {ENDING, RESETTING};
	enum life_action action;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct life life = lives[kinds[i]];

		assert_int_equal(life_take(&life, LIFE_STOP, &action), 0);
		assert_int_equal(action, LIFE_SWITCH_OFF);
		assert_int_equal(kind_of(&life), ENDING);
		assert_int_equal(life_take(&life, LIFE_RESET, &action), 0);
		assert_int_equal(action, LIFE_PRESS_RESET);
		assert_int_equal(kind_of(&life), RESETTING);
		assert_int_equal(life_take(&life, LIFE_START, &action), 0);
		assert_int_equal(action, LIFE_NOTHING);
		assert_true(life_leaving(&life));
		assert_int_equal(life_take(&life, LIFE_CRASHED, &action), 0);
		assert_int_equal(kind_of(&life), RELEASING_AGAIN);
		assert_true(life_leaving(&life));
		assert_false(life_at_rest(&life));
	}
}

/* Wherever it is removed, it is forgotten once, and before that all that it had is given back;
 * and it takes no request any more. */
static void removal(void **state)
{
	static const struct {
		enum life_action action; /* at once */
		enum life_input facts[3];
	} ways[KINDS] = {
		[REST] = {LIFE_FORGET, {0}},
		[FAILED] = {LIFE_FORGET, {0}},
		[WAITING] = {LIFE_FORGET, {0}},
		[WAITING_DUE] = {LIFE_FORGET, {0}},
		[REST_DUE] = {LIFE_FORGET, {0}},
		[STARTING] = {LIFE_GIVE_UP, {LIFE_NOT_PREPARED}},
		[STARTING_ANEW] = {LIFE_GIVE_UP, {LIFE_ABSENT}},
		[RUNNING] = {LIFE_SWITCH_OFF, {LIFE_ENDED, LIFE_RELEASED}},
		[ENDING] = {LIFE_SWITCH_OFF, {LIFE_CRASHED, LIFE_RELEASED}},
		[RESETTING] = {LIFE_SWITCH_OFF, {LIFE_ENDED, LIFE_RELEASED}},
		[GIVING_UP] = {LIFE_NOTHING, {LIFE_PREPARED, LIFE_RELEASED}},
		[GIVING_UP_AGAIN] = {LIFE_NOTHING, {LIFE_NOT_PREPARED}},
		[RELEASING] = {LIFE_NOTHING, {LIFE_RELEASED}},
		[RELEASING_CRASHED] = {LIFE_NOTHING, {LIFE_RELEASED}},
		[RELEASING_AGAIN] = {LIFE_NOTHING, {LIFE_RELEASED}},
		[RELEASING_RESET] = {LIFE_NOTHING, {LIFE_RELEASED}},
	};
	enum life_action action, none;

	(void)state;
	for (unsigned kind = 0; kind < KINDS; kind++) {
		struct life life = lives[kind];

		assert_int_equal(life_take(&life, LIFE_REMOVE, &action), 0);
		assert_int_equal(action, ways[kind].action);
		for (unsigned i = 0; ways[kind].facts[i]; i++) {
			assert_int_not_equal(action, LIFE_FORGET);
			for (unsigned r = LIFE_START; r <= LIFE_REMOVE; r++)
				assert_int_equal(life_take(&life, r, &none), -ENOENT);
			assert_int_equal(life_take(&life, ways[kind].facts[i], &action), 0);
		}
		assert_int_equal(action, LIFE_FORGET);
		assert_true(life_at_rest(&life));
		for (unsigned fact = LIFE_DUE; fact <= LIFE_APPEARED; fact++) {
			assert_int_equal(life_take(&life, fact, &action), 0);
			assert_int_equal(action, LIFE_NOTHING);
		}
		life_put_off(&life);
		assert_false(life.due);
	}
}

/* ---- walks ------------------------------------------------------------------------------- */

static uint64_t random_bits(void)
{
	static uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

/* A worker and a VM that answer, in their own time: each order is given when the last was
 * answered, and only to who is there. */
struct world {
	enum life_action work; /* the worker's: LIFE_PREPARE, LIFE_RELEASE, or none */
	bool runs;
	unsigned prepared; /* VMs that are there */
	bool forgotten;
};

static void obey(struct world *world, struct life *life, enum life_action action)
{
	assert_false(world->forgotten && action != LIFE_NOTHING);
	switch (action) {
	case LIFE_PREPARE:
		assert_true(!world->work && !world->runs && !world->prepared);
		world->work = action;
		break;
	case LIFE_RELEASE:
		assert_true(!world->work && !world->runs && world->prepared == 1);
		world->work = action;
		break;
	case LIFE_GIVE_UP: assert_int_equal(world->work, LIFE_PREPARE); break;
	case LIFE_RUN:
		assert_true(!world->work && world->prepared == 1);
		world->runs = true;
		break;
	case LIFE_PRESS_POWER:
	case LIFE_SWITCH_OFF:
	case LIFE_PRESS_RESET: assert_int_equal(world->prepared, 1); break;
	case LIFE_DECIDE:
		if (random_bits() % 2)
			life_put_off(life);
		break;
	case LIFE_FORGET:
		assert_true(!world->work && !world->runs && !world->prepared);
		world->forgotten = true;
		break;
	default: break;
	}
}

/* The next fact, if there can be one: a VM that may stop, a worker that may answer. */
static bool next_fact(struct world *world, const struct life *life, enum life_input *fact)
{
	if (world->runs) {
		world->runs = false;
		*fact = random_bits() % 2 ? LIFE_ENDED : LIFE_CRASHED;
	} else if (world->work == LIFE_PREPARE) {
		*fact = random_bits() % 2 ? LIFE_PREPARED : LIFE_NOT_PREPARED;
		world->prepared = *fact == LIFE_PREPARED;
		world->work = LIFE_NOTHING;
	} else if (world->work == LIFE_RELEASE) {
		*fact = LIFE_RELEASED;
		world->prepared = 0;
		world->work = LIFE_NOTHING;
	} else if (life->due) {
		*fact = LIFE_DUE;
	} else {
		return false;
	}
	return true;
}

static void no_walk_gets_stuck(void **state)
{
	(void)state;
	for (unsigned walk = 0; walk < 2000; walk++) {
		struct world world = {0};
		struct life life = {0};
		enum life_action action;
		enum life_input fact;

		for (unsigned n = 0; n < 40; n++) {
			if (random_bits() % 2 && next_fact(&world, &life, &fact))
				life_take(&life, fact, &action);
			else if (life_take(&life, random_bits() % LIFE_REMOVE, &action))
				action = LIFE_NOTHING;
			obey(&world, &life, action);
		}
		assert_int_equal(life_take(&life, LIFE_REMOVE, &action), 0);
		obey(&world, &life, action);
		for (unsigned n = 0; !world.forgotten; n++) {
			assert_true(n < 4 && next_fact(&world, &life, &fact));
			life_take(&life, fact, &action);
			obey(&world, &life, action);
		}
		assert_int_equal(world.prepared, 0);
	}
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(guest_state_name(GUEST_STOPPED), "stopped");
	assert_string_equal(guest_state_name(GUEST_STARTING), "starting");
	assert_string_equal(guest_state_name(GUEST_RUNNING), "running");
	assert_string_equal(guest_state_name(GUEST_STOPPING), "stopping");
	assert_string_equal(guest_state_name(GUEST_FAILED), "failed");
	assert_string_equal(guest_state_name(GUEST_WAITING), "waiting");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_input_in_every_state),
		cmocka_unit_test(between_order_and_end),
		cmocka_unit_test(removal),
		cmocka_unit_test(no_walk_gets_stuck),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

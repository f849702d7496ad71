/* Guests that are asked to shut down, and what becomes of it. When is leave.c's. */
#include <errno.h>

#include "guests/guest/internal.h"
#include "kernel/cpu/clock.h"

static uint64_t timeout_ns(const struct guest *g)
{
	return g->config.shutdown.timeout_seconds * NSEC_PER_SEC;
}

/* Caller holds g->lock, as of all up to the next line of dashes. */
static enum guest_leave_stage stage_of(const struct guest *g, const struct life *life,
				       uint64_t now_ns)
{
	bool runs = life->state == GUEST_RUNNING;

	return leave_stage(life,
			   runs ? pm_power_listener(chipset_pm(g->launch.chipset)) : PM_DEAF,
			   runs ? now_ns - g->launch.vm->start_ns : 0, timeout_ns(g));
}

enum guest_leave_stage leaving_stage(const struct guest *g)
{
	return stage_of(g, &g->life, clock_now_ns());
}

/* It was told to end just now: what counts is how it was before. */
const char *leaving_describe(const struct guest *g, char how[LEAVE_HOW_BYTES])
{
	struct life before = g->life;
	uint64_t now_ns = clock_now_ns();

	before.ending = false;
	return leave_describe(&g->leave, stage_of(g, &before, now_ns), now_ns, how);
}

uint64_t leaving_attend(struct guest *g)
{
	uint64_t now_ns = clock_now_ns();
	enum guest_leave_stage stage;

	if (!g->leave.asked)
		return UINT64_MAX;
	stage = stage_of(g, &g->life, now_ns);
	switch (leave_move(&g->leave, stage, now_ns)) {
	case LEAVE_WAIT: break;
	case LEAVE_PRESS: pm_power_button(chipset_pm(g->launch.chipset)); break;
	case LEAVE_SWITCH_OFF: request_take(g, LIFE_STOP, &g->leave.actor); break;
	}
	stage = stage_of(g, &g->life, now_ns);
	return stage == GUEST_LEAVE_GONE || stage == GUEST_LEAVE_ENDING
		       ? UINT64_MAX
		       : leave_turn_ns(&g->leave);
}

/* Whoever runs is asked; a start that is under way, due or wished for has nothing to lose. */
static int ask(struct guest *g, const struct actor *actor, bool with_machine)
{
	bool asks = g->life.state == GUEST_RUNNING && !g->life.ending && timeout_ns(g);
	int err = g->leave.asked ? -EALREADY : 0;

	if (!err && !asks)
		err = request_take(g, LIFE_STOP, actor);
	if (g->leave.asked)
		g->leave.with_machine &= with_machine;
	if (g->leave.asked || life_at_rest(&g->life))
		return err;
	leave_ask(&g->leave, actor, timeout_ns(g), clock_now_ns());
	g->leave.with_machine = with_machine;
	if (asks)
		pm_power_keep(chipset_pm(g->launch.chipset), true);
	return err;
}

/* ------------------------------------------------------------------------------------------ */

static int leave(struct guest *g, const struct actor *actor, bool with_machine)
{
	int err;

	mutex_lock(&g->lock);
	err = g->life.removed ? -ENOENT : ask(g, actor, with_machine);
	mutex_unlock(&g->lock);
	control_wake(); /* it may be over at once */
	return err;
}

int guest_leave(struct guest *g, const struct actor *actor)
{
	return leave(g, actor, false);
}

int guest_leave_with_machine(struct guest *g, const struct actor *actor)
{
	return leave(g, actor, true);
}

void guest_leave_later(struct guest *g)
{
	mutex_lock(&g->lock);
	g->leave.later = !g->leave.asked && !life_at_rest(&g->life);
	mutex_unlock(&g->lock);
}

void guest_stay(struct guest *g)
{
	mutex_lock(&g->lock);
	if (g->leave.asked && g->life.state == GUEST_RUNNING)
		pm_power_keep(chipset_pm(g->launch.chipset), false);
	g->leave.asked = g->leave.later = false;
	mutex_unlock(&g->lock);
}

int guest_wait(struct guest *g, uint64_t ns)
{
	int err = -EINVAL;

	mutex_lock(&g->lock);
	if (g->leave.asked) {
		g->leave.due_ns += ns;
		err = 0;
	}
	mutex_unlock(&g->lock);
	control_wake();
	return err;
}

bool guest_leaving(struct guest *g, struct guest_leaving *how)
{
	bool there = !guest_at_rest(g);

	mutex_lock(&g->lock);
	*how = (struct guest_leaving){.stage = stage_of(g, &g->life, clock_now_ns()),
				      .asked = g->leave.asked,
				      .with_machine = g->leave.asked && g->leave.with_machine,
				      .later = g->leave.later,
				      .order = g->config.shutdown.order,
				      .due_ns = g->leave.due_ns};
	mutex_unlock(&g->lock);
	return there;
}

/*
 * What the life of a guest says is to be done (life.c): done at once, as what is slow is the
 * worker's. The caller holds g->lock all through this file.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guests/devices/console.h"
#include "guests/devices/pm.h"
#include "guests/events/event.h"
#include "guests/guest/internal.h"
#include "guests/guest/registry.h"
#include "guests/guest/snapshot.h"
#include "guests/guest/worker.h"
#include "kernel/cpu/clock.h"
#include "kernel/lib/plural.h"
#include "kernel/log/log.h"
#include "kernel/vmm/vm_create.h"

static void describe_cpus(const struct guest_config *config, char *text, size_t bytes)
{
	size_t at = 0;

	if (!config->cpus.pin_count) {
		snprintf(text, bytes, "shared CPUs");
		return;
	}
	for (unsigned i = 0; i < config->cpus.pin_count && at < bytes; i++)
		at += (size_t)snprintf(text + at, bytes - at, "%s%u", i ? ", " : "CPUs ",
				       config->cpus.pin[i]);
}

static void prepare(struct guest *g, const char *by)
{
	g->started_ns = clock_now_ns();
	g->turn = (struct turn){.state = g->turn.state == TURN_COMES ? TURN_STARTS : TURN_NONE,
				.since_ns = g->started_ns};
	event_post(EVENT_GUEST_STARTING, g->config.name, "is started %s", by);
	g->worker.watchdog_fired = g->end.kind == VM_STOP_WATCHDOG;
	worker_prepare(g);
}

static void give_up(struct guest *g, const char *by)
{
	snprintf(g->reason, sizeof g->reason, "stopped %s before it ran", by);
	event_post(EVENT_GUEST_STOPPING, g->config.name, "its start is given up %s", by);
	worker_give_up(g);
}

static void run(struct guest *g)
{
	char cpu_list[64];

	g->launch = g->worker.launch;
	g->told_vcpus = 0;
	g->told_crash_kernel = false;
	g->starts++;
	describe_cpus(&g->config, cpu_list, sizeof cpu_list);
	log_info(g->config.name, "started: %u vCPU%s on %s, %llu MiB", g->config.cpus.count,
		 plural(g->config.cpus.count), cpu_list,
		 (unsigned long long)(g->config.memory_bytes / MIB));
	event_post(EVENT_GUEST_STARTED, g->config.name, "runs: start number %u", g->starts);
	usage_begin(&g->usage, clock_now_ns());
	vm_start(g->launch.vm, &g->launch.entry);
}

static int press_power(struct guest *g)
{
	return pm_power_button(chipset_pm(g->launch.chipset)) ? 0 : -EOPNOTSUPP;
}

static void switch_off(struct guest *g, const char *by)
{
	char how[LEAVE_HOW_BYTES];

	leaving_describe(g, how);
	if (how[0] && !atomic_load(&g->launch.vm->stopping))
		log_warn(g->config.name, "is switched off %s%s", by, how);
	vm_stop(g->launch.vm, VM_STOP_REQUEST, 0, "%s%s", by, how);
}

static void note_end(struct guest *g)
{
	struct vm_stop *end = &g->end;

	*end = g->launch.vm->stop; /* all vCPUs are parked: it changes no more */
	g->crashes += vm_stop_is_crash(end->kind);
	g->panics += end->kind == VM_STOP_PANIC;
	g->watchdog_ends += end->kind == VM_STOP_WATCHDOG;
	if (end->kind == VM_STOP_EXIT)
		snprintf(g->reason, sizeof g->reason, "exited with status %u", end->status);
	else
		snprintf(g->reason, sizeof g->reason, "%s: %s", vm_stop_name(end->kind),
			 end->reason);
}

/* The VM is nobody's but the worker's any more; one that never ran is so already. */
static void release(struct guest *g)
{
	if (g->life.ran) {
		note_end(g);
		snapshot_keep(g);
		g->worker.launch = g->launch;
		memset(&g->launch, 0, sizeof g->launch);
		event_post(EVENT_GUEST_STOPPING, g->config.name, "%s", g->reason);
	}
	console_set_uart(g->console, NULL);
	worker_release(g);
}

static void put_off(struct guest *g)
{
	g->due_ns = policy_due_ns(g->started_ns);
}

static void decide(struct guest *g)
{
	const struct config_restart_limit *limit = &g->config.restart_limit;

	if (g->leave.asked)
		return;
	switch (policy_decide(&g->config, g->end.kind, &g->history, clock_now_ns())) {
	case POLICY_STAYS: break;
	case POLICY_RESTARTS:
		g->starter = actor_make(ACTOR_POLICY, policy_name(g->end.kind));
		life_put_off(&g->life);
		put_off(g);
		break;
	case POLICY_LIMIT:
		log_error(g->config.name,
			  "stays stopped: it restarted %u times within %u s; mend it, then "
			  "start it by hand",
			  limit->count, limit->seconds);
	}
}

static void call_off(struct guest *g, const char *by)
{
	snprintf(g->reason, sizeof g->reason, "told %s to wait no more", by);
	event_post(EVENT_GUEST_STOPPED, g->config.name, "%s", g->reason);
}

static void forget(struct guest *g)
{
	log_info(g->config.name, "is gone, and all that it had is free");
	registry_drop(g);
}

int act(struct guest *g, enum life_action action, const struct actor *actor)
{
	char by[ACTOR_TEXT_BYTES];

	actor_text(actor, by);
	switch (action) {
	case LIFE_NOTHING: break;
	case LIFE_PREPARE: prepare(g, by); break;
	case LIFE_GIVE_UP: give_up(g, by); break;
	case LIFE_RUN: run(g); break;
	case LIFE_PRESS_POWER: return press_power(g);
	case LIFE_SWITCH_OFF: switch_off(g, by); break;
	case LIFE_PRESS_RESET: vm_stop(g->launch.vm, VM_STOP_RESET, 0, "%s", by); break;
	case LIFE_RELEASE: release(g); break;
	case LIFE_DECIDE: decide(g); break;
	case LIFE_PUT_OFF: put_off(g); break;
	case LIFE_CALL_OFF: call_off(g, by); break;
	case LIFE_FORGET: forget(g); break;
	}
	return 0;
}

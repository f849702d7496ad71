/*
 * Requests to guests, and the control thread, which learns what became of their VMs. Both let
 * the life decide (life.c), and do what it says: none of it is slow, as that is the worker's.
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
#include "guests/launch/devices.h"
#include "kernel/cpu/clock.h"
#include "kernel/io/storage.h"
#include "kernel/lib/plural.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/vm_create.h"

static struct thread *control;
static _Atomic bool told; /* there is something to look at: a wake-up may be lost to a lock */
static _Atomic unsigned turns_held;
static _Atomic bool appeared; /* something that guests may wait for */

void control_wake(void)
{
	atomic_store(&told, true);
	thread_wake(control);
}

void control_tell(struct guest *g, enum life_input fact)
{
	atomic_fetch_or(&g->facts, BIT(fact));
	control_wake();
}

void guests_try_waiting(void)
{
	atomic_store(&appeared, true);
	control_wake();
}

/* ---- what the life says is to be done; the caller holds g->lock ----------------------------
 */

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

static int act(struct guest *g, enum life_action action, const struct actor *actor)
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

/* ---- the control thread ------------------------------------------------------------------ */

/* What it names is not there; whoever makes it appear tells so. */
static void absent(struct guest *g)
{
	snprintf(g->reason, sizeof g->reason, "%s", g->worker.why);
	log_warn(g->config.name,
		 "waits: %s; it is tried again when volumes or the configuration change, or by "
		 "`start %s`",
		 g->reason, g->config.name);
	event_post(EVENT_GUEST_WAITING, g->config.name, "%s", g->reason);
}

/* It could not be started, or the start was given up. */
static void not_prepared(struct guest *g, bool waits)
{
	if (g->life.state == GUEST_STARTING && waits) {
		absent(g);
	} else if (g->life.state == GUEST_STARTING) {
		snprintf(g->reason, sizeof g->reason, "not started: %s", g->worker.why);
		log_error(g->config.name, "%s", g->reason);
		event_post(EVENT_GUEST_FAILED, g->config.name, "%s", g->reason);
	} else {
		log_info(g->config.name, "%s", g->reason);
		event_post(EVENT_GUEST_STOPPED, g->config.name, "%s", g->reason);
	}
	worker_freed();
}

static void released(struct guest *g)
{
	if (g->life.crashed)
		log_error(g->config.name, "%s", g->reason);
	else
		log_info(g->config.name, "%s", g->reason);
	event_post(g->life.crashed ? EVENT_GUEST_FAILED : EVENT_GUEST_STOPPED, g->config.name,
		   "%s", g->reason);
	worker_freed();
}

/* Caller holds g->lock. */
static void take_fact(struct guest *g, enum life_input fact)
{
	enum life_action action;

	if (fact == LIFE_NOT_PREPARED || fact == LIFE_ABSENT)
		not_prepared(g, fact == LIFE_ABSENT);
	else if (fact == LIFE_RELEASED)
		released(g);
	life_take(&g->life, fact, &action);
	act(g, action, &g->starter);
	if (life_at_rest(&g->life))
		g->leave.asked = false;
}

/* Its turn has come, where guests of `order` and lower ones start. Caller holds g->lock. */
static void take_turn(struct guest *g, uint32_t order)
{
	if (!g->life.due || g->turn.state != TURN_WAITS || g->config.start.order > order)
		return;
	g->turn.state = TURN_COMES;
	g->due_ns = clock_now_ns() + g->config.start.delay_seconds * NSEC_PER_SEC;
}

/* The lowest order for which others wait: those of higher ones do. UINT32_MAX: there is none.
 * *until_ns: when this may change without anything being told. */
static uint32_t lowest_order(uint64_t *until_ns)
{
	uint32_t lowest = UINT32_MAX;

	for (struct guest *g = registry_next(NULL); g; g = registry_next(g)) {
		uint64_t until;

		mutex_lock(&g->lock);
		until = turn_holds_until(&g->turn, &g->life, clock_now_ns());
		if (until)
			lowest = MIN(lowest, g->config.start.order);
		if (until)
			*until_ns = MIN(*until_ns, until);
		mutex_unlock(&g->lock);
	}
	return atomic_load(&turns_held) ? 0 : lowest;
}

/* Guests of `order` and lower ones have their turn to start. Returns when the guest is to be
 * served again; UINT64_MAX: when something is told of it. */
static uint64_t serve(struct guest *g, uint32_t order)
{
	uint32_t facts = atomic_exchange(&g->facts, 0);
	uint64_t due_ns;

	mutex_lock(&g->lock);
	for (unsigned fact = LIFE_PREPARED; fact < LIFE_INPUTS; fact++)
		if (facts & BIT(fact))
			take_fact(g, fact);
	take_turn(g, order);
	if (g->life.due && g->due_ns <= clock_now_ns())
		take_fact(g, LIFE_DUE);
	due_ns = leaving_attend(g);
	if (g->life.due)
		due_ns = MIN(due_ns, g->due_ns);
	mutex_unlock(&g->lock);
	return due_ns;
}

static void release_guest(struct guest *g)
{
	if (g->worker.thread)
		worker_destroy(g);
	if (g->console) {
		console_hide(g->console);
		console_release(g->console);
	}
	heap_free(g->last);
	heap_free(g);
}

static void control_thread(void *arg)
{
	struct guest *g;
	uint64_t next_ns;
	uint32_t order, anew;

	(void)arg;
	for (;;) {
		atomic_store(&told, false);
		next_ns = UINT64_MAX;
		order = lowest_order(&next_ns);
		anew = atomic_exchange(&appeared, false) ? BIT(LIFE_APPEARED) : 0;
		for (g = registry_next(NULL); g; g = registry_next(g)) {
			atomic_fetch_or(&g->facts, anew);
			next_ns = MIN(next_ns, serve(g, order));
		}
		while ((g = registry_take_dead()))
			release_guest(g);
		if (!atomic_load(&told) && lowest_order(&next_ns) == order)
			thread_block_until(next_ns);
	}
}

int guests_init(void)
{
	const struct thread_params params = {
		.name = "control",
		.fn = control_thread,
		.weight = THREAD_WEIGHT_SERVICE,
	};

	registry_init(control_wake);
	control = thread_create(&params);
	return control ? 0 : -ENOMEM;
}

/* ---- requests ---------------------------------------------------------------------------- */

/* Caller holds g->lock. */
static int take(struct guest *g, enum life_input request, const struct actor *actor)
{
	enum life_action action;
	int err = life_take(&g->life, request, &action);

	if (!err && (request == LIFE_START || request == LIFE_RESET)) {
		g->starter = *actor;
		g->leave.asked = false;
	}
	return err ? err : act(g, action, actor);
}

int control_take(struct guest *g, enum life_input request, const struct actor *actor)
{
	bool starts_later = life_starts_later(&g->life);
	int err = take(g, request, actor);

	if (!err && request == LIFE_STOP && starts_later)
		worker_let_go(g);
	return err;
}

static int ask(struct guest *g, enum life_input request, const struct actor *actor)
{
	int err;

	mutex_lock(&g->lock);
	err = control_take(g, request, actor);
	mutex_unlock(&g->lock);
	return err;
}

int guest_start(struct guest *g, const struct actor *actor)
{
	return ask(g, LIFE_START, actor);
}

int guest_start_in_turn(struct guest *g, const struct actor *actor)
{
	int err = 0;

	mutex_lock(&g->lock);
	if (life_at_rest(&g->life) && !g->life.removed) {
		g->starter = *actor;
		g->turn.state = TURN_WAITS;
		g->due_ns = UINT64_MAX;
		life_put_off(&g->life);
	} else {
		err = control_take(g, LIFE_START, actor);
	}
	mutex_unlock(&g->lock);
	control_wake();
	return err;
}

void guests_hold_turns(void)
{
	atomic_fetch_add(&turns_held, 1);
}

void guests_release_turns(void)
{
	atomic_fetch_sub(&turns_held, 1);
	control_wake();
}

bool guests_turns_over(void)
{
	bool over = atomic_load(&turns_held) == 0;

	for (struct guest *g = guest_next(NULL); g; g = guest_next(g)) {
		mutex_lock(&g->lock);
		over = over && !turn_holds_until(&g->turn, &g->life, clock_now_ns());
		mutex_unlock(&g->lock);
	}
	return over;
}

int guest_shutdown(struct guest *g, const struct actor *actor)
{
	return ask(g, LIFE_SHUTDOWN, actor);
}

int guest_stop(struct guest *g, const struct actor *actor)
{
	return ask(g, LIFE_STOP, actor);
}

int guest_stop_for_change(struct guest *g, const struct actor *actor)
{
	int err;

	mutex_lock(&g->lock);
	err = take(g, LIFE_STOP, actor);
	mutex_unlock(&g->lock);
	return err;
}

int guest_reset(struct guest *g, const struct actor *actor)
{
	return ask(g, LIFE_RESET, actor);
}

int guest_set_memory(struct guest *g, uint64_t bytes)
{
	int err = -ESRCH;

	mutex_lock(&g->lock);
	if (g->life.state == GUEST_RUNNING)
		err = devices_set_memory(g->launch.devices, bytes);
	mutex_unlock(&g->lock);
	return err;
}

int guest_add(const struct guest_config *config, const struct cpumask *shared,
	      const struct actor *actor)
{
	struct guest *g = heap_zalloc(sizeof *g, NULL);
	char by[ACTOR_TEXT_BYTES];
	int err;

	if (!g)
		return -ENOMEM;
	g->config = *config;
	g->shared = *shared;
	mutex_init(&g->lock, "guest");
	err = worker_create(g);
	if (!err && !(g->console = console_create(config->name)))
		err = -ENOMEM;
	if (!err)
		err = registry_add(g);
	if (err) {
		release_guest(g);
		return err;
	}
	event_post(EVENT_GUEST_ADDED, config->name, "is added %s", actor_text(actor, by));
	if (config->autostart)
		guest_start_in_turn(g, actor);
	guest_put(g);
	return 0;
}

bool guest_at_rest(struct guest *g)
{
	bool rests;

	mutex_lock(&g->lock);
	rests = life_at_rest(&g->life) && !g->life.due && !atomic_load(&g->facts);
	mutex_unlock(&g->lock);
	return rests;
}

/* What a VM that runs has of the CPUs; where none of those is there, it keeps what it has. One
 * that is ending has to make room, too, and is whole until it is released. Caller holds the
 * lock. */
static void share_anew(struct guest *g)
{
	const struct config_vcpus *vcpus = &g->config.cpus;
	const struct thread_share share = {.allowed = g->shared,
					   .weight = vcpus->weight,
					   .cap_percent = vcpus->cap_percent};

	if (g->life.state == GUEST_RUNNING && !vcpus->pin_count &&
	    !config_cpus_empty(&g->shared))
		vm_set_share(g->launch.vm, &share);
}

/* The name is read without the lock. Caller holds it. */
static void replace_config(struct guest *g, const struct guest_config *config)
{
	const size_t name = offsetof(struct guest_config, name) + sizeof(config->name);

	_Static_assert(offsetof(struct guest_config, name) == 0, "the rest is in one piece");
	memcpy((char *)&g->config + name, (const char *)config + name, sizeof(*config) - name);
}

int guest_configure(struct guest *g, const struct guest_config *config,
		    const struct cpumask *shared, const struct actor *actor)
{
	char by[ACTOR_TEXT_BYTES];
	int err = 0;

	mutex_lock(&g->lock);
	if (g->life.removed)
		err = -ENOENT;
	else if (g->life.state == GUEST_STARTING || g->life.state == GUEST_STOPPING)
		err = -EBUSY;
	if (!err) {
		replace_config(g, config);
		g->shared = *shared;
		share_anew(g);
	}
	mutex_unlock(&g->lock);
	if (!err)
		event_post(EVENT_GUEST_CHANGED, g->config.name, "is configured anew %s",
			   actor_text(actor, by));
	return err;
}

int guest_remove(struct guest *g, const struct actor *actor)
{
	char by[ACTOR_TEXT_BYTES];

	if (!registry_remove(g))
		return -ENOENT;
	actor_text(actor, by);
	log_info(g->config.name, "is removed %s", by);
	event_post(EVENT_GUEST_REMOVED, g->config.name, "is removed %s", by);
	console_hide(g->console);
	storage_owner_removed(g->config.name);
	storage_forget(g->config.name);
	return ask(g, LIFE_REMOVE, actor);
}

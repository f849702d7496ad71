/*
 * Requests to guests, of any thread: the life says what each comes to (life.c), and act.c does
 * it. What they lead to later is the control thread's.
 */
#include <errno.h>
#include <string.h>

#include "guests/devices/console.h"
#include "guests/events/event.h"
#include "guests/guest/internal.h"
#include "guests/guest/registry.h"
#include "guests/guest/worker.h"
#include "guests/launch/devices.h"
#include "kernel/io/storage.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/vm_create.h"

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

int request_take(struct guest *g, enum life_input request, const struct actor *actor)
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
	err = request_take(g, request, actor);
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
		err = request_take(g, LIFE_START, actor);
	}
	mutex_unlock(&g->lock);
	control_wake();
	return err;
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

void request_free(struct guest *g)
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
		request_free(g);
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

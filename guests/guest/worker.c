/* See worker.h. What may fail because others have not yet given back what they had waits here.
 */
#include "guests/guest/worker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guests/guest/internal.h"
#include "guests/guest/registry.h"
#include "kernel/cpu/clock.h"
#include "kernel/io/storage.h"
#include "kernel/log/log.h"
#include "kernel/sched/thread.h"

/* So long a start waits for what guests that are being taken apart give back. */
#define PATIENCE_NS (10 * NSEC_PER_SEC)

enum order { ORDER_NONE, ORDER_PREPARE, ORDER_RELEASE, ORDER_END };

static _Atomic unsigned freed; /* guests that were taken apart, since start */

static void order(struct guest *g, enum order what)
{
	atomic_store(&g->worker.order, what);
	thread_wake(g->worker.thread);
}

static void vm_ended(struct vm *vm, void *arg)
{
	struct guest *g = arg;

	control_tell(g, vm_stop_is_crash(vm->stop.kind) ? LIFE_CRASHED : LIFE_ENDED);
}

/* ---- waiting for others ------------------------------------------------------------------ */

/* What another guest may have: memory, a CPU of its own, a disk, an address on a network. */
static bool is_taken(int err)
{
	return err == -ENOMEM || err == -EBUSY || err == -EEXIST;
}

static bool leaves(struct guest *g)
{
	bool leaving;

	mutex_lock(&g->lock);
	leaving = life_leaving(&g->life);
	mutex_unlock(&g->lock);
	return leaving;
}

/* Another guest that is giving back what it has, with a reference; NULL: there is none. */
static struct guest *find_leaving(const struct guest *self)
{
	struct guest *g = registry_next(NULL);

	while (g && (g == self || !leaves(g)))
		g = registry_next(g);
	return g;
}

static void add_holder(char why[BOOT_WHY_BYTES], const struct guest *holder, bool waits)
{
	size_t used = strlen(why);

	snprintf(why + used, BOOT_WHY_BYTES - used,
		 "; guest '%s'%s is still being taken apart, and has what it had%s",
		 holder->config.name, registry_removed(holder) ? ", which was removed," : "",
		 waits ? "" : ": start this one again once that is done");
}

/* Until a guest was taken apart since `seen` were. */
static void wait_for(struct guest *g, const struct guest *holder, unsigned seen,
		     uint64_t deadline_ns)
{
	log_info(g->config.name, "waits for what guest '%s' gives back", holder->config.name);
	while (atomic_load(&freed) == seen && !atomic_load(&g->worker.given_up) &&
	       clock_now_ns() < deadline_ns)
		thread_block_until(deadline_ns);
}

/* Whether another attempt makes sense after one that failed, and that began when `seen` guests
 * had been taken apart. Waits for that, if there is something to wait for. */
static bool try_again(struct guest *g, unsigned seen, uint64_t deadline_ns)
{
	struct guest *holder = find_leaving(g);
	bool again;

	if (holder)
		wait_for(g, holder, seen, deadline_ns);
	again = atomic_load(&freed) != seen && clock_now_ns() < deadline_ns &&
		!atomic_load(&g->worker.given_up);
	if (holder && !again)
		add_holder(g->worker.why, holder, g->worker.no_memory);
	guest_put(holder);
	return again;
}

void worker_freed(void)
{
	atomic_fetch_add(&freed, 1);
	for (struct guest *g = registry_next(NULL); g; g = registry_next(g))
		thread_wake(g->worker.thread);
}

/* ---- the work ---------------------------------------------------------------------------- */

static void prepare(struct guest *g)
{
	const struct launch_params params = {
		.config = &g->config,
		.shared = &g->shared,
		.console = g->console,
		.watchdog_fired = g->worker.watchdog_fired,
		.given_up = &g->worker.given_up,
		.stopped = vm_ended,
		.arg = g,
	};
	uint64_t deadline_ns = clock_now_ns() + PATIENCE_NS;
	unsigned seen;
	int err;

	do {
		seen = atomic_load(&freed);
		err = launch_prepare(&params, &g->worker.launch, g->worker.why);
		g->worker.no_memory = err == -ENOMEM;
	} while (is_taken(err) && try_again(g, seen, deadline_ns));
	storage_forget(g->config.name);
	if (err)
		control_tell(g, err == -ENODEV || err == -ENOMEM ? LIFE_ABSENT
								 : LIFE_NOT_PREPARED);
	else
		control_tell(g, LIFE_PREPARED);
}

static void release(struct guest *g)
{
	launch_release(&g->worker.launch);
	control_tell(g, LIFE_RELEASED);
}

static void worker_thread(void *arg)
{
	struct guest *g = arg;

	for (;;) {
		if (atomic_exchange(&g->worker.let_go, false))
			storage_forget(g->config.name);
		switch (atomic_exchange(&g->worker.order, ORDER_NONE)) {
		case ORDER_PREPARE: prepare(g); break;
		case ORDER_RELEASE: release(g); break;
		case ORDER_END: return;
		default: thread_block();
		}
	}
}

/* ---- orders ------------------------------------------------------------------------------ */

int worker_create(struct guest *g)
{
	char name[CONFIG_GUEST_NAME_MAX + 8];
	const struct thread_params params = {
		.name = name,
		.fn = worker_thread,
		.arg = g,
		.weight = THREAD_WEIGHT_SERVICE,
	};

	snprintf(name, sizeof name, "%s/worker", g->config.name);
	g->worker.thread = thread_create(&params);
	return g->worker.thread ? 0 : -ENOMEM;
}

void worker_destroy(struct guest *g)
{
	order(g, ORDER_END);
	thread_join(g->worker.thread);
}

void worker_prepare(struct guest *g)
{
	atomic_store(&g->worker.given_up, false);
	atomic_store(&g->worker.let_go, false);
	order(g, ORDER_PREPARE);
}

void worker_give_up(struct guest *g)
{
	atomic_store(&g->worker.given_up, true);
	thread_wake(g->worker.thread);
}

void worker_let_go(struct guest *g)
{
	atomic_store(&g->worker.let_go, true);
	thread_wake(g->worker.thread);
}

void worker_release(struct guest *g)
{
	order(g, ORDER_RELEASE);
}

/*
 * Guests and the control thread. Requests and ends of VMs are bits that anyone sets; the
 * control thread alone starts VMs, takes them apart, and applies on_crash, on_reboot and
 * on_poweroff.
 */
#include "guests/guest/guest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guests/config/config.h"
#include "guests/console/console.h"
#include "guests/devices/pm.h"
#include "guests/guest/internal.h"
#include "guests/launch.h"
#include "kernel/cpu/clock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/sync.h"
#include "kernel/sched/thread.h"

/* From one start to the next by a policy, at least, whatever `restart_limit` allows: what ends
 * and begins costs all CPUs a little. */
#define RESTART_LEAST_NS (100 * NSEC_PER_MSEC)

enum guest_request {
	REQUEST_START = 1,
	REQUEST_ENDED = 2, /* the VM has stopped by itself or on request */
	REQUEST_RESET = 4, /* and is to start again, whatever the policy says */
};

static struct thread *control;

const char *guest_state_name(enum guest_state state)
{
	static const char *const names[] = {"stopped", "starting", "running", "stopping",
					    "failed"};

	return names[state];
}

static void wake(void)
{
	thread_wake(control);
}

static void request(struct guest *g, uint32_t bits)
{
	atomic_fetch_or(&g->requests, bits);
	thread_wake(control);
}

/* From the last vCPU's thread. */
static void vm_ended(struct vm *vm, void *arg)
{
	(void)vm;
	request(arg, REQUEST_ENDED);
}

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

static void set_state(struct guest *g, enum guest_state state)
{
	mutex_lock(&g->lock);
	g->state = state;
	mutex_unlock(&g->lock);
}

/* Caller holds g->lock. */
static void run(struct guest *g, const struct launch *launch)
{
	char cpu_list[64];

	g->launch = *launch;
	g->starts++;
	g->state = GUEST_RUNNING;
	describe_cpus(&g->config, cpu_list, sizeof cpu_list);
	log_info(g->config.name, "started: %u vCPUs on %s, %llu MiB", g->config.cpus.count,
		 cpu_list, (unsigned long long)(g->config.memory_bytes / MIB));
	vm_start(g->launch.vm, &g->launch.entry);
}

static void start(struct guest *g)
{
	char why[BOOT_WHY_BYTES];
	struct launch launch;
	int err;

	atomic_store(&g->again_ns, 0);
	if (g->state == GUEST_RUNNING)
		return;
	g->started_ns = clock_now_ns();
	set_state(g, GUEST_STARTING);
	err = launch_prepare(&g->config, &g->shared, g->console, vm_ended, g, &launch, why);
	mutex_lock(&g->lock);
	if (err) {
		snprintf(g->reason, sizeof g->reason, "not started: %s", why);
		g->state = GUEST_FAILED;
		log_error(g->config.name, "%s", g->reason);
	} else {
		run(g, &launch);
	}
	mutex_unlock(&g->lock);
}

/* Whether one more restart is within the limit. */
static bool may_restart(struct guest *g)
{
	const struct config_restart_limit *limit = &g->config.restart_limit;
	uint64_t now = clock_now_ns();

	if (!limit->count)
		return true;
	if (now - g->window_ns > limit->seconds * NSEC_PER_SEC) {
		g->window_ns = now;
		g->restarts = 0;
	}
	return g->restarts++ < limit->count;
}

static bool wants_restart(const struct guest *g, enum vm_stop_kind kind)
{
	switch (kind) {
	case VM_STOP_RESET: return g->config.on_reboot == CONFIG_POLICY_RESTART;
	case VM_STOP_CRASH: return g->config.on_crash == CONFIG_POLICY_RESTART;
	case VM_STOP_POWEROFF: return g->config.on_poweroff == CONFIG_POLICY_RESTART;
	default: return false;
	}
}

static void note_reason(struct guest *g, const struct vm_stop *stop)
{
	if (stop->kind == VM_STOP_EXIT)
		snprintf(g->reason, sizeof g->reason, "exited with status %u", stop->status);
	else
		snprintf(g->reason, sizeof g->reason, "%s: %s", vm_stop_name(stop->kind),
			 stop->reason);
	g->exit_status = stop->status;
	if (stop->kind == VM_STOP_CRASH)
		log_error(g->config.name, "%s", g->reason);
	else
		log_info(g->config.name, "%s", g->reason);
}

/* The VM is nobody's but the control thread's any more. Caller holds g->lock. */
static struct launch take_away(struct guest *g)
{
	struct launch launch = g->launch;

	if (!g->last)
		g->last = heap_zalloc(sizeof *g->last, NULL);
	if (g->last)
		snapshot_fill(g, g->last);
	console_set_uart(g->console, NULL);
	memset(&g->launch, 0, sizeof g->launch);
	g->state = GUEST_STOPPING;
	return launch;
}

/* Whether it is to start again. */
static bool ended(struct guest *g, struct launch *launch, bool reset)
{
	struct vm_stop stop = launch->vm->stop; /* all vCPUs are parked: it changes no more */

	launch_release(launch);
	mutex_lock(&g->lock);
	note_reason(g, &stop);
	g->state = stop.kind == VM_STOP_CRASH ? GUEST_FAILED : GUEST_STOPPED;
	mutex_unlock(&g->lock);

	if (reset || !wants_restart(g, stop.kind))
		return reset;
	if (may_restart(g))
		return true;
	log_error(g->config.name,
		  "stays stopped: it restarted %u times within %u s; mend it, then "
		  "start it by hand",
		  g->config.restart_limit.count, g->config.restart_limit.seconds);
	return false;
}

/* Requests are taken under the lock, as press_reset() makes its own: with the VM that it is for
 * still there, and so not left over for a later life. */
static uint32_t take_requests(struct guest *g, struct launch *launch)
{
	uint32_t requests;

	if (!atomic_load(&g->requests))
		return 0;
	mutex_lock(&g->lock);
	requests = atomic_exchange(&g->requests, 0);
	if (requests & REQUEST_ENDED)
		*launch = take_away(g);
	else if (requests & REQUEST_RESET) /* it has not stopped yet: then */
		atomic_fetch_or(&g->requests, REQUEST_RESET);
	mutex_unlock(&g->lock);
	return requests;
}

static void serve(struct guest *g)
{
	struct launch launch;
	uint32_t requests = take_requests(g, &launch);
	uint64_t again;

	if (requests & REQUEST_ENDED && ended(g, &launch, requests & REQUEST_RESET))
		atomic_store(&g->again_ns, g->started_ns + RESTART_LEAST_NS);
	again = atomic_load(&g->again_ns);
	if (requests & REQUEST_START ||
	    (again && again <= clock_now_ns() &&
	     atomic_compare_exchange_strong(&g->again_ns, &again, 0)))
		start(g);
}

/* When there is something to do: now, as 0; at a time; or, as UINT64_MAX, when someone asks. */
static uint64_t next_turn_ns(void)
{
	uint64_t next = UINT64_MAX;

	for (struct guest *g = registry_next(NULL); g; g = registry_next(g)) {
		uint32_t requests = atomic_load(&g->requests);
		uint64_t again = atomic_load(&g->again_ns);

		if (requests && requests != REQUEST_RESET)
			next = 0;
		if (again)
			next = MIN(next, again);
	}
	return next;
}

static void control_thread(void *arg)
{
	uint64_t next_ns;

	(void)arg;
	for (;;) {
		for (struct guest *g = registry_next(NULL); g; g = registry_next(g))
			serve(g);
		next_ns = next_turn_ns();
		if (next_ns)
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

	registry_init(wake);
	control = thread_create(&params);
	return control ? 0 : -ENOMEM;
}

int guest_add(const struct guest_config *config, const struct cpumask *shared,
	      const struct actor *actor)
{
	struct guest *g = heap_zalloc(sizeof *g, NULL);
	int err;

	if (!g)
		return -ENOMEM;
	g->config = *config;
	g->shared = *shared;
	mutex_init(&g->lock, "guest");
	g->console = console_create(config->name);
	err = g->console ? registry_add(g) : -ENOMEM;
	if (err) {
		heap_free(g);
		return err;
	}
	return config->autostart ? guest_start(g, actor) : 0;
}

int guest_start(struct guest *g, const struct actor *actor)
{
	(void)actor;
	if (g->state == GUEST_RUNNING || g->state == GUEST_STARTING)
		return -EALREADY;
	request(g, REQUEST_START);
	return 0;
}

/* Runs fn on the running VM and returns what it does; -EINVAL when there is none. */
static int with_vm(struct guest *g, int (*fn)(struct guest *g))
{
	int err = -EINVAL;

	mutex_lock(&g->lock);
	if (g->state == GUEST_RUNNING)
		err = fn(g);
	mutex_unlock(&g->lock);
	return err;
}

static int press_power(struct guest *g)
{
	return pm_power_button(chipset_pm(g->launch.chipset)) ? 0 : -EOPNOTSUPP;
}

static int power_off(struct guest *g)
{
	vm_stop(g->launch.vm, VM_STOP_REQUEST, 0, "by the operator");
	return 0;
}

static int press_reset(struct guest *g)
{
	atomic_fetch_or(&g->requests, REQUEST_RESET);
	vm_stop(g->launch.vm, VM_STOP_RESET, 0, "by the operator");
	return 0;
}

int guest_shutdown(struct guest *g, const struct actor *actor)
{
	(void)actor;
	return with_vm(g, press_power);
}

/* One that is about to start again is not. */
int guest_stop(struct guest *g, const struct actor *actor)
{
	(void)actor;
	return atomic_exchange(&g->again_ns, 0) ? 0 : with_vm(g, power_off);
}

int guest_reset(struct guest *g, const struct actor *actor)
{
	(void)actor;
	return with_vm(g, press_reset);
}

int guest_set_memory(struct guest *g, uint64_t bytes)
{
	int err = -ESRCH;

	mutex_lock(&g->lock);
	if (g->state == GUEST_RUNNING)
		err = devices_set_memory(g->launch.devices, bytes);
	mutex_unlock(&g->lock);
	return err;
}

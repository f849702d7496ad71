/* See usage.h. The figures are guarded by the guest's lock. */
#include "guests/guest/usage.h"

#include <errno.h>
#include <stdatomic.h>

#include "guests/guest/guest.h"
#include "guests/guest/internal.h"
#include "guests/guest/trouble.h"
#include "guests/launch/devices.h"
#include "kernel/cpu/clock.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/vm.h"

#define LOOK_NS NSEC_PER_SEC

void usage_begin(struct usage *usage, uint64_t now_ns)
{
	*usage = (struct usage){.at_ns = now_ns};
}

void usage_take(struct usage *usage, const struct usage_totals *totals, uint64_t now_ns)
{
	const struct usage_totals *last = &usage->totals;
	uint64_t passed = now_ns - usage->at_ns;

	if (now_ns <= usage->at_ns)
		return;
	usage->cpu_percent =
		(uint32_t)(((totals->run_ns - last->run_ns) * 100 + passed / 2) / passed);
	usage->capped = totals->capped_ns != last->capped_ns;
	usage->throttled = totals->throttled != last->throttled;
	usage->at_ns = now_ns;
	usage->totals = *totals;
}

static void look(struct guest *g)
{
	struct usage_totals totals = {0};
	const struct vm *vm;

	mutex_lock(&g->lock);
	if (g->life.state == GUEST_RUNNING) {
		vm = g->launch.vm;
		for (unsigned i = 0; i < vm->vcpu_count; i++) {
			totals.run_ns += thread_time_run_ns(vm->vcpus[i]->thread);
			totals.capped_ns += thread_time_capped_ns(vm->vcpus[i]->thread);
		}
		totals.throttled = devices_throttled(g->launch.devices);
		usage_take(&g->usage, &totals, clock_now_ns());
		trouble_look(g);
	}
	mutex_unlock(&g->lock);
}

static void usage_thread(void *arg)
{
	(void)arg;
	for (;;) {
		for (struct guest *g = guest_next(NULL); g; g = guest_next(g))
			look(g);
		thread_block_until(clock_now_ns() + LOOK_NS);
	}
}

int usage_start(void)
{
	const struct thread_params params = {
		.name = "usage", .fn = usage_thread, .weight = THREAD_WEIGHT_SERVICE};

	return thread_create(&params) ? 0 : -ENOMEM;
}

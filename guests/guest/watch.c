/* Looks at each guest that runs, once a second: the one thing here that ticks. */
#include "guests/guest/watch.h"

#include <errno.h>

#include "guests/guest/guest.h"
#include "guests/guest/internal.h"
#include "guests/guest/trouble.h"
#include "guests/launch/devices.h"
#include "kernel/cpu/clock.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/vm.h"

#define LOOK_NS NSEC_PER_SEC

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

static void watch_thread(void *arg)
{
	(void)arg;
	for (;;) {
		for (struct guest *g = guest_next(NULL); g; g = guest_next(g))
			look(g);
		thread_block_until(clock_now_ns() + LOOK_NS);
	}
}

int watch_start(void)
{
	const struct thread_params params = {
		.name = "watch", .fn = watch_thread, .weight = THREAD_WEIGHT_SERVICE};

	return thread_create(&params) ? 0 : -ENOMEM;
}

/* How a guest is, at one moment, or was at its end. Changes nothing. */
#include "guests/guest/snapshot.h"

#include <string.h>

#include "guests/guest/internal.h"
#include "kernel/cpu/clock.h"
#include "kernel/sched/thread.h"

static void fill_vcpu(const struct vcpu *vcpu, struct guest_vcpu_info *info)
{
	const struct vcpu_counters *c = &vcpu->counters;

	info->cpu = thread_cpu(vcpu->thread);
	info->state = vcpu->state;
	for (unsigned i = 0; i < VMEXIT_REASONS; i++)
		info->exits[i] = atomic_load(&c->exits[i]);
	for (unsigned i = 0; i <= VMEVENT_SOFT; i++)
		info->injected[i] = atomic_load(&c->injected[i]);
	info->run_ns = thread_time_run_ns(vcpu->thread);
	info->wait_ns = thread_time_waiting_ns(vcpu->thread);
	info->halts = atomic_load(&c->halts);
	info->mmio_emulated = atomic_load(&c->mmio_emulated);
	info->msr_unknown =
		atomic_load(&c->msr_unknown_reads) + atomic_load(&c->msr_unknown_writes);
	info->pages_populated = atomic_load(&c->pages_populated);
}

/* Caller holds g->lock, and the VM is there. */
void snapshot_fill(struct guest *g, struct guest_info *info)
{
	struct vm *vm = g->launch.vm;

	info->uptime_ns = clock_now_ns() - vm->start_ns;
	info->populated_bytes = atomic_load(&vm->gmem.populated_bytes);
	info->overhead_bytes = atomic_load(&vm->account.bytes);
	info->unclaimed_io = atomic_load(&vm->pio.unclaimed);
	info->unclaimed_mmio = atomic_load(&vm->mmio.unclaimed);
	info->vcpu_count = vm->vcpu_count;
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		fill_vcpu(vm->vcpus[i], &info->vcpus[i]);
	devices_get_info(g->launch.devices, &info->devices);
}

void guest_get_info(struct guest *g, struct guest_info *info)
{
	mutex_lock(&g->lock);
	memset(info, 0, sizeof *info);
	if (g->life.state == GUEST_RUNNING)
		snapshot_fill(g, info);
	else if (g->last)
		*info = *g->last;
	memcpy(info->name, g->config.name, sizeof info->name);
	memcpy(info->reason, g->reason, sizeof info->reason);
	info->state = g->life.state;
	info->exit_status = g->end.status;
	info->starts = g->starts;
	info->memory_bytes = g->config.memory_bytes;
	mutex_unlock(&g->lock);
}

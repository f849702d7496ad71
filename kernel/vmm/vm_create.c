/* A VM is put together, started, and taken apart. */
#include "kernel/vmm/vm_create.h"

#include <errno.h>
#include <stdio.h>

#include "kernel/cpu/clock.h"
#include "kernel/cpu/control.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/smp.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/pc_irqs.h"
#include "kernel/vmm/vcpu_run.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vpit.h"

/* Of the CPUs that a vCPU may run on those that do it no harm, if there are any. */
static struct cpumask harmless(const struct vm *vm, const struct cpumask *allowed)
{
	struct cpumask good = *allowed;

	if (!vmm_backend->shuns_cpu)
		return good;
	for (unsigned cpu = 0; cpu < cpu_count; cpu++)
		if (vmm_backend->shuns_cpu(cpu))
			cpumask_clear(&good, cpu);
	if (cpumask_count(&good))
		return good;
	log_warn(vm->name,
		 "has no other CPU than CPU %u, on which the emulator of this machine may "
		 "break it: allow it one more",
		 cpumask_next(allowed, 0));
	return *allowed;
}

static int create_threads(struct vm *vm)
{
	const struct vm_params *p = &vm->params;
	struct cpumask shared = p->pin ? (struct cpumask){0} : harmless(vm, &p->allowed);

	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		char name[48];
		struct thread_params params = {
			.name = name,
			.fn = vcpu_thread,
			.arg = vm->vcpus[i],
			.allowed = shared,
			.owns_cpu = p->pin,
			.weight = p->weight,
			.cap_percent = p->cap_percent,
			.ends_slices = vmm_backend->ends_slices && vmm_backend->ends_slices(),
			.aspace = &vm->gmem.as,
			.ops = &vcpu_thread_ops,
			.account = &vm->account,
		};

		snprintf(name, sizeof name, "%s/%u", vm->name, i);
		if (p->pin) {
			cpumask_set(&params.allowed, p->pin[i]);
			params.allowed = harmless(vm, &params.allowed);
		}
		vm->vcpus[i]->thread = thread_create(&params);
		if (!vm->vcpus[i]->thread)
			return -ENOMEM;
	}
	return 0;
}

void vm_set_share(struct vm *vm, const struct thread_share *share)
{
	struct thread_share made = *share;

	made.allowed = harmless(vm, &share->allowed);
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		thread_set_share(vm->vcpus[i]->thread, &made);
}

/* No page of the window is global: loading CR3 forgets them all (SDM vol. 3A 4.10.4.1). */
static void flush_window(void *arg)
{
	(void)arg;
	write_cr3(read_cr3());
}

/* A CPU that is in the guest leaves it to be interrupted, and enters again only after its vCPU
 * has seen that it must flush. */
static void flush(void *arg)
{
	struct vm *vm = arg;

	for (unsigned i = 0; i < vm->vcpu_count; i++)
		vmm_backend->flush_nested(vm->vcpus[i]);
	smp_call_others(flush_window, NULL);
	flush_window(NULL);
}

static void name_parts(struct vm *vm)
{
	snprintf(vm->name, sizeof vm->name, "%s", vm->params.name);
	vm->account.name = vm->pio.owner = vm->mmio.owner = vm->name;
	vm->pio.what = "ports";
	vm->mmio.what = "memory";
	vm->board = (struct board){
		.name = vm->name,
		.account = &vm->account,
		.gmem = &vm->gmem,
		.pio = &vm->pio,
		.mmio = &vm->mmio,
		.vcpu_count = vm->params.vcpu_count,
		.stopping = &vm->stopping,
		.vm = vm,
	};
}

static int create_parts(struct vm *vm)
{
	int err = gmem_init(&vm->gmem, vm->params.memory_bytes, &vm->account);

	if (err)
		return err;
	vm->gmem.flush = flush;
	vm->gmem.flush_arg = vm;
	err = vmm_backend->vm_init(vm);
	if (err)
		return err;
	if (pc_irqs_create(vm) || !(vm->pit = vpit_create(&vm->board)))
		return -ENOMEM;
	err = bus_add(&vm->mmio, VLAPIC_DEFAULT_BASE, PAGE_BYTES, vlapic_mmio, NULL,
		      "local APIC");
	if (err)
		return err;
	for (unsigned i = 0; i < vm->params.vcpu_count; i++) {
		vm->vcpus[i] = vcpu_create(vm, i);
		if (!vm->vcpus[i])
			return -ENOMEM;
		vm->vcpu_count = i + 1;
	}
	return create_threads(vm);
}

struct vm *vm_create(const struct vm_params *params)
{
	struct vm *vm = heap_zalloc(sizeof *vm, NULL);
	int err;

	if (!vm) {
		log_error(params->name, "not created: the hypervisor is out of memory");
		return NULL;
	}
	vm->params = *params;
	name_parts(vm);
	spin_lock_init(&vm->irq_lock, "interrupt controllers");
	spin_lock_init(&vm->stop_lock, "why a VM stops");
	err = create_parts(vm);
	if (!err)
		return vm;
	log_error(vm->name,
		  "not created: out of memory (%llu MiB of guest memory and %llu KiB of the "
		  "hypervisor's own are free)",
		  (unsigned long long)(guest_frames_free_bytes() / MIB),
		  (unsigned long long)(frames_free_bytes() / KIB));
	vm_destroy(vm);
	return NULL;
}

/* What fires wakes threads: no timer may be armed, nor its function run, once they are freed.
 */
static void stop_timers(struct vm *vm)
{
	if (vm->pit)
		vpit_destroy(vm->pit);
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		vlapic_reset(vm->vcpus[i]->lapic, false);
}

static void end_threads(struct vm *vm, void (*end)(struct thread *t))
{
	atomic_store(&vm->dying, true);
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		if (!vm->vcpus[i]->thread)
			continue;
		thread_wake(vm->vcpus[i]->thread);
		end(vm->vcpus[i]->thread);
	}
}

void vm_retire(struct vm *vm)
{
	end_threads(vm, thread_leave_cpu);
}

void vm_destroy(struct vm *vm)
{
	stop_timers(vm);
	end_threads(vm, thread_join);
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		vcpu_destroy(vm->vcpus[i]);
	pc_irqs_destroy(vm);
	vmm_backend->vm_fini(vm);
	gmem_fini(&vm->gmem);
	heap_free(vm);
}

void vm_start(struct vm *vm, const struct vcpu_entry *entry)
{
	vm->entry = *entry;
	vm->start_ns = clock_now_ns();
	vm->tsc_offset = -(rdtsc() + (uint64_t)cpu_this()->tsc_offset);
	atomic_store(&vm->running, vm->vcpu_count);
	/* vCPU 0 last: it may send the others INIT and SIPI at once. */
	for (unsigned i = vm->vcpu_count; i-- > 0;)
		vcpu_post(vm->vcpus[i], VCPU_REQ_START);
}

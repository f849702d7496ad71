/* The end of a VM's life: the first reason counts, and all vCPUs park. */
#include "kernel/vmm/vm.h"

#include <stdarg.h>
#include <stdio.h>

const char *vm_stop_name(enum vm_stop_kind kind)
{
	static const char *const names[] = {
		[VM_STOP_NONE] = "running",  [VM_STOP_POWEROFF] = "powered off",
		[VM_STOP_RESET] = "reset",   [VM_STOP_EXIT] = "exited",
		[VM_STOP_CRASH] = "crashed", [VM_STOP_REQUEST] = "stopped",
		[VM_STOP_PANIC] = "crashed", [VM_STOP_WATCHDOG] = "crashed",
	};

	return names[kind];
}

void vm_stop(struct vm *vm, enum vm_stop_kind kind, uint32_t status, const char *fmt, ...)
{
	uint64_t flags = spin_lock_irqsave(&vm->stop_lock);
	bool first = vm->stop.kind == VM_STOP_NONE;

	if (first) {
		va_list args;

		vm->stop.kind = kind;
		vm->stop.status = status;
		va_start(args, fmt);
		vsnprintf(vm->stop.reason, sizeof vm->stop.reason, fmt, args);
		va_end(args);
	}
	spin_unlock_irqrestore(&vm->stop_lock, flags);
	if (!first)
		return;
	atomic_store(&vm->stopping, true);
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		vcpu_post(vm->vcpus[i], VCPU_REQ_STOP);
}

void vm_vcpu_parked(struct vm *vm)
{
	if (atomic_fetch_sub(&vm->running, 1) == 1)
		vm->params.stopped(vm, vm->params.arg);
}

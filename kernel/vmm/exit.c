/* One handler per exit reason. They finish at once or hand over to a thread; none sleeps. */
#include "kernel/vmm/exit.h"

#include <errno.h>

#include "kernel/lib/x86.h"
#include "kernel/log/log.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/bus_lock.h"
#include "kernel/vmm/cr.h"
#include "kernel/vmm/features.h"
#include "kernel/vmm/insn.h"
#include "kernel/vmm/place.h"
#include "kernel/vmm/task_switch.h"
#include "kernel/vmm/vcpu_raise.h"
#include "kernel/vmm/vm.h"

#define KVM_ENOSYS 1000 /* Linux, include/uapi/linux/kvm_para.h */

static const char *const names[VMEXIT_REASONS] = {
	[VMEXIT_UNKNOWN] = "unknown",
	[VMEXIT_HOST_INTERRUPT] = "host_interrupt",
	[VMEXIT_INTERRUPT_WINDOW] = "interrupt_window",
	[VMEXIT_NMI_WINDOW] = "nmi_window",
	[VMEXIT_CPUID] = "cpuid",
	[VMEXIT_HLT] = "hlt",
	[VMEXIT_PAUSE] = "pause",
	[VMEXIT_IO] = "io",
	[VMEXIT_RDMSR] = "rdmsr",
	[VMEXIT_WRMSR] = "wrmsr",
	[VMEXIT_HYPERCALL] = "hypercall",
	[VMEXIT_NESTED_FAULT] = "nested_fault",
	[VMEXIT_XSETBV] = "xsetbv",
	[VMEXIT_CR_WRITE] = "cr_write",
	[VMEXIT_SYSTEM_READ] = "system_read",
	[VMEXIT_CACHE] = "cache",
	[VMEXIT_MONITOR] = "monitor",
	[VMEXIT_RDPMC] = "rdpmc",
	[VMEXIT_UNDEFINED] = "undefined",
	[VMEXIT_TASK_SWITCH] = "task_switch",
	[VMEXIT_TRIPLE_FAULT] = "triple_fault",
	[VMEXIT_INIT] = "init",
	[VMEXIT_SLICE] = "slice",
	[VMEXIT_BUS_LOCK] = "bus_lock",
	[VMEXIT_INVALID_STATE] = "invalid_state",
	[VMEXIT_SOFT_INTERRUPT] = "soft_interrupt",
	[VMEXIT_VENDOR] = "vendor",
};

const char *vmexit_name(enum vmexit_reason reason)
{
	return reason < VMEXIT_REASONS ? names[reason] : "?";
}

static void skip(struct vcpu *vcpu, const struct vmexit *exit)
{
	if (unlikely(insn_skip(vcpu, exit)))
		vm_stop(vcpu->vm, VM_STOP_CRASH, 0,
			"vCPU %u: the instruction at %s that caused a %s exit cannot "
			"be read",
			vcpu->id, vcpu_place(vcpu).text, vmexit_name(exit->reason));
}

static uint64_t edx_eax(const struct vcpu *vcpu)
{
	return vcpu->regs[RDX] << 32 | (uint32_t)vcpu->regs[RAX];
}

static void none(struct vcpu *vcpu, const struct vmexit *exit)
{
	(void)vcpu;
	(void)exit;
}

static void on_cpuid(struct vcpu *vcpu, const struct vmexit *exit)
{
	struct cpuid r =
		features_cpuid(vcpu, (uint32_t)vcpu->regs[RAX], (uint32_t)vcpu->regs[RCX]);

	vcpu->regs[RAX] = r.eax;
	vcpu->regs[RBX] = r.ebx;
	vcpu->regs[RCX] = r.ecx;
	vcpu->regs[RDX] = r.edx;
	skip(vcpu, exit);
}

static void on_hlt(struct vcpu *vcpu, const struct vmexit *exit)
{
	skip(vcpu, exit);
	vcpu->state = VCPU_HALTED;
	vcpu->counters.halts++;
}

/* The slice of a vCPU that spins for another's lock is better used by that other. */
static void on_pause(struct vcpu *vcpu, const struct vmexit *exit)
{
	skip(vcpu, exit);
	if (thread_others_waiting())
		thread_yield();
}

static void on_io(struct vcpu *vcpu, const struct vmexit *exit)
{
	uint64_t mask = BIT(8 * exit->io.bytes) - 1;
	struct bus_access access = {
		.vcpu = vcpu,
		.addr = exit->io.port,
		.bytes = exit->io.bytes,
		.write = !exit->io.in,
	};

	if (unlikely(exit->io.string)) {
		insn_emulate(vcpu, exit);
		return;
	}
	skip(vcpu, exit);
	access.value = exit->io.in ? 0 : vcpu->regs[RAX] & mask;
	bus_do(&vcpu->vm->pio, &access);
	if (!exit->io.in)
		return;
	if (exit->io.bytes == 4) /* 32-bit results clear the upper half */
		vcpu->regs[RAX] = access.value & mask;
	else
		vcpu->regs[RAX] = (vcpu->regs[RAX] & ~mask) | (access.value & mask);
}

static void on_rdmsr(struct vcpu *vcpu, const struct vmexit *exit)
{
	uint64_t value;

	if (features_rdmsr(vcpu, (uint32_t)vcpu->regs[RCX], &value)) {
		vcpu_raise_error(vcpu, VECTOR_GP, 0);
		return;
	}
	vcpu->regs[RAX] = (uint32_t)value;
	vcpu->regs[RDX] = value >> 32;
	skip(vcpu, exit);
}

static void on_wrmsr(struct vcpu *vcpu, const struct vmexit *exit)
{
	if (features_wrmsr(vcpu, (uint32_t)vcpu->regs[RCX], edx_eax(vcpu)))
		vcpu_raise_error(vcpu, VECTOR_GP, 0);
	else
		skip(vcpu, exit);
}

/* There are no hypercalls; guests that believe in KVM's are told so. */
static void on_hypercall(struct vcpu *vcpu, const struct vmexit *exit)
{
	vcpu->regs[RAX] = -(uint64_t)KVM_ENOSYS;
	skip(vcpu, exit);
}

static void on_nested_fault(struct vcpu *vcpu, const struct vmexit *exit)
{
	struct vm *vm = vcpu->vm;
	uint64_t gpa = exit->fault.gpa;
	int err = gmem_populate(&vm->gmem, gpa);

	if (likely(!err)) {
		vcpu->counters.pages_populated++;
		return;
	}
	if (err == -ENOMEM) {
		vm_stop(vm, VM_STOP_CRASH, 0,
			"no memory is left for its page tables, or for what it gave away");
		return;
	}
	if (exit->fault.during_walk) {
		vm_stop(vm, VM_STOP_CRASH, 0,
			"vCPU %u: page tables at 0x%llx, which is not RAM (%s)", vcpu->id,
			(unsigned long long)gpa, vcpu_place(vcpu).text);
		return;
	}
	if (exit->fault.access & VMEXIT_FETCH) {
		vm_stop(vm, VM_STOP_CRASH, 0,
			"vCPU %u: executes at 0x%llx, which is not RAM (%s)", vcpu->id,
			(unsigned long long)gpa, vcpu_place(vcpu).text);
		return;
	}
	if (vcpu->event.kind != VMEVENT_NONE) {
		vm_stop(vm, VM_STOP_CRASH, 0,
			"vCPU %u: delivering vector %u touches 0x%llx, which is not RAM (%s)",
			vcpu->id, vcpu->event.vector, (unsigned long long)gpa,
			vcpu_place(vcpu).text);
		return;
	}
	vcpu->counters.mmio_emulated++;
	insn_emulate(vcpu, exit);
}

static void on_slice(struct vcpu *vcpu, const struct vmexit *exit)
{
	(void)vcpu;
	(void)exit;
	thread_slice_over();
}

static void on_xsetbv(struct vcpu *vcpu, const struct vmexit *exit)
{
	uint64_t value = edx_eax(vcpu);

	if (vmm_backend->cpl(vcpu) || (uint32_t)vcpu->regs[RCX] ||
	    !features_xcr0_valid(value)) {
		vcpu_raise_error(vcpu, VECTOR_GP, 0);
		return;
	}
	vcpu_set_xcr0(vcpu, value);
	skip(vcpu, exit);
}

static void on_unknown(struct vcpu *vcpu, const struct vmexit *exit)
{
	char bytes[48];

	insn_dump(vcpu, bytes, sizeof bytes);
	vm_stop(vcpu->vm, VM_STOP_CRASH, 0,
		"vCPU %u: %s exit, %s code 0x%llx info 0x%llx 0x%llx, %s: %s", vcpu->id,
		vmexit_name(exit->reason), vmm_backend->name,
		(unsigned long long)exit->raw_code, (unsigned long long)exit->raw_info[0],
		(unsigned long long)exit->raw_info[1], vcpu_place(vcpu).text, bytes);
}

static void on_cr_write(struct vcpu *vcpu, const struct vmexit *exit)
{
	int err = exit->cr.unknown ? insn_cr_write(vcpu, &vcpu->exit) : 0;

	if (unlikely(err == -EAGAIN))
		return;
	if (unlikely(err))
		on_unknown(vcpu, exit);
	else if (cr_write(vcpu, exit->cr.cr, exit->cr.value))
		vcpu_raise_error(vcpu, VECTOR_GP, 0);
	else
		skip(vcpu, exit);
}

static void on_system_read(struct vcpu *vcpu, const struct vmexit *exit)
{
	insn_emulate(vcpu, exit);
}

/* Caches are coherent and no device of a guest's bypasses them: nothing to write back. */
static void on_cache(struct vcpu *vcpu, const struct vmexit *exit)
{
	skip(vcpu, exit);
}

/* No counter that could be read: CPUID tells of none, and the four that every AMD64 CPU has
 * without being asked do not count (SDM vol. 2B RDPMC, APM vol. 3 RDPMC). */
static void on_rdpmc(struct vcpu *vcpu, const struct vmexit *exit)
{
	(void)exit;
	vcpu_raise_error(vcpu, VECTOR_GP, 0);
}

static void on_undefined(struct vcpu *vcpu, const struct vmexit *exit)
{
	(void)exit;
	vcpu_raise(vcpu, VECTOR_UD);
}

static void on_triple_fault(struct vcpu *vcpu, const struct vmexit *exit)
{
	(void)exit;
	vm_stop(vcpu->vm, VM_STOP_CRASH, 0, "vCPU %u: triple fault at %s", vcpu->id,
		vcpu_place(vcpu).text);
}

static void on_task_switch(struct vcpu *vcpu, const struct vmexit *exit)
{
	if (task_switch(vcpu, exit))
		on_unknown(vcpu, exit);
}

/* The guest runs it itself, if it is still there. */
static void on_soft_interrupt(struct vcpu *vcpu, const struct vmexit *exit)
{
	(void)exit;
	insn_refresh_soft_interrupt(vcpu);
}

static void (*const handlers[VMEXIT_REASONS])(struct vcpu *, const struct vmexit *) = {
	[VMEXIT_UNKNOWN] = on_unknown,
	[VMEXIT_HOST_INTERRUPT] = none,
	[VMEXIT_INTERRUPT_WINDOW] = none,
	[VMEXIT_NMI_WINDOW] = none,
	[VMEXIT_CPUID] = on_cpuid,
	[VMEXIT_HLT] = on_hlt,
	[VMEXIT_PAUSE] = on_pause,
	[VMEXIT_IO] = on_io,
	[VMEXIT_RDMSR] = on_rdmsr,
	[VMEXIT_WRMSR] = on_wrmsr,
	[VMEXIT_HYPERCALL] = on_hypercall,
	[VMEXIT_NESTED_FAULT] = on_nested_fault,
	[VMEXIT_XSETBV] = on_xsetbv,
	[VMEXIT_CR_WRITE] = on_cr_write,
	[VMEXIT_SYSTEM_READ] = on_system_read,
	[VMEXIT_CACHE] = on_cache,
	[VMEXIT_MONITOR] = on_undefined,
	[VMEXIT_RDPMC] = on_rdpmc,
	[VMEXIT_UNDEFINED] = on_undefined,
	[VMEXIT_TASK_SWITCH] = on_task_switch,
	[VMEXIT_TRIPLE_FAULT] = on_triple_fault,
	[VMEXIT_INIT] = on_unknown,
	[VMEXIT_SLICE] = on_slice,
	[VMEXIT_BUS_LOCK] = none,
	[VMEXIT_INVALID_STATE] = on_unknown,
	[VMEXIT_SOFT_INTERRUPT] = on_soft_interrupt,
	[VMEXIT_VENDOR] = none,
};

void exit_handle(struct vcpu *vcpu)
{
	enum vmexit_reason reason = vcpu->exit.reason;
	_Atomic uint64_t *counter = &vcpu->counters.exits[reason];

	/* The vCPU's thread alone writes it, so no locked instruction is needed. */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	handlers[reason](vcpu, &vcpu->exit);
	if (unlikely(vcpu->exit.bus_lock))
		bus_lock_throttle(&vcpu->bus_locks);
}

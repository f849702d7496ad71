/* A vCPU's time-stamp counter. The backend adds the offset; the guest's clock pages, which tell
 * how to read time from it, are pvclock.c. */
#include "kernel/vmm/vtsc.h"

#include "kernel/cpu/clock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/vmm/pvclock.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"

/* Half of a question to CPU 0 and its answer (cpu/smp.c) is much less than this on real CPUs.
 */
#define ERROR_MAX_NS (100 * NSEC_PER_USEC)

uint64_t vtsc_offset(const struct vcpu *vcpu)
{
	return vcpu->vm->tsc_offset +
	       atomic_load_explicit(&vcpu->tsc_adjust, memory_order_relaxed);
}

uint64_t vtsc_read(const struct vcpu *vcpu)
{
	return rdtsc() + (uint64_t)cpu_this()->tsc_offset + vtsc_offset(vcpu);
}

static void set_offset(struct vcpu *vcpu)
{
	vmm_backend->set_tsc_offset(vcpu, vtsc_offset(vcpu) + (uint64_t)cpu_this()->tsc_offset);
}

/* What the CPUs' TSCs differ by is known to within some ticks. Should that make the guest's run
 * back, it is waited for, as long as such an error may be. */
void vtsc_load(struct vcpu *vcpu)
{
	uint64_t behind = vcpu->tsc_seen - vtsc_read(vcpu), start = rdtsc();

	set_offset(vcpu);
	if (unlikely((int64_t)behind > 0 && behind <= clock_ns_to_tsc(ERROR_MAX_NS)))
		while (rdtsc() - start < behind)
			cpu_relax();
}

void vtsc_put(struct vcpu *vcpu)
{
	vcpu->tsc_seen = vtsc_read(vcpu);
}

/* The others look at it anew each time: another vCPU may be moving its own right now, so that
 * whether they agree before and after does not tell what a page says. */
void vtsc_set_adjust(struct vcpu *vcpu, uint64_t adjust)
{
	const struct vm *vm = vcpu->vm;

	atomic_store(&vcpu->tsc_adjust, adjust);
	set_offset(vcpu);
	vlapic_tsc_moved(vcpu->lapic);
	pvclock_refresh(vcpu);
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		if (vm->vcpus[i] != vcpu)
			vcpu_post(vm->vcpus[i], VCPU_REQ_CLOCK);
}

void vtsc_write(struct vcpu *vcpu, uint64_t tsc)
{
	vtsc_set_adjust(vcpu, atomic_load(&vcpu->tsc_adjust) + (tsc - vtsc_read(vcpu)));
}

/* One exception after another: what becomes of the two. */
#include "kernel/vmm/vcpu_raise.h"
#include "kernel/lib/x86.h"

#include "kernel/lib/x86.h"
#include "kernel/vmm/place.h"
#include "kernel/vmm/vm.h"

static bool is_contributory(unsigned vector)
{
	return vector == 0 || (vector >= 10 && vector <= 13);
}

/* SDM vol. 3A table 6-5. */
static void raise(struct vcpu *vcpu, const struct vmevent *event)
{
	const struct vmevent *first = &vcpu->event;
	bool second_counts = is_contributory(event->vector) || event->vector == 14;

	if (first->kind == VMEVENT_EXCEPTION && first->vector == 8) {
		vm_stop(vcpu->vm, VM_STOP_CRASH, 0, "vCPU %u: triple fault at %s", vcpu->id,
			vcpu_place(vcpu).text);
		return;
	}
	if (first->kind == VMEVENT_EXCEPTION &&
	    ((is_contributory(first->vector) && is_contributory(event->vector)) ||
	     (first->vector == 14 && second_counts)))
		vcpu->event = (struct vmevent){
			.kind = VMEVENT_EXCEPTION, .vector = 8, .has_error = true};
	else
		vcpu->event = *event;
}

void vcpu_raise(struct vcpu *vcpu, unsigned vector)
{
	raise(vcpu, &(struct vmevent){.kind = VMEVENT_EXCEPTION, .vector = (uint8_t)vector});
}

void vcpu_raise_error(struct vcpu *vcpu, unsigned vector, uint32_t error)
{
	/* Real mode pushes no error code (SDM vol. 3A 20.1.4). */
	bool protected_mode = vmm_backend->get_reg(vcpu, REG_CR0) & 1;

	raise(vcpu, &(struct vmevent){.kind = VMEVENT_EXCEPTION,
				      .vector = (uint8_t)vector,
				      .has_error = protected_mode,
				      .error = error});
}

void vcpu_raise_page_fault(struct vcpu *vcpu, uint64_t cr2, uint32_t error)
{
	raise(vcpu, &(struct vmevent){.kind = VMEVENT_EXCEPTION,
				      .vector = 14,
				      .has_error = true,
				      .error = error,
				      .cr2 = cr2});
}

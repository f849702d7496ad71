/* One piece prints where a vCPU is. */
#include "kernel/vmm/place.h"
#include "kernel/lib/x86.h"

#include <stdio.h>

struct vcpu_place vcpu_place(struct vcpu *vcpu)
{
	bool protected_mode =
		vmm_backend->get_reg(vcpu, REG_CR0) & CR0_PE && !(vcpu->rflags & RFLAGS_VM);
	struct vcpu_place place;
	struct vcpu_segment cs;

	vmm_backend->get_segment(vcpu, SEG_CS, &cs);
	if (vcpu_is_64bit(vcpu, &cs))
		snprintf(place.text, sizeof place.text, "RIP 0x%llx",
			 (unsigned long long)vcpu->rip);
	else
		snprintf(place.text, sizeof place.text, "%s %04x:%0*x (linear 0x%x)",
			 protected_mode ? "CS:EIP" : "CS:IP", cs.selector,
			 protected_mode ? 8 : 4, (uint32_t)vcpu->rip,
			 (uint32_t)(cs.base + vcpu->rip));
	return place;
}

/* A vCPU's state after RESET and INIT (SDM vol. 3A table 9-1). */
#include <string.h>

#include "kernel/cpu/msr.h"
#include "kernel/lib/x86.h"
#include "kernel/vmm/features.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"

#define CR0_CD_NW (CR0_CD | CR0_NW)
#define CR0_RESET (CR0_CD_NW | CR0_ET)

/* Descriptor attributes: present; code or data, accessed, readable or writable. */
#define ATTR_CODE 0x9b
#define ATTR_DATA 0x93
#define ATTR_LDT  0x82
#define ATTR_TSS  0x8b

/* In INIT these keep what they were. */
static const enum vcpu_reg kept_by_init[] = {
	REG_PAT,	 REG_STAR,	   REG_LSTAR,
	REG_CSTAR,	 REG_SFMASK,	   REG_KERNEL_GS_BASE,
	REG_SYSENTER_CS, REG_SYSENTER_ESP, REG_SYSENTER_EIP,
};

void vcpu_reset(struct vcpu *vcpu, bool init)
{
	struct vcpu_state state = {0}, old;

	vmm_backend->get_state(vcpu, &old);
	for (unsigned i = 0; i < SEG_COUNT; i++)
		state.segs[i] = (struct vcpu_segment){.limit = 0xffff, .attributes = ATTR_DATA};
	state.segs[SEG_CS] = (struct vcpu_segment){.selector = 0xf000,
						   .base = 0xffff0000,
						   .limit = 0xffff,
						   .attributes = ATTR_CODE};
	state.segs[SEG_LDTR].attributes = ATTR_LDT;
	state.segs[SEG_TR].attributes = ATTR_TSS;
	state.gdtr.limit = state.idtr.limit = 0xffff;
	state.regs[REG_CR0] = CR0_RESET;
	state.regs[REG_DR6] = DR6_RESET;
	state.regs[REG_DR7] = DR7_RESET;
	state.regs[REG_PAT] = PAT_RESET;
	if (init) {
		state.regs[REG_CR0] =
			(CR0_RESET & ~CR0_CD_NW) | (old.regs[REG_CR0] & CR0_CD_NW);
		for (unsigned i = 0; i < ARRAY_SIZE(kept_by_init); i++)
			state.regs[kept_by_init[i]] = old.regs[kept_by_init[i]];
	} else {
		features_msrs_reset(vcpu->msrs);
		vcpu->tsc_aux = 0;
		vcpu_set_xcr0(vcpu, 1);
	}
	vmm_backend->set_state(vcpu, &state);
	vlapic_reset(vcpu->lapic, init);

	memset(vcpu->regs, 0, sizeof vcpu->regs);
	vcpu_set_debug_addresses(vcpu, (const uint64_t[4]){0});
	vcpu->regs[RDX] = features_cpuid(vcpu, 1, 0).eax;
	vcpu->rip = 0xfff0;
	vcpu->rflags = RFLAGS_FIXED;
	vcpu->event.kind = VMEVENT_NONE;
	vcpu->held = false;
	vcpu->nmis_pending = 0;
}

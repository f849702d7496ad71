/*
 * VMX on the build machine: VMLAUNCH and VMRESUME check controls, host and guest state as a CPU
 * does (SDM vol. 3C ch. 26) and fail the test where a rule is broken, then run a model guest
 * until something that the VMCS says exits. Which VMCS is current where, and whether it was
 * launched, is checked as well, and that no translation is used that was to be invalidated.
 */
#ifndef TESTS_UNIT_FAKE_VMCS_H
#define TESTS_UNIT_FAKE_VMCS_H

#include "tests/unit/model_guest.h"

struct fake_vmx {
	bool apic;	 /* delivers interrupts itself */
	bool pause_loop; /* tells loops of PAUSE */
	bool timer;	 /* has a preemption timer */
	bool optional;	 /* the other optional controls */
};

/* After fake_cpu_reset(): the capability MSRs, and the core on that backend. Enabled on every
 * CPU. */
void fake_vmx_start(const struct fake_vmx *can);
void fake_vmx_stop(void);
/* The VM's nested tables have changed: what CPUs have of them is old. */
void fake_vmx_tables_changed(const struct vm *vm);
/* The capability MSRs alone. */
void fake_vmx_msrs(const struct fake_vmx *can);

/* The next entry fails: with this exit reason (bit 31 set), or VM-instruction error. */
extern uint32_t fake_vmx_refuse_reason, fake_vmx_refuse_error;
extern uint64_t fake_vmx_refuse_qualification;
/* The same, set by the next fake_vmx_start(). */
extern uint32_t fake_vmx_refuse_reason_next, fake_vmx_refuse_error_next;
/* VM-entry instruction length of the last event that needs one. */
extern unsigned fake_vmx_entry_length;
extern unsigned fake_vmx_invept, fake_vmx_invvpid;
/* Instructions until the preemption timer, once set, ends the guest's run. */
extern unsigned fake_vmx_timer_insns;
/* A field of the vCPU's VMCS. */
uint64_t fake_vmcs_field(struct vcpu *vcpu, unsigned field);
void fake_vmcs_set(struct vcpu *vcpu, unsigned field, uint64_t value);

#endif

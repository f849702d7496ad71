/* What the files of the fake VMX share: regions and their fields (fake_vmcs.c), and running
 * what they describe (fake_vmcs_run.c). */
#ifndef TESTS_UNIT_FAKE_VMCS_INTERNAL_H
#define TESTS_UNIT_FAKE_VMCS_INTERNAL_H

#include "tests/unit/fake_vmcs.h"

struct fake_cpu;

struct vmcs {
	uint64_t phys;
	bool launched;
	struct fake_cpu *cpu; /* where it is current, or was and was not cleared */
	uint64_t fields[512];
};

/* What the CPU itself writes into a field of the current VMCS. */
void fake_vmcs_put(unsigned field, uint64_t value);
/* Ends the program where the vCPU would find translations that are another's, or old. */
void fake_vmcs_check_tlb(const struct vcpu *vcpu);
/* The hardware moves what was posted into the page of a vCPU that runs (29.6). */
void fake_vmcs_on_ipi(unsigned vector);

#endif

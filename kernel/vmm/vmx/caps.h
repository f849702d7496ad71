/*
 * What a CPU's VMX can do, and which controls we run with. Pure: capability MSRs come in as
 * numbers, so that host tests can invent CPUs.
 */
#ifndef KERNEL_VMM_VMX_CAPS_H
#define KERNEL_VMM_VMX_CAPS_H

#include "kernel/lib/types.h"

enum vmx_control_set { VMX_PIN, VMX_PROC, VMX_PROC2, VMX_EXIT, VMX_ENTRY, VMX_CONTROL_SETS };

/*
 * The value for one set of controls on a CPU with this capability MSR (SDM vol. 3D A.2 to A.5:
 * bits 31:0, where 1, must be 1; bits 63:32, where 0, must be 0). Holds all that we require,
 * and what is optional where the CPU has it. 0; or -ENODEV with a sentence in `why` that names
 * the control which is missing, or which cannot be switched off.
 */
int vmx_adjust(enum vmx_control_set set, uint64_t capability, uint32_t *value, char *why,
	       size_t bytes);

/* Controls that, all together, let the CPU deliver interrupts to a guest in x2APIC mode: zero
 * unless each is allowed by the capability MSRs, given by set. They are used by vCPU. */
void vmx_apic_controls(const uint64_t capabilities[VMX_CONTROL_SETS],
		       uint32_t controls[VMX_CONTROL_SETS]);

/* IA32_VMX_BASIC and IA32_VMX_EPT_VPID_CAP: 0, or -ENODEV with a sentence in `why`. */
int vmx_check_basic(uint64_t basic, char *why, size_t bytes);
int vmx_check_ept(uint64_t capability, char *why, size_t bytes);

/*
 * The VMX-preemption timer of a CPU: how far the TSC is shifted to the right to count as it
 * does (SDM vol. 3D A.6), by IA32_VMX_MISC and CPUID's family and model; or -1 where it must
 * not be used: on the first models that had it, it may count at another rate (specification
 * updates of the Core i7-900, i5/i3-600 and Xeon 5500 series: AAJ, AAT, AAK139 and others).
 */
int vmx_timer_shift(uint64_t misc, unsigned family, unsigned model);

/* The timer's value for a slice that ends at `end`, by the TSC: 0 ends it at once. */
uint32_t vmx_timer_value(uint64_t end, uint64_t now, int shift);

/* EPT pointer (SDM vol. 3C 24.6.11): the tables themselves are read as write-back memory. */
uint64_t vmx_eptp(uint64_t root_phys);

/* Segment attributes as the neutral core has them to the VMCS's access rights and back. A
 * segment that is not present is unusable, and keeps its DPL, which for SS is the CPL. */
uint32_t vmx_rights(uint16_t attributes);
uint16_t vmx_attributes(uint32_t rights);

#endif

/*
 * The CPU that guests see: the CPUID and MSR policy, in tables. What is not listed does not
 * exist: CPUID leaves are zero, MSRs raise #GP and are counted, and none reaches hardware.
 */
#ifndef KERNEL_VMM_FEATURES_H
#define KERNEL_VMM_FEATURES_H

#include "kernel/cpu/cpu.h"
#include "kernel/mem/frames.h"
#include "kernel/vmm/vcpu.h"

/* CPUID as the guest sees it now (OSXSAVE, APIC ID and the like follow its state). */
struct cpuid features_cpuid(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf);

/* MSRs: kernel/vmm/msr.c. 0, or -EPERM for #GP(0). On the vCPU's thread. */
int features_rdmsr(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
int features_wrmsr(struct vcpu *vcpu, uint32_t msr, uint64_t value);

/* The MSRs that are mere storage, of one vCPU: what they hold at reset. NULL without memory. */
struct vcpu_msrs *features_msrs_create(struct mem_account *account);
void features_msrs_reset(struct vcpu_msrs *msrs);

/* Bits that the guest may set in CR4 and EFER, and XCR0 values that are allowed. */
uint64_t features_cr4_mask(void);
uint64_t features_efer_mask(void);
bool features_xcr0_valid(uint64_t xcr0);

void features_init(void); /* once, after cpu_features_init() */

#endif

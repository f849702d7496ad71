/*
 * KVM's paravirtual clock (Linux, Documentation/virt/kvm/x86/msr.rst), so that an unmodified
 * Linux keeps time from the TSC alone. A guest's TSC and its clock both start at 0 with the VM,
 * and the TSC jumps only where the guest itself writes it, so the time page is written then
 * alone.
 */
#ifndef KERNEL_VMM_PVCLOCK_H
#define KERNEL_VMM_PVCLOCK_H

#include "kernel/vmm/vcpu.h"

/* CPUID 0x40000001 EAX: both MSR pairs, no delay needed after I/O, clocks of all vCPUs agree.
 */
#define PVCLOCK_CPUID_FEATURES	(BIT(0) | BIT(1) | BIT(3) | BIT(24))

#define MSR_KVM_WALL_CLOCK	0x11u
#define MSR_KVM_SYSTEM_TIME	0x12u
#define MSR_KVM_WALL_CLOCK_NEW	0x4b564d00u
#define MSR_KVM_SYSTEM_TIME_NEW 0x4b564d01u

/* A write to one of the MSRs: fills the guest's page. 0, or -EPERM where it is not RAM. */
int pvclock_write_wall(struct vcpu *vcpu, uint64_t gpa);
int pvclock_write_system(struct vcpu *vcpu, uint64_t value);
/* The vCPU's TSC was moved, or another's. Does nothing where there is no page. On the vCPU's
 * thread, interrupts on. */
void pvclock_refresh(struct vcpu *vcpu);

#endif

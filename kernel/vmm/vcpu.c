/* Requests to a vCPU, and the registers of its that neither backend switches. */
#include "kernel/vmm/vcpu.h"

#include <string.h>

#include "kernel/cpu/control.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/smp.h"
#include "kernel/lib/lock.h"
#include "kernel/lib/x86.h"
#include "kernel/sched/thread.h"

uint64_t vcpu_get_xcr0(void)
{
	return xgetbv();
}

void vcpu_set_xcr0(struct vcpu *vcpu, uint64_t value)
{
	vcpu->xcr0 = value;
	if (cpu_features.xsave)
		xsetbv(value);
}

/* RDPKRU is #UD while CR4.PKE is clear, which it is while we run (kernel/cpu/features.c). No
 * memory of the guest's is reached in between. */
uint32_t vcpu_get_pkru(void)
{
	uint64_t flags = irq_save(), cr4;
	uint32_t pkru, edx;

	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_PKE) : "memory");
	__asm__ volatile(".byte 0x0f, 0x01, 0xee" : "=a"(pkru), "=d"(edx) : "c"(0));
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4) : "memory");
	irq_restore(flags);
	return pkru;
}

/* DR0 to DR3 are switched by neither VMX nor SVM. We set no breakpoints ourselves. */
void vcpu_load_debug_addresses(const struct vcpu *vcpu)
{
	write_dr0(vcpu->dr[0]);
	write_dr1(vcpu->dr[1]);
	write_dr2(vcpu->dr[2]);
	write_dr3(vcpu->dr[3]);
}

void vcpu_set_debug_addresses(struct vcpu *vcpu, const uint64_t dr[4])
{
	memcpy(vcpu->dr, dr, sizeof vcpu->dr);
	vcpu_load_debug_addresses(vcpu);
}

/* The order of the two stores and loads here and in run_once() of vcpu_run.c is what makes no
 * request lost: either we see in_guest and kick, or the vCPU sees the request before it enters.
 */
void vcpu_post(struct vcpu *vcpu, uint32_t requests)
{
	/* An older SIPI found the vCPU running, or starts what this INIT ends: either way it
	 * has no effect, and must not be taken after INIT. */
	if (unlikely(requests & VCPU_REQ_INIT))
		atomic_fetch_and(&vcpu->requests, ~VCPU_REQ_SIPI);
	atomic_fetch_or(&vcpu->requests, requests);
	if (atomic_load(&vcpu->in_guest))
		smp_kick(atomic_load(&vcpu->cpu));
	else
		thread_wake(vcpu->thread);
}

/* Counted before it is posted, so that whoever takes the request finds it. */
void vcpu_post_nmi(struct vcpu *vcpu)
{
	atomic_fetch_add(&vcpu->nmis_posted, 1);
	vcpu_post(vcpu, VCPU_REQ_NMI);
}

void vcpu_post_sipi(struct vcpu *vcpu, uint8_t vector)
{
	atomic_store(&vcpu->sipi_vector, vector);
	vcpu_post(vcpu, VCPU_REQ_SIPI);
}

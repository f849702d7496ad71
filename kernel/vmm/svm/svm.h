/* What the files of the SVM backend share. Nobody outside this folder includes it; the core
 * knows `svm_backend` alone. */
#ifndef KERNEL_VMM_SVM_SVM_H
#define KERNEL_VMM_SVM_SVM_H

#include "kernel/cpu/cpu.h"
#include "kernel/sched/timer.h"
#include "kernel/vmm/backend.h"
#include "kernel/vmm/svm/vmcb.h"
#include "kernel/vmm/vcpu.h"

/* One CPU's. Touched by that CPU alone. */
struct svm_cpu {
	uint64_t host_vmcb_phys; /* for VMLOAD after an exit: the host's FS, GS, TR and so on */
	uint64_t hsave_phys;
	uint64_t generation; /* of ASIDs: all of older ones are flushed */
	uint32_t next_asid;
};

/* What tcg.c keeps of a vCPU. */
struct svm_tcg {
	bool offered; /* V_IRQ is an interrupt for the guest, and no window */
	/* Of the last entry: whether V_IRQ was set, and whether an interrupt shadow held for
	 * the instruction at `rip`. */
	bool virq, in_shadow;
	uint64_t rip;
	unsigned shadow_exits;	    /* that found it there again, in a row */
	struct timer behind_shadow; /* exits, once that instruction has run */
	bool passes;		    /* INT n does not exit before something else has */
};

/* One vCPU's. Touched by its own thread; `flush` by anyone. */
struct svm_vcpu {
	struct vmcb *vmcb;
	uint64_t vmcb_phys;
	struct svm_cpu *cpu; /* whose ASID it has */
	uint64_t generation;
	_Atomic bool flush;
	uint64_t step_dr6;  /* of the guest's DR6, while stepping_iret */
	bool nmi_blocked;   /* an NMI was delivered and its IRET not yet seen */
	bool stepping_iret; /* that IRET is being single-stepped, */
	bool guests_step;   /* by the guest's own TF */
	uint64_t kicked_at; /* RIP where an exit for an NMI was asked for last; or UINT64_MAX */
	bool umip;	    /* CR4.UMIP, where the CPU has none */
	struct svm_tcg tcg;
};

/* CPUID 0x8000000A, read at probe. */
struct svm_features {
	uint32_t asids;
	uint32_t edx;
};
extern struct svm_features svm_features;

static inline bool svm_has(uint32_t bit)
{
	return svm_features.edx & bit;
}

static inline struct svm_vcpu *svm_of(struct vcpu *vcpu)
{
	return (struct svm_vcpu *)vcpu->backend;
}

void svm_vmrun(struct vcpu *vcpu, uint64_t vmcb_phys, uint64_t host_vmcb_phys);

/* The VMCB's exit fields to the neutral record; keeps an interrupted event in vcpu->event. */
void svm_translate_exit(struct vcpu *vcpu, struct vmexit *exit);

/* What QEMU's TCG needs done otherwise: choosing CPUs for guests, injecting an interrupt, in
 * place of a window in an interrupt shadow an exit behind it (false: there is no shadow), an
 * INT3, INT n or INTO that exited and is to run, and before and after each run of a guest that
 * is entered with V_IRQ set, in a shadow, or to run that. */
bool svm_tcg_shuns_cpu(unsigned cpu);
void svm_tcg_init(struct vcpu *vcpu);
void svm_tcg_fini(struct svm_vcpu *sv);
void svm_tcg_inject_interrupt(struct svm_vcpu *sv, uint8_t vector);
bool svm_tcg_exits_behind_shadow(struct svm_vcpu *sv);
void svm_tcg_let_pass(struct svm_vcpu *sv);
static inline bool svm_tcg_watches(const struct svm_vcpu *sv)
{
	return unlikely(cpu_features.tcg) && (sv->vmcb->vintr & VINTR_IRQ ||
					      sv->vmcb->interrupt_shadow & 1 || sv->tcg.passes);
}
void svm_tcg_entering(struct vcpu *vcpu);
void svm_tcg_exited(struct vcpu *vcpu);

/* MSR and I/O permission maps: everything intercepted but what is listed. 0 or -ENOMEM. */
int svm_maps_init(void);
extern uint64_t svm_msrpm_phys, svm_iopm_phys;

#endif

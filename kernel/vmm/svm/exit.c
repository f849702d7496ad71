/* From the VMCB's exit code to the neutral record. What to do about it is kernel/vmm/exit's. */
#include <string.h>

#include "kernel/cpu/instructions.h"
#include "kernel/lib/x86.h"
#include "kernel/log/log.h"
#include "kernel/vmm/svm/svm.h"
#include "kernel/vmm/vcpu_raise.h"
#include "kernel/vmm/vm.h"

/* What IRET may raise (APM vol. 3), but #AC, which is intercepted always. */
#define INTERCEPT_IRET_FAULTS                                                                 \
	(BIT(VECTOR_UD) | BIT(VECTOR_TS) | BIT(VECTOR_NP) | BIT(VECTOR_SS) | BIT(VECTOR_GP) | \
	 BIT(VECTOR_PF))

/* Exits that say all there is to say by their code. */
static const uint8_t plain[] = {
	[SVM_EXIT_CR0_READ] = VMEXIT_SYSTEM_READ,
	[SVM_EXIT_CR4_READ] = VMEXIT_SYSTEM_READ,
	[SVM_EXIT_IDTR_READ] = VMEXIT_SYSTEM_READ,
	[SVM_EXIT_GDTR_READ] = VMEXIT_SYSTEM_READ,
	[SVM_EXIT_LDTR_READ] = VMEXIT_SYSTEM_READ,
	[SVM_EXIT_TR_READ] = VMEXIT_SYSTEM_READ,
	[SVM_EXIT_INTR] = VMEXIT_HOST_INTERRUPT,
	[SVM_EXIT_NMI] = VMEXIT_HOST_INTERRUPT,
	[SVM_EXIT_INIT] = VMEXIT_INIT,
	[SVM_EXIT_RDPMC] = VMEXIT_RDPMC,
	[SVM_EXIT_CPUID] = VMEXIT_CPUID,
	[SVM_EXIT_RSM] = VMEXIT_UNDEFINED,
	[SVM_EXIT_INVD] = VMEXIT_CACHE,
	[SVM_EXIT_PAUSE] = VMEXIT_PAUSE,
	[SVM_EXIT_HLT] = VMEXIT_HLT,
	[SVM_EXIT_INVLPGA] = VMEXIT_UNDEFINED,
	[SVM_EXIT_FERR_FREEZE] = VMEXIT_VENDOR,
	[SVM_EXIT_SHUTDOWN] = VMEXIT_TRIPLE_FAULT,
	[SVM_EXIT_TASK_SWITCH] = VMEXIT_TASK_SWITCH,
	[SVM_EXIT_VMRUN] = VMEXIT_UNDEFINED,
	[SVM_EXIT_VMMCALL] = VMEXIT_HYPERCALL,
	[SVM_EXIT_VMLOAD] = VMEXIT_UNDEFINED,
	[SVM_EXIT_VMSAVE] = VMEXIT_UNDEFINED,
	[SVM_EXIT_STGI] = VMEXIT_UNDEFINED,
	[SVM_EXIT_CLGI] = VMEXIT_UNDEFINED,
	[SVM_EXIT_SKINIT] = VMEXIT_UNDEFINED,
	[SVM_EXIT_WBINVD] = VMEXIT_CACHE,
	[SVM_EXIT_MONITOR] = VMEXIT_MONITOR,
	[SVM_EXIT_MWAIT] = VMEXIT_MONITOR,
	[SVM_EXIT_MWAIT_A] = VMEXIT_MONITOR,
	[SVM_EXIT_XSETBV] = VMEXIT_XSETBV,
	[SVM_EXIT_RDPRU] = VMEXIT_UNDEFINED,
	[SVM_EXIT_INVLPGB] = VMEXIT_UNDEFINED,
	[SVM_EXIT_INVLPGB_ILLEGAL] = VMEXIT_UNDEFINED,
	[SVM_EXIT_MCOMMIT] = VMEXIT_UNDEFINED,
	[SVM_EXIT_TLBSYNC] = VMEXIT_UNDEFINED,
};

static void translate_io(const struct vmcb *vmcb, struct vmexit *exit)
{
	uint64_t info = vmcb->exit_info_1;

	exit->reason = VMEXIT_IO;
	exit->io.port = (uint16_t)(info >> IOIO_PORT_SHIFT);
	exit->io.bytes = info >> IOIO_SIZE_SHIFT & 7;
	exit->io.in = info & IOIO_IN;
	exit->io.string = info & IOIO_STRING;
	exit->io.rep = info & IOIO_REP;
	exit->insn_length = (uint8_t)(vmcb->exit_info_2 - vmcb->rip); /* the next RIP, always */
}

static void translate_npf(const struct vmcb *vmcb, struct vmexit *exit)
{
	uint64_t info = vmcb->exit_info_1;

	exit->reason = VMEXIT_NESTED_FAULT;
	exit->fault.gpa = vmcb->exit_info_2;
	exit->fault.access = info & NPF_FETCH	? VMEXIT_FETCH
			     : info & NPF_WRITE ? VMEXIT_WRITE
						: VMEXIT_READ;
	exit->fault.during_walk = info & NPF_TABLE;
	if (svm_has(SVM_DECODE_ASSIST)) {
		exit->insn_available = MIN(vmcb->insn_bytes_count & 0xf, 15);
		memcpy(exit->insn, vmcb->insn_bytes, sizeof exit->insn);
	}
}

/* With decode assists a MOV names its registers (APM vol. 2 15.8.1). LMSW does not, and without
 * them nothing does: then the core reads the instruction, once interrupts are on. */
static void translate_cr(struct vcpu *vcpu, struct vmexit *exit)
{
	uint64_t code = exit->raw_code, info = exit->raw_info[0];
	struct vcpu_segment cs;
	uint64_t operand;

	exit->reason = VMEXIT_CR_WRITE;
	exit->cr.unknown = !svm_has(SVM_DECODE_ASSIST) || !(info & CR_WRITE_MOV);
	if (exit->cr.unknown)
		return;
	vmm_backend->get_segment(vcpu, SEG_CS, &cs);
	operand = vcpu->regs[info & CR_WRITE_GPR_MASK];
	exit->cr.cr = code == SVM_EXIT_CR0_SEL ? 0 : (uint8_t)(code - SVM_EXIT_CR0_WRITE);
	exit->cr.value = vcpu_is_64bit(vcpu, &cs) ? operand : (uint32_t)operand;
}

/* What the step would add to is kept aside. */
static void begin_step(struct svm_vcpu *sv)
{
	sv->step_dr6 = sv->vmcb->dr6 & (DR6_BS | DR6_B);
	sv->vmcb->dr6 &= ~(DR6_BS | DR6_B);
	sv->vmcb->intercept_exceptions |= INTERCEPT_IRET_FAULTS;
}

/* The step is over: the IRET has run, or has faulted. Whether the #DB behind it is the guest's
 * as well: by its own TF, or by a breakpoint that was met: B0 to B3 are set of those that are
 * not enabled in DR7, too (APM vol. 2 13.1.1.3). */
static bool end_step(struct svm_vcpu *sv)
{
	struct vmcb *vmcb = sv->vmcb;
	uint64_t met = vmcb->dr6 & DR6_B;
	bool enabled = sv->guests_step;

	sv->stepping_iret = sv->nmi_blocked = false;
	vmcb->intercept_exceptions &= ~(uint32_t)INTERCEPT_IRET_FAULTS;
	for (unsigned i = 0; i < 4; i++)
		enabled = enabled || (met >> i & 1 && vmcb->dr7 >> 2 * i & 3);
	if (!sv->guests_step)
		vmcb->dr6 &= ~DR6_BS;
	vmcb->dr6 |= sv->step_dr6;
	return enabled;
}

/* The IRET that was to be stepped over faults: that ends the blocking of NMIs as well (SDM vol.
 * 3C 25.3), and the guest's handler must not find our TF in what it returns to. */
static void iret_faulted(struct vcpu *vcpu, unsigned vector, const struct vmexit *exit)
{
	end_step(svm_of(vcpu));
	if (!svm_of(vcpu)->guests_step)
		vcpu->rflags &= ~(uint64_t)RFLAGS_TF;
	if (vector == VECTOR_PF)
		vcpu_raise_page_fault(vcpu, exit->raw_info[1], (uint32_t)exit->raw_info[0]);
	else if (vector == VECTOR_UD)
		vcpu_raise(vcpu, vector);
	else
		vcpu_raise_error(vcpu, vector, (uint32_t)exit->raw_info[0]);
}

/* #DB and #AC are intercepted only so that a guest whose handlers raise them again and again
 * keeps exiting; #MC is the machine's own; the others while an IRET is stepped over. */
static void translate_exception(struct vcpu *vcpu, struct vmexit *exit)
{
	unsigned vector = (unsigned)(exit->raw_code - SVM_EXIT_EXCEPTION);

	exit->reason = VMEXIT_VENDOR;
	if (svm_of(vcpu)->stepping_iret &&
	    BIT(vector) & (INTERCEPT_IRET_FAULTS | BIT(VECTOR_AC))) {
		iret_faulted(vcpu, vector, exit);
		return;
	}
	switch (vector) {
	case VECTOR_DB:
		if (svm_of(vcpu)->stepping_iret) {
			exit->reason = VMEXIT_NMI_WINDOW;
			if (likely(!end_step(svm_of(vcpu))))
				break;
		}
		vcpu_raise(vcpu, vector);
		break;
	case VECTOR_AC: vcpu_raise_error(vcpu, vector, (uint32_t)exit->raw_info[0]); break;
	case VECTOR_MC: int_machine_check(); break;
	default: exit->reason = VMEXIT_UNKNOWN;
	}
}

/* An event was being delivered when the exit happened: keep it. A software interrupt or INT3
 * needs nothing, since its instruction runs again. */
static void keep_interrupted_event(struct vcpu *vcpu, uint64_t info)
{
	static const enum vmevent_kind kinds[8] = {
		[EVENT_TYPE_INTR] = VMEVENT_INTERRUPT,
		[EVENT_TYPE_NMI] = VMEVENT_NMI,
		[EVENT_TYPE_EXCEPTION] = VMEVENT_EXCEPTION,
	};
	uint8_t vector = info & 0xff;
	enum vmevent_kind kind = kinds[info >> EVENT_TYPE_SHIFT & 7];

	if (kind == VMEVENT_EXCEPTION && (vector == VECTOR_BP || vector == VECTOR_OF))
		return;
	vcpu->event = (struct vmevent){
		.kind = kind,
		.vector = vector,
		.has_error = info & EVENT_ERROR_VALID,
		.error = (uint32_t)(info >> 32),
		.cr2 = svm_of(vcpu)->vmcb->cr2,
	};
	if (kind == VMEVENT_NMI)
		svm_of(vcpu)->nmi_blocked = false;
}

static void translate_invalid(struct vcpu *vcpu, struct vmexit *exit)
{
	const struct vmcb *v = svm_of(vcpu)->vmcb;

	exit->reason = VMEXIT_INVALID_STATE;
	log_warn(vcpu->vm->name,
		 "VMRUN refused the state: cr0=%llx cr3=%llx cr4=%llx efer=%llx cs=%x/%x "
		 "rflags=%llx eventinj=%llx",
		 (unsigned long long)v->cr0, (unsigned long long)v->cr3,
		 (unsigned long long)v->cr4, (unsigned long long)v->efer, v->cs.selector,
		 v->cs.attributes, (unsigned long long)v->rflags,
		 (unsigned long long)v->event_inj);
}

/* The IRET that ends an NMI handler is about to run: NMIs stay blocked for this one instruction
 * more, which is stepped over by TF (#DB is intercepted, so the guest does not see it). */
static void translate_iret(struct vcpu *vcpu, struct vmexit *exit)
{
	struct svm_vcpu *sv = svm_of(vcpu);

	sv->vmcb->intercepts[0] &= ~(uint32_t)INTERCEPT_IRET;
	exit->reason = VMEXIT_VENDOR;
	if (!sv->nmi_blocked)
		return; /* it stood in for a window: svm_request_window() */
	/* Outside of long mode NT makes it a task switch, which would save our TF with the task
	 * that it leaves, and has no end that exits: NMIs come one instruction early there. */
	sv->stepping_iret = !(vcpu->rflags & RFLAGS_NT) || sv->vmcb->efer & EFER_LMA;
	sv->nmi_blocked = sv->stepping_iret;
	if (!sv->stepping_iret)
		return;
	sv->guests_step = vcpu->rflags & RFLAGS_TF;
	vcpu->rflags |= RFLAGS_TF;
	begin_step(sv);
}

void svm_translate_exit(struct vcpu *vcpu, struct vmexit *exit)
{
	struct svm_vcpu *sv = svm_of(vcpu);
	struct vmcb *vmcb = sv->vmcb;
	uint64_t code = vmcb->exit_code;

	exit->raw_code = code;
	exit->raw_info[0] = vmcb->exit_info_1;
	exit->raw_info[1] = vmcb->exit_info_2;
	exit->insn_available = 0;
	exit->insn_length = 0;
	exit->bus_lock = code == SVM_EXIT_BUS_LOCK;
	if (svm_has(SVM_NRIPS) && vmcb->next_rip > vmcb->rip &&
	    vmcb->next_rip - vmcb->rip <= 15)
		exit->insn_length = (uint8_t)(vmcb->next_rip - vmcb->rip);
	if (unlikely(vmcb->exit_int_info & EVENT_VALID))
		keep_interrupted_event(vcpu, vmcb->exit_int_info);

	switch (code) {
	case SVM_EXIT_IOIO: translate_io(vmcb, exit); return;
	case SVM_EXIT_NPF: translate_npf(vmcb, exit); return;
	case SVM_EXIT_MSR:
		exit->reason = vmcb->exit_info_1 & 1 ? VMEXIT_WRMSR : VMEXIT_RDMSR;
		return;
	case SVM_EXIT_VINTR:
		vmcb->vintr &= ~VINTR_IRQ;
		vmcb->intercepts[0] &= ~(uint32_t)INTERCEPT_VINTR;
		exit->reason = VMEXIT_INTERRUPT_WINDOW;
		return;
	case SVM_EXIT_CR0_WRITE:
	case SVM_EXIT_CR4_WRITE:
	case SVM_EXIT_CR8_WRITE:
	case SVM_EXIT_CR0_SEL: translate_cr(vcpu, exit); return;
	case SVM_EXIT_BUS_LOCK: /* it has not run yet: once it may */
		vmcb->bus_lock_counter = 1;
		exit->reason = VMEXIT_BUS_LOCK;
		return;
	case SVM_EXIT_IRET: translate_iret(vcpu, exit); return;
	case SVM_EXIT_SWINT:
		svm_tcg_let_pass(sv);
		exit->reason = VMEXIT_SOFT_INTERRUPT;
		return;
	case SVM_EXIT_INVALID:
	case SVM_EXIT_INVALID_7_2: translate_invalid(vcpu, exit); return;
	case SVM_EXIT_EXCEPTION ... SVM_EXIT_EXCEPTION + 31:
		translate_exception(vcpu, exit);
		return;
	}
	exit->reason = code < ARRAY_SIZE(plain) ? plain[code] : VMEXIT_UNKNOWN;
}

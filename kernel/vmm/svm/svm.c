/*
 * The SVM backend: enabling it, the VMCB of each vCPU, ASIDs, entering the guest. Exits are
 * translated in exit.c; nothing here decides what an exit means.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/cpu/cpu.h"
#include "kernel/cpu/msr.h"
#include "kernel/cpu/smp.h"
#include "kernel/lib/x86.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/nested.h"
#include "kernel/vmm/svm/asm.h"
#include "kernel/vmm/svm/backend.h"
#include "kernel/vmm/svm/svm.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"

struct svm_features svm_features;

/* Always intercepted. HLT, I/O and MSRs so that the guest has its own; instructions that its
 * CPUID does not offer so that they raise #UD. */
#define INTERCEPTS_3                                                                          \
	(INTERCEPT_INTR | INTERCEPT_NMI | INTERCEPT_INIT | INTERCEPT_CR0_SEL |                \
	 INTERCEPT_RDPMC | INTERCEPT_CPUID | INTERCEPT_RSM | INTERCEPT_INVD | INTERCEPT_HLT | \
	 INTERCEPT_INVLPGA | INTERCEPT_IOIO | INTERCEPT_MSR | INTERCEPT_SHUTDOWN)
#define INTERCEPTS_4                                                                  \
	(INTERCEPT_VMRUN | INTERCEPT_VMMCALL | INTERCEPT_VMLOAD | INTERCEPT_VMSAVE |  \
	 INTERCEPT_STGI | INTERCEPT_CLGI | INTERCEPT_SKINIT | INTERCEPT_WBINVD |      \
	 INTERCEPT_MONITOR | INTERCEPT_MWAIT | INTERCEPT_MWAIT_A | INTERCEPT_XSETBV | \
	 INTERCEPT_RDPRU)
#define INTERCEPTS_5 \
	(INTERCEPT_INVLPGB | INTERCEPT_INVLPGB_ILLEGAL | INTERCEPT_MCOMMIT | INTERCEPT_TLBSYNC)
#define INTERCEPT_CR0_READ  BIT(0)
#define INTERCEPT_CR4_READ  BIT(4)
#define INTERCEPT_CR4_WRITE BIT(16 + 4)
#define INTERCEPT_CR8_WRITE BIT(16 + 8)
#define INTERCEPT_EXCEPTIONS                                             \
	(BIT(VECTOR_DB) | BIT(VECTOR_AC) | BIT(VECTOR_MC)) /* see exit.c \
							    */

static int svm_probe(char *why, size_t bytes)
{
	struct cpuid leaf;

	if (!cpu_features.svm) {
		snprintf(why, bytes, "the CPU has no SVM");
		return -ENODEV;
	}
	if (rdmsr(MSR_VM_CR) & VM_CR_SVMDIS) {
		snprintf(why, bytes,
			 "SVM is switched off: enable \"SVM\" or \"virtualization\" in the "
			 "firmware's setup");
		return -ENODEV;
	}
	leaf = cpuid(CPUID_SVM, 0);
	svm_features = (struct svm_features){.asids = leaf.ebx, .edx = leaf.edx};
	if (!svm_has(SVM_NPT)) {
		snprintf(why, bytes, "the CPU has SVM but no nested paging, which is needed");
		return -ENODEV;
	}
	if (svm_features.asids < 2) {
		snprintf(why, bytes, "the CPU offers no ASIDs to guests");
		return -ENODEV;
	}
	return svm_maps_init();
}

/* APM vol. 2 15.4 and 15.30.4. The host's state for VMLOAD is saved once: nothing in it changes
 * after start-up. */
static int svm_cpu_enable(struct cpu *cpu)
{
	struct svm_cpu *sc = heap_zalloc(sizeof *sc, NULL);

	if (!sc)
		return -ENOMEM;
	sc->hsave_phys = frames_alloc(0, NULL);
	sc->host_vmcb_phys = frames_alloc(0, NULL);
	if (!sc->hsave_phys || !sc->host_vmcb_phys)
		return -ENOMEM;
	if (rdmsr(MSR_VM_CR) & VM_CR_SVMDIS) {
		log_error("svm", "CPU %u: firmware switched SVM off on this CPU alone",
			  cpu->index);
		return -EPERM;
	}
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
	wrmsr(MSR_VM_HSAVE_PA, sc->hsave_phys);
	vmsave(sc->host_vmcb_phys);
	sc->generation = 1;
	sc->next_asid = 1;
	cpu->backend = sc;
	return 0;
}

static unsigned svm_nested_max_level(void)
{
	return cpu_features.pages_1g ? 3 : 2;
}

static int svm_vm_init(struct vm *vm)
{
	(void)vm;
	return 0;
}

static void svm_vm_fini(struct vm *vm)
{
	(void)vm;
}

static int svm_vcpu_init(struct vcpu *vcpu)
{
	struct mem_account *account = &vcpu->vm->account;
	struct svm_vcpu *sv = heap_zalloc(sizeof *sv, account);
	struct vmcb *vmcb;

	if (!sv)
		return -ENOMEM;
	vcpu->backend = sv;
	sv->vmcb_phys = frames_alloc(0, account);
	if (!sv->vmcb_phys)
		return -ENOMEM;
	vmcb = sv->vmcb = directmap(sv->vmcb_phys);
	vmcb->intercept_cr = INTERCEPT_CR4_WRITE;
	vmcb->intercept_exceptions = INTERCEPT_EXCEPTIONS;
	vmcb->intercepts[0] = INTERCEPTS_3;
	vmcb->intercepts[1] = INTERCEPTS_4;
	vmcb->intercepts[2] = INTERCEPTS_5;
	if (svm_has(SVM_BUS_LOCK))
		vmcb->intercepts[2] |= INTERCEPT_BUS_LOCK;
	vmcb->iopm_base = svm_iopm_phys;
	vmcb->msrpm_base = svm_msrpm_phys;
	vmcb->vintr = VINTR_MASKING;
	vmcb->np_enable = 1;
	vmcb->n_cr3 = vcpu->vm->gmem.nested.root_phys;
	svm_tcg_init(vcpu);
	return 0;
}

static void svm_vcpu_fini(struct vcpu *vcpu)
{
	struct svm_vcpu *sv = svm_of(vcpu);

	if (!sv)
		return;
	svm_tcg_fini(sv);
	if (sv->vmcb_phys)
		frames_free(sv->vmcb_phys, 0, &vcpu->vm->account);
	heap_free(sv);
	vcpu->backend = NULL;
}

static void svm_load(struct vcpu *vcpu)
{
	(void)vcpu; /* the ASID follows at entry, VMLOAD state with it */
}

static void svm_put(struct vcpu *vcpu)
{
	(void)vcpu;
}

/* A fresh ASID on this CPU: nothing of this vCPU's is in its TLB. When they run out, all are
 * flushed at once (APM vol. 2 15.16) and a new generation begins. */
static void assign_asid(struct svm_vcpu *sv, struct svm_cpu *sc)
{
	sv->flush = false;
	if (sc->next_asid >= svm_features.asids) {
		sc->generation++;
		sc->next_asid = 1;
		sv->vmcb->tlb_control = TLB_FLUSH_ALL;
	}
	sv->cpu = sc;
	sv->generation = sc->generation;
	sv->vmcb->asid = sc->next_asid++;
}

/* The guest has CR8 to itself, but for while TPR alone holds an interrupt back: then we must
 * see it fall. And but for QEMU (tcg.c). */
static void watch_cr8(struct vcpu *vcpu, struct vmcb *vmcb)
{
	if (unlikely(vlapic_tpr_threshold(vcpu->lapic) || cpu_features.tcg))
		vmcb->intercept_cr |= INTERCEPT_CR8_WRITE;
	else
		vmcb->intercept_cr &= ~(uint32_t)INTERCEPT_CR8_WRITE;
}

static void svm_enter(struct vcpu *vcpu, struct vmexit *exit)
{
	struct svm_vcpu *sv = svm_of(vcpu);
	struct svm_cpu *sc = cpu_this()->backend;
	struct vmcb *vmcb = sv->vmcb;
	uint64_t tpr = vlapic_get_cr8(vcpu->lapic);
	bool watched;

	if (unlikely(sv->cpu != sc || sv->generation != sc->generation || sv->flush))
		assign_asid(sv, sc);
	watch_cr8(vcpu, vmcb);
	vmcb->vintr = (vmcb->vintr & ~VINTR_TPR_MASK) | tpr;
	vmcb->rax = vcpu->regs[RAX];
	vmcb->rsp = vcpu->regs[RSP];
	vmcb->rip = vcpu->rip;
	vmcb->rflags = vcpu->rflags;
	watched = svm_tcg_watches(sv);
	if (unlikely(watched))
		svm_tcg_entering(vcpu);

	svm_vmrun(vcpu, sv->vmcb_phys, sc->host_vmcb_phys);
	vcpu->regs[RAX] = vmcb->rax;
	vcpu->regs[RSP] = vmcb->rsp;
	vcpu->rip = vmcb->rip;
	vcpu->rflags = vmcb->rflags;
	vmcb->event_inj = 0;
	vmcb->tlb_control = 0;
	if (unlikely(watched))
		svm_tcg_exited(vcpu);
	if (unlikely((vmcb->vintr & VINTR_TPR_MASK) != tpr))
		vlapic_set_cr8(vcpu->lapic, vmcb->vintr & 0xf);
	svm_translate_exit(vcpu, exit);
}

static bool svm_can_inject(struct vcpu *vcpu, enum vmevent_kind kind)
{
	struct svm_vcpu *sv = svm_of(vcpu);

	if (kind == VMEVENT_EXCEPTION)
		return true;
	if (sv->vmcb->interrupt_shadow & 1 || sv->stepping_iret)
		return false;
	return kind == VMEVENT_NMI ? !sv->nmi_blocked : vcpu->rflags & RFLAGS_IF;
}

/* A virtual interrupt does not exit before IF is set, which an NMI does not wait for; and
 * behind an event that goes in at this entry IF may be clear. An interrupt of our own that is
 * pending at entry exits behind that event, or behind the instruction in the shadow, where none
 * is recognized (APM vol. 2 15.21, interrupt shadows); where something else exits first, the
 * next entry asks again. A CPU that exits for it before that instruction would not get on: one
 * try for each place, and then the next exit will do. QEMU's may take a pending interrupt
 * before what EVENTINJ brings (tcg.c). */
static void exit_soon(struct vcpu *vcpu)
{
	struct svm_vcpu *sv = svm_of(vcpu);

	bool in_vain = sv->kicked_at == vcpu->rip && sv->vmcb->exit_code == SVM_EXIT_INTR;

	if (cpu_features.tcg || in_vain)
		return;
	sv->kicked_at = vcpu->rip;
	smp_kick(cpu_this()->index);
}

/* A dummy virtual interrupt that is above every TPR exits as soon as IF allows (APM vol. 2
 * 15.21.4). For an NMI the IRET of the one being handled is waited for, or the end of the
 * interrupt shadow, which is at most one instruction away. */
static void svm_request_window(struct vcpu *vcpu, enum vmevent_kind kind)
{
	struct svm_vcpu *sv = svm_of(vcpu);

	if (kind == VMEVENT_NMI && sv->nmi_blocked)
		return; /* IRET is intercepted since that NMI went in */
	if (unlikely(sv->stepping_iret))
		return; /* what ends the step exits: a handler must not find our TF */
	if (unlikely(cpu_features.tcg) && svm_tcg_exits_behind_shadow(sv))
		return;
	if (kind == VMEVENT_NMI && (!(vcpu->rflags & RFLAGS_IF) || sv->vmcb->event_inj))
		exit_soon(vcpu);
	if (unlikely(sv->tcg.offered)) {
		sv->vmcb->intercepts[0] |= INTERCEPT_IRET; /* that of its handler */
		return;
	}
	sv->vmcb->vintr |= VINTR_IRQ_ABOVE_TPR;
	sv->vmcb->intercepts[0] |= INTERCEPT_VINTR;
}

static void svm_inject(struct vcpu *vcpu, const struct vmevent *event)
{
	static const uint64_t types[] = {
		[VMEVENT_INTERRUPT] = EVENT_TYPE_INTR,
		[VMEVENT_NMI] = EVENT_TYPE_NMI,
		[VMEVENT_EXCEPTION] = EVENT_TYPE_EXCEPTION,
		[VMEVENT_SOFT] = EVENT_TYPE_SOFT,
	};
	struct svm_vcpu *sv = svm_of(vcpu);
	uint64_t inj = event->vector | types[event->kind] << EVENT_TYPE_SHIFT | EVENT_VALID;

	if (unlikely(cpu_features.tcg && event->kind == VMEVENT_INTERRUPT)) {
		svm_tcg_inject_interrupt(sv, event->vector);
		return;
	}
	if (event->has_error)
		inj |= EVENT_ERROR_VALID | (uint64_t)event->error << 32;
	if (event->kind == VMEVENT_EXCEPTION && event->vector == VECTOR_PF)
		sv->vmcb->cr2 = event->cr2;
	if (event->kind == VMEVENT_NMI) {
		sv->nmi_blocked = true;
		sv->kicked_at = UINT64_MAX;
		sv->vmcb->intercepts[0] |= INTERCEPT_IRET;
	}
	sv->vmcb->event_inj = inj;
}

static void svm_clear_interrupt_shadow(struct vcpu *vcpu)
{
	svm_of(vcpu)->vmcb->interrupt_shadow &= ~1ull;
}

/* Where each register lives in the VMCB. */
static const uint16_t reg_offset[REG_COUNT] = {
	[REG_CR0] = offsetof(struct vmcb, cr0),
	[REG_CR2] = offsetof(struct vmcb, cr2),
	[REG_CR3] = offsetof(struct vmcb, cr3),
	[REG_CR4] = offsetof(struct vmcb, cr4),
	[REG_EFER] = offsetof(struct vmcb, efer),
	[REG_DR6] = offsetof(struct vmcb, dr6),
	[REG_DR7] = offsetof(struct vmcb, dr7),
	[REG_STAR] = offsetof(struct vmcb, star),
	[REG_LSTAR] = offsetof(struct vmcb, lstar),
	[REG_CSTAR] = offsetof(struct vmcb, cstar),
	[REG_SFMASK] = offsetof(struct vmcb, sfmask),
	[REG_KERNEL_GS_BASE] = offsetof(struct vmcb, kernel_gs_base),
	[REG_FS_BASE] = offsetof(struct vmcb, fs.base),
	[REG_GS_BASE] = offsetof(struct vmcb, gs.base),
	[REG_SYSENTER_CS] = offsetof(struct vmcb, sysenter_cs),
	[REG_SYSENTER_ESP] = offsetof(struct vmcb, sysenter_esp),
	[REG_SYSENTER_EIP] = offsetof(struct vmcb, sysenter_eip),
	[REG_PAT] = offsetof(struct vmcb, g_pat),
};

static const uint16_t seg_offset[SEG_COUNT] = {
	[SEG_ES] = offsetof(struct vmcb, es),	  [SEG_CS] = offsetof(struct vmcb, cs),
	[SEG_SS] = offsetof(struct vmcb, ss),	  [SEG_DS] = offsetof(struct vmcb, ds),
	[SEG_FS] = offsetof(struct vmcb, fs),	  [SEG_GS] = offsetof(struct vmcb, gs),
	[SEG_LDTR] = offsetof(struct vmcb, ldtr), [SEG_TR] = offsetof(struct vmcb, tr),
};

static uint64_t *reg_slot(struct vcpu *vcpu, enum vcpu_reg reg)
{
	return (uint64_t *)((char *)svm_of(vcpu)->vmcb + reg_offset[reg]);
}

static struct vmcb_segment *seg_slot(struct vcpu *vcpu, enum vcpu_seg seg)
{
	return (struct vmcb_segment *)((char *)svm_of(vcpu)->vmcb + seg_offset[seg]);
}

/* UMIP on a CPU without it: while the guest has set it, what it is about exits, and so does MOV
 * from CR4, where the CPU cannot keep the bit. SMSW exits as a read of CR0 (APM vol. 2
 * 15.8, 15.9, table 15-7), and so does MOV from it. */
static uint64_t set_umip(struct svm_vcpu *sv, uint64_t cr4)
{
	static const uint32_t reads = INTERCEPT_CR0_READ | INTERCEPT_CR4_READ,
			      tables = INTERCEPT_IDTR_READ | INTERCEPT_GDTR_READ |
				       INTERCEPT_LDTR_READ | INTERCEPT_TR_READ;
	struct vmcb *vmcb = sv->vmcb;

	if (cpu_features.umip)
		return cr4;
	sv->umip = cr4 & CR4_UMIP;
	vmcb->intercept_cr =
		sv->umip ? vmcb->intercept_cr | reads : vmcb->intercept_cr & ~reads;
	vmcb->intercepts[0] =
		sv->umip ? vmcb->intercepts[0] | tables : vmcb->intercepts[0] & ~tables;
	return cr4 & ~CR4_UMIP;
}

/* EFER.SVME must be set for VMRUN and is ours alone (APM vol. 2 15.5.1). */
static uint64_t svm_get_reg(struct vcpu *vcpu, enum vcpu_reg reg)
{
	uint64_t value = *reg_slot(vcpu, reg);

	if (reg == REG_CR4 && svm_of(vcpu)->umip)
		return value | CR4_UMIP;
	return reg == REG_EFER ? value & ~EFER_SVME : value;
}

static void svm_set_reg(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value)
{
	if (reg == REG_CR4)
		value = set_umip(svm_of(vcpu), value);
	*reg_slot(vcpu, reg) = reg == REG_EFER ? value | EFER_SVME : value;
	if (reg == REG_CR0 || reg == REG_CR3 || reg == REG_CR4 || reg == REG_EFER)
		svm_of(vcpu)->flush = true; /* a guest's own MOV would have flushed */
}

static void svm_get_segment(struct vcpu *vcpu, enum vcpu_seg seg, struct vcpu_segment *out)
{
	const struct vmcb_segment *s = seg_slot(vcpu, seg);

	*out = (struct vcpu_segment){s->selector, s->attributes, s->limit, s->base};
}

/* The CPL is SS's DPL (APM vol. 2 15.5.1). */
static void svm_set_segment(struct vcpu *vcpu, enum vcpu_seg seg, const struct vcpu_segment *in)
{
	*seg_slot(vcpu, seg) =
		(struct vmcb_segment){in->selector, in->attributes, in->limit, in->base};
	if (seg == SEG_SS)
		svm_of(vcpu)->vmcb->cpl = in->attributes >> 5 & 3;
}

static void svm_get_state(struct vcpu *vcpu, struct vcpu_state *out)
{
	const struct vmcb *vmcb = svm_of(vcpu)->vmcb;

	for (unsigned i = 0; i < REG_COUNT; i++)
		out->regs[i] = svm_get_reg(vcpu, i);
	for (unsigned i = 0; i < SEG_COUNT; i++)
		svm_get_segment(vcpu, i, &out->segs[i]);
	out->gdtr.base = vmcb->gdtr.base;
	out->gdtr.limit = (uint16_t)vmcb->gdtr.limit;
	out->idtr.base = vmcb->idtr.base;
	out->idtr.limit = (uint16_t)vmcb->idtr.limit;
}

static void svm_set_table(struct vcpu *vcpu, bool idt, uint64_t base, uint16_t limit)
{
	struct vmcb *vmcb = svm_of(vcpu)->vmcb;

	*(idt ? &vmcb->idtr : &vmcb->gdtr) =
		(struct vmcb_segment){.limit = limit, .base = base};
}

static void svm_set_state(struct vcpu *vcpu, const struct vcpu_state *in)
{
	struct svm_vcpu *sv = svm_of(vcpu);
	struct vmcb *vmcb = sv->vmcb;

	for (unsigned i = 0; i < REG_COUNT; i++)
		svm_set_reg(vcpu, i, in->regs[i]);
	for (unsigned i = 0; i < SEG_COUNT; i++)
		svm_set_segment(vcpu, i, &in->segs[i]);
	svm_set_table(vcpu, false, in->gdtr.base, in->gdtr.limit);
	svm_set_table(vcpu, true, in->idtr.base, in->idtr.limit);
	vmcb->interrupt_shadow = 0;
	vmcb->vintr = VINTR_MASKING;
	vmcb->event_inj = 0;
	vmcb->intercepts[0] &= ~(uint32_t)(INTERCEPT_VINTR | INTERCEPT_IRET);
	vmcb->intercept_exceptions = INTERCEPT_EXCEPTIONS;
	sv->nmi_blocked = sv->stepping_iret = sv->tcg.offered = false;
	sv->kicked_at = UINT64_MAX;
}

static unsigned svm_cpl(struct vcpu *vcpu)
{
	return svm_of(vcpu)->vmcb->cpl;
}

static void svm_set_tsc_offset(struct vcpu *vcpu, uint64_t offset)
{
	svm_of(vcpu)->vmcb->tsc_offset = offset;
}

/* With a filter, only loops of PAUSE exit (APM vol. 2 15.14.4): some 3000 in a row is longer
 * than any lock is fairly held. */
static void svm_intercept_pause(struct vcpu *vcpu, bool on)
{
	struct vmcb *vmcb = svm_of(vcpu)->vmcb;

	vmcb->pause_filter_count = svm_has(SVM_PAUSE_FILTER) ? 3000 : 0;
	vmcb->intercepts[0] &= ~(uint32_t)INTERCEPT_PAUSE;
	if (on)
		vmcb->intercepts[0] |= INTERCEPT_PAUSE;
}

static void svm_flush_nested(struct vcpu *vcpu)
{
	svm_of(vcpu)->flush = true;
}

const struct vmm_backend svm_backend = {
	.name = "SVM",
	.probe = svm_probe,
	.cpu_enable = svm_cpu_enable,
	.shuns_cpu = svm_tcg_shuns_cpu,
	.emulates_umip = true,
	.nested_format = &pt_format_npt,
	.nested_max_level = svm_nested_max_level,
	.vm_init = svm_vm_init,
	.vm_fini = svm_vm_fini,
	.vcpu_init = svm_vcpu_init,
	.vcpu_fini = svm_vcpu_fini,
	.load = svm_load,
	.put = svm_put,
	.enter = svm_enter,
	.can_inject = svm_can_inject,
	.request_window = svm_request_window,
	.inject = svm_inject,
	.clear_interrupt_shadow = svm_clear_interrupt_shadow,
	.get_reg = svm_get_reg,
	.set_reg = svm_set_reg,
	.get_segment = svm_get_segment,
	.set_segment = svm_set_segment,
	.get_state = svm_get_state,
	.set_state = svm_set_state,
	.cpl = svm_cpl,
	.set_table = svm_set_table,
	.set_tsc_offset = svm_set_tsc_offset,
	.intercept_pause = svm_intercept_pause,
	.flush_nested = svm_flush_nested,
};

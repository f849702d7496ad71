/* See fake_vmcb.h. */
#include "tests/unit/fake_vmcb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "kernel/cpu/control.h"
#include "kernel/cpu/msr.h"
#include "kernel/lib/x86.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/features.h"
#include "kernel/vmm/svm/asm.h"
#include "kernel/vmm/svm/backend.h"
#include "kernel/vmm/svm/svm.h"
#include "kernel/vmm/vmm.h"
#include "tests/unit/fake_cpu.h"
#include "tests/unit/fake_machine.h"

#define ASIDS	      64
#define PHYS_BITS     48
#define POISON	      0xdead0000dead0000ull
#define CR4_RESERVED  (~0x3ffffull & ~(BIT(18) | BIT(20) | BIT(21) | BIT(22) | BIT(23)))
#define EFER_DEFINED  0xfd01ull /* SCE LME LMA NXE SVME LMSLE FFXSR TCE */
#define INTERCEPT_CR8 BIT(16 + 8)

uint32_t fake_svm_asids;
unsigned fake_svm_flushes;
uint64_t fake_svm_refuse, fake_svm_refuse_next;
unsigned fake_svm_shadow_interrupts;
bool fake_svm_exits_in_shadow, fake_svm_no_xsetbv_exit, fake_svm_virq_undone;

static uint32_t edx;
#define OLD ((const struct vcpu *)1) /* nobody may find them any more */
static const struct vcpu *owner[FAKE_CPUS][ASIDS];

void vmsave(uint64_t vmcb_phys)
{
	if (!(rdmsr(MSR_EFER) & EFER_SVME))
		model_fail("VMSAVE without EFER.SVME");
	assert_true(IS_ALIGNED(vmcb_phys, PAGE_BYTES));
	strcpy((char *)((struct vmcb *)directmap(vmcb_phys))->reserved_678, "host");
}

void fake_svm_start(uint32_t features, bool tcg)
{
	const struct vmm_backend *backends[] = {&svm_backend};

	edx = features;
	fake_cpuid_svm = (struct cpuid){.ebx = ASIDS, .edx = features};
	fake_svm_asids = ASIDS;
	fake_svm_flushes = 0;
	fake_svm_refuse = fake_svm_refuse_next;
	fake_svm_shadow_interrupts = 0;
	fake_svm_no_xsetbv_exit = fake_svm_virq_undone = false;
	memset(owner, 0, sizeof owner);
	cpu_features.tcg = tcg;
	fake_msr(MSR_VM_CR, 0);
	fake_msr(MSR_VM_HSAVE_PA, 0);
	assert_int_equal(vmm_init(backends, 1), 0);
	for (unsigned i = FAKE_CPUS; i-- > 0;) {
		fake_cpu_use(i);
		assert_int_equal(vmm_init_this_cpu(), 0);
		assert_true(IS_ALIGNED(rdmsr(MSR_VM_HSAVE_PA), PAGE_BYTES));
	}
}

void fake_svm_stop(void)
{
	for (unsigned i = 0; i < FAKE_CPUS; i++) {
		struct svm_cpu *sc = fake_cpus[i].cpu.backend;

		frames_free(sc->hsave_phys, 0, NULL);
		frames_free(sc->host_vmcb_phys, 0, NULL);
		heap_free(sc);
	}
	frames_free(svm_msrpm_phys, 1, NULL);
	frames_free(svm_iopm_phys, 2, NULL);
}

void fake_svm_tables_changed(const struct vm *vm)
{
	for (unsigned i = 0; i < FAKE_CPUS; i++)
		for (unsigned k = 0; k < ASIDS; k++)
			if (owner[i][k] && owner[i][k] != OLD && owner[i][k]->vm == vm)
				owner[i][k] = OLD;
}

/* ---- what VMRUN refuses ---- */

static void rule(bool kept, const char *what)
{
	if (!kept)
		model_fail("VMRUN: %s", what);
}

/* APM vol. 2 15.5.1, "canonicalization and consistency checks". */
static void check_state(const struct vmcb *v)
{
	bool long_mode = v->efer & EFER_LME && v->cr0 & BIT(31);

	rule(v->efer & EFER_SVME, "EFER.SVME is clear");
	rule(!(v->efer & ~EFER_DEFINED), "reserved bits of EFER");
	rule(!(!(v->cr0 & BIT(30)) && v->cr0 & BIT(29)), "CR0.NW without CR0.CD");
	rule(!(v->cr0 >> 32), "upper half of CR0");
	rule(!(v->cr3 >> PHYS_BITS), "reserved bits of CR3");
	rule(!(v->cr4 & CR4_RESERVED), "reserved bits of CR4");
	rule(cpu_features.umip || !(v->cr4 & CR4_UMIP), "CR4.UMIP without the feature");
	rule(!(v->dr6 >> 32), "upper half of DR6");
	rule(!(v->dr7 >> 32), "upper half of DR7");
	rule(!long_mode || v->cr4 & BIT(5), "long mode without CR4.PAE");
	rule(!long_mode || v->cr0 & 1, "long mode without CR0.PE");
	rule(!long_mode ||
		     !(v->cs.attributes & SEG_ATTR_LONG && v->cs.attributes & SEG_ATTR_DB),
	     "CS.L and CS.D");
	rule(v->rflags & 2, "RFLAGS bit 1");
}

static void check_controls(const struct vmcb *v)
{
	rule(v->intercepts[1] & INTERCEPT_VMRUN, "the VMRUN intercept is clear");
	rule(v->asid > 0 && v->asid < fake_svm_asids, "ASID");
	rule(IS_ALIGNED(v->msrpm_base, PAGE_BYTES) && IS_ALIGNED(v->iopm_base, PAGE_BYTES),
	     "permission maps");
	rule(!(v->msrpm_base >> PHYS_BITS) && !(v->iopm_base >> PHYS_BITS),
	     "permission maps beyond memory");
	rule(v->np_enable == 1, "nested paging is off");
	rule(v->n_cr3 && IS_ALIGNED(v->n_cr3, PAGE_BYTES) && !(v->n_cr3 >> PHYS_BITS), "nCR3");
	rule(v->g_pat, "G_PAT"); /* with nested paging it must be of valid types */
	rule(v->tlb_control <= 1, "TLB_CONTROL without flush by ASID");
	rule(v->vintr & VINTR_MASKING, "V_INTR_MASKING: the guest would mask our interrupts");
	rule((v->intercepts[0] & (INTERCEPT_INTR | INTERCEPT_NMI)) ==
		     (INTERCEPT_INTR | INTERCEPT_NMI),
	     "host interrupts are not intercepted");
}

/* APM vol. 2 15.20. */
static void check_injection(const struct vmcb *v)
{
	uint64_t type = v->event_inj >> EVENT_TYPE_SHIFT & 7;
	unsigned vector = v->event_inj & 0xff;

	if (!(v->event_inj & EVENT_VALID))
		return;
	rule(type == EVENT_TYPE_INTR || type == EVENT_TYPE_NMI ||
		     type == EVENT_TYPE_EXCEPTION || type == EVENT_TYPE_SOFT,
	     "EVENTINJ type");
	rule(type != EVENT_TYPE_EXCEPTION || (vector != 2 && vector < 32),
	     "EVENTINJ: an exception's vector");
	rule(!(v->event_inj & 0x7ffff000), "EVENTINJ: reserved bits");
	if (type == EVENT_TYPE_EXCEPTION && v->cr0 & 1) {
		bool pushes = vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;

		rule(pushes == !!(v->event_inj & EVENT_ERROR_VALID),
		     "EVENTINJ: error code valid");
	}
}

/* What one vCPU has under its ASID no other may find, nor may it itself after a flush. */
static void check_asid(const struct svm_vcpu *sv, const struct vcpu *vcpu)
{
	unsigned cpu = fake_cpu->cpu.index;
	const struct vcpu **who = &owner[cpu][sv->vmcb->asid];

	if (sv->vmcb->tlb_control & TLB_FLUSH_ALL) {
		memset(owner[cpu], 0, sizeof owner[cpu]);
		fake_svm_flushes++;
	}
	rule(!*who || *who == vcpu, "an ASID whose translations are another vCPU's");
	rule(!sv->flush, "translations that were to be flushed");
	*who = vcpu;
	for (unsigned i = 0; i < FAKE_CPUS;
	     i++) /* and elsewhere, what it has is old from now on */
		for (unsigned k = 0; i != cpu && k < ASIDS; k++)
			if (owner[i][k] == vcpu)
				owner[i][k] = OLD;
}

/* ---- running ---- */

struct run {
	struct model *m;
	struct vmcb *v;
	bool virq_undone;
	bool shadow_forgotten; /* QEMU's: the VMCB's is not loaded (findings/) */
};

static bool leave(struct run *r, uint64_t code, uint64_t info_1, uint64_t info_2, bool insn)
{
	r->v->exit_code = code;
	r->v->exit_info_1 = info_1;
	r->v->exit_info_2 = info_2;
	if (insn && edx & SVM_NRIPS)
		r->v->next_rip = r->m->rip + MODEL_LENGTH;
	return true;
}

/* Something goes through the guest's IDT: done, or the exit that it ends in. */
static bool delivered(struct run *r, uint64_t event)
{
	static const enum vmevent_kind kinds[8] = {
		[EVENT_TYPE_INTR] = VMEVENT_INTERRUPT,
		[EVENT_TYPE_NMI] = VMEVENT_NMI,
		[EVENT_TYPE_EXCEPTION] = VMEVENT_EXCEPTION,
		[EVENT_TYPE_SOFT] = VMEVENT_SOFT,
	};
	uint64_t fault;

	if (model_deliver(r->m, kinds[event >> EVENT_TYPE_SHIFT & 7], event & 0xff,
			  event & EVENT_ERROR_VALID, (uint32_t)(event >> 32), &fault))
		return true;
	r->v->exit_int_info = event;
	leave(r, SVM_EXIT_NPF, NPF_WRITE, fault, false);
	return false;
}

static bool in_shadow(const struct model *m)
{
	return m->by_sti || m->by_mov_ss;
}

/* APM vol. 2 15.21.4: above TPR, IF set, and not in a shadow. */
static bool virtual_interrupt_due(const struct run *r)
{
	const struct model *m = r->m;
	uint64_t v = r->v->vintr;

	return v & VINTR_IRQ && !r->virq_undone && m->rflags & RFLAGS_IF &&
	       (!in_shadow(m) || r->shadow_forgotten) &&
	       (v & VINTR_IGN_TPR || (v >> VINTR_PRIO_SHIFT & 0xf) > (v & 0xf));
}

/* What comes between two instructions. */
static bool leave_before_insn(struct run *r)
{
	struct model *m = r->m;

	if (m->machine_check) {
		m->machine_check = false;
		return leave(r, SVM_EXIT_EXCEPTION + 18, 0, 0, false);
	}
	if (m->init) {
		m->init = false;
		return leave(r, SVM_EXIT_INIT, 0, 0, false);
	}
	if (m->host_nmi) {
		m->host_nmi = false;
		return leave(r, SVM_EXIT_NMI, 0, 0, false);
	}
	if (in_shadow(m) && fake_svm_shadow_interrupts) {
		fake_svm_shadow_interrupts--;
		m->host_interrupt = true;
	}
	/* None is recognized in a shadow (APM vol. 2 15.21, interrupt shadows), but by QEMU. */
	if (m->host_interrupt &&
	    (!in_shadow(m) || fake_svm_exits_in_shadow || cpu_features.tcg)) {
		m->host_interrupt = false;
		return leave(r, SVM_EXIT_INTR, 0, 0, false);
	}
	if (!virtual_interrupt_due(r))
		return false;
	if (r->v->intercepts[0] & INTERCEPT_VINTR)
		return leave(r, SVM_EXIT_VINTR, 0, 0, false);
	r->v->vintr &= ~VINTR_IRQ;
	if (delivered(r, EVENT_VALID | (r->v->vintr >> VINTR_VECTOR_SHIFT & 0xff)))
		return false;
	if (cpu_features.tcg) /* QEMU clears it when all is done */
		r->v->vintr |= VINTR_IRQ;
	return true;
}

static bool is_intercepted(const struct run *r, uint64_t code)
{
	const struct vmcb *v = r->v;

	if (code < 0x20)
		return v->intercept_cr >> code & 1;
	if (code >= 0x40 && code < 0x60)
		return v->intercept_exceptions >> (code - 0x40) & 1;
	if (code >= 0x60 && code < 0xc0)
		return v->intercepts[(code - 0x60) / 32] >> (code - 0x60) % 32 & 1;
	return true;
}

/* APM vol. 2 15.11; MSRs of no map exit always. */
static bool msr_exits(const struct run *r, uint64_t msr, bool write)
{
	static const uint32_t range_base[] = {0, 0xc0000000, 0xc0010000};
	const uint8_t *map = directmap(r->v->msrpm_base);

	for (unsigned i = 0; i < ARRAY_SIZE(range_base); i++) {
		uint64_t bit = 2 * (msr - range_base[i]) + write;

		if (msr >= range_base[i] && msr - range_base[i] < 0x2000)
			return map[i * 0x800 + bit / 8] >> bit % 8 & 1;
	}
	return true;
}

static uint64_t *msr_place(const struct run *r, uint64_t msr)
{
	switch (msr) {
	case MSR_STAR: return &r->v->star;
	case MSR_LSTAR: return &r->v->lstar;
	case MSR_KERNEL_GS_BASE: return &r->v->kernel_gs_base;
	default: model_fail("MSR 0x%x is not in the VMCB", (unsigned)msr);
	}
}

static bool execute_msr(struct run *r, const struct model_insn *insn)
{
	bool write = insn->op == M_MSR_BECOMES;
	uint64_t *place;

	if (insn->op != M_MSR_IS && !write)
		return false;
	rule(!msr_exits(r, insn->a, write), "an MSR of the guest's own exits");
	place = msr_place(r, insn->a);
	if (write)
		*place = insn->b;
	else if (*place != insn->b)
		model_fail("MSR 0x%x is 0x%llx", (unsigned)insn->a, (unsigned long long)*place);
	r->m->rip += MODEL_STRIDE;
	return true;
}

/* The exit code of an instruction, or 0 for one that has none. */
static uint64_t code_of(const struct run *r, const struct model_insn *insn)
{
	switch (insn->op) {
	case M_HLT: return SVM_EXIT_HLT;
	case M_PAUSE: return SVM_EXIT_PAUSE;
	case M_CPUID: return SVM_EXIT_CPUID;
	case M_RDMSR:
	case M_WRMSR: return SVM_EXIT_MSR;
	case M_OUT:
	case M_IN:
	case M_INS: return SVM_EXIT_IOIO;
	case M_XSETBV: return fake_svm_no_xsetbv_exit ? 0 : SVM_EXIT_XSETBV;
	case M_MOV_CR: return insn->a ? 0x10 + insn->a : SVM_EXIT_CR0_SEL;
	case M_LMSW: return SVM_EXIT_CR0_SEL;
	case M_VMCALL: return SVM_EXIT_VMMCALL;
	case M_WBINVD: return SVM_EXIT_WBINVD;
	case M_MONITOR: return SVM_EXIT_MONITOR;
	case M_UNDEFINED: return SVM_EXIT_RSM;
	case M_IRET: return SVM_EXIT_IRET;
	case M_RAISE: return SVM_EXIT_EXCEPTION + insn->a;
	case M_SHUTDOWN: return SVM_EXIT_SHUTDOWN;
	case M_TASK_SWITCH: return SVM_EXIT_TASK_SWITCH;
	case M_STRANGE: return 0x3ff;
	case M_TOUCH: return fake_populates ? 0 : SVM_EXIT_NPF;
	case M_END: return 0xf0;
	default: (void)r; return 0;
	}
}

static uint64_t io_info(const struct model_insn *insn)
{
	return insn->a << IOIO_PORT_SHIFT | (uint64_t)(insn->bytes ? insn->bytes : 1) << 4 |
	       (insn->op != M_OUT ? IOIO_IN : 0) | (insn->op == M_INS ? IOIO_STRING : 0);
}

static uint64_t npf_info(const struct model_insn *insn)
{
	return (insn->b & VMEXIT_WRITE ? NPF_WRITE : 0) |
	       (insn->b & VMEXIT_FETCH ? NPF_FETCH : 0) |
	       (insn->b & MODEL_WALK ? NPF_TABLE : 0);
}

static bool exits(struct run *r, const struct model_insn *insn)
{
	uint64_t code = code_of(r, insn);

	if (!code || !is_intercepted(r, code))
		return false;
	model_registers(r->m, insn);
	switch (insn->op) {
	case M_RDMSR:
	case M_WRMSR:
		rule(msr_exits(r, insn->a, insn->op == M_WRMSR), "that MSR does not exit");
		return leave(r, code, insn->op == M_WRMSR, 0, true);
	case M_OUT:
	case M_IN:
	case M_INS: return leave(r, code, io_info(insn), r->m->rip + MODEL_LENGTH, true);
	case M_TOUCH: return leave(r, code, npf_info(insn), insn->a, false);
	case M_RAISE: return leave(r, code, insn->b, 0, false);
	case M_END:
		vm_stop(r->m->vcpu->vm, VM_STOP_POWEROFF, 0, "the end");
		return leave(r, SVM_EXIT_INTR, 0, 0, false);
	default: return leave(r, code, 0, 0, true);
	}
}

/* For as long as an instruction takes: what was to come behind one does. */
static void time_passes(struct model *m)
{
	struct timer *timer = &svm_of(m->vcpu)->tcg.behind_shadow;

	if (!timer_armed(timer))
		return;
	timer_cancel(timer);
	timer->fn(timer);
	m->host_interrupt = true;
}

/* One instruction; true where the guest has exited. */
static bool step(struct run *r)
{
	struct model *m = r->m;
	bool trap = m->rflags & RFLAGS_TF;
	const struct model_insn *insn = model_next(m);

	if (exits(r, insn))
		return true;
	r->shadow_forgotten = false;
	time_passes(m);
	if (insn->op == M_HLT)
		model_fail("the CPU halts in the guest");
	if (insn->op == M_XSETBV) {
		xsetbv(insn->a);
		m->rip += MODEL_STRIDE;
	} else if (insn->op == M_MOV_CR && insn->a == 8) {
		r->v->vintr = (r->v->vintr & ~VINTR_TPR_MASK) | insn->b;
		m->rip += MODEL_STRIDE;
	} else if (insn->op == M_CR2) {
		rule(r->v->cr2 == insn->a, "CR2");
		m->rip += MODEL_STRIDE;
	} else if (!execute_msr(r, insn)) {
		model_execute(m, insn);
	}
	if (!trap || m->by_mov_ss) /* MOV SS holds it back (SDM vol. 3A 6.8.3) */
		return false;
	r->v->dr6 |= DR6_BS;
	if (is_intercepted(r, SVM_EXIT_EXCEPTION + 1))
		return leave(r, SVM_EXIT_EXCEPTION + 1, 0, 0, false);
	return !delivered(r, EVENT_VALID | EVENT_TYPE_EXCEPTION << EVENT_TYPE_SHIFT | 1);
}

/* QEMU's does not load the shadow, which is there all the same. */
static void load_shadow(struct run *r)
{
	struct model *m = r->m;

	if (!cpu_features.tcg || m->rip != r->v->rip) {
		/* A shadow is one in the VMCB, whatever cast it. */
		m->by_sti = !cpu_features.tcg && r->v->interrupt_shadow & 1;
		m->by_mov_ss = false;
	}
	r->shadow_forgotten = cpu_features.tcg && in_shadow(m);
}

static void load(struct model *m, const struct vmcb *v)
{
	m->rip = v->rip;
	m->rflags = v->rflags;
	m->cs_base = v->cs.attributes & SEG_ATTR_LONG ? 0 : v->cs.base;
	m->cr0 = v->cr0;
}

static void store(const struct run *r)
{
	const struct model *m = r->m;
	struct vmcb *v = r->v;

	v->rip = m->rip;
	v->rflags = m->rflags;
	v->interrupt_shadow = in_shadow(m) && !r->shadow_forgotten;
	v->rax = m->vcpu->regs[RAX];
	v->cpl = m->frames ? 0 : v->cpl;
	m->vcpu->regs[RAX] = m->vcpu->regs[RSP] = POISON;
	m->vcpu->rip = m->vcpu->rflags = POISON;
}

void svm_vmrun(struct vcpu *vcpu, uint64_t vmcb_phys, uint64_t host_vmcb_phys)
{
	struct vmcb *v = directmap(vmcb_phys);
	const struct vmcb *host = directmap(host_vmcb_phys);
	struct run r = {.m = model_of(vcpu), .v = v};

	r.virq_undone = fake_svm_virq_undone && v->vintr & VINTR_IRQ;
	if (r.virq_undone)
		fake_svm_virq_undone = false;
	rule(!fake_cpu->interrupts, "interrupts are on");
	rule(vcpu->in_guest, "nobody would kick it");
	rule(fake_cpu->cpu.loaded == vcpu, "its state is not in the CPU");
	rule(strcmp((const char *)host->reserved_678, "host") == 0, "no host state for VMLOAD");
	check_controls(v);
	check_injection(v);
	check_asid(vcpu->backend, vcpu);
	vcpu->regs[RAX] = v->rax;
	r.m->entries++;
	v->exit_int_info = v->next_rip = 0;
	load_shadow(&r);
	load(r.m, v);
	if (fake_svm_refuse) {
		v->exit_code = fake_svm_refuse;
		fake_svm_refuse = 0;
		store(&r);
		return;
	}
	check_state(v);
	if (!(v->event_inj & EVENT_VALID) || delivered(&r, v->event_inj))
		while (!leave_before_insn(&r) && !step(&r))
			;
	r.m->host_interrupt = false; /* the host takes it, whatever it was that exited */
	store(&r);
}

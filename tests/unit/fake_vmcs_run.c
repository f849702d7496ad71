/* See fake_vmcs.h. What a VMCS that passed says is done: events go in, instructions run or
 * exit. */
#include <stdint.h>
#include <string.h>

#include "kernel/cpu/msr.h"
#include "kernel/lib/x86.h"
#include "kernel/vmm/vmx/asm.h"
#include "kernel/vmm/vmx/vmx.h"
#include "tests/unit/fake_cpu.h"
#include "tests/unit/fake_machine.h"
#include "tests/unit/fake_vmcs_internal.h"
#include "tests/unit/fake_vmcs_rules.h"

#define POISON 0xdead0000dead0000ull

/* ---- the virtual APIC (chapter 29) ---- */

static uint32_t *apic_word(unsigned offset)
{
	return (uint32_t *)((char *)directmap(vmread(VMCS_VIRTUAL_APIC)) + offset);
}

static bool delivers(void)
{
	return vmread(VMCS_PROC_CONTROLS) & PROC_SECONDARY &&
	       vmread(VMCS_PROC2_CONTROLS) & PROC2_VIRTUAL_DELIVERY;
}

static unsigned highest(unsigned bank)
{
	for (unsigned vector = 256; vector-- > 16;)
		if (*apic_word(bank + vector / 32 * 16) >> vector % 32 & 1)
			return vector;
	return 0;
}

static void note_highest(void)
{
	fake_vmcs_put(VMCS_GUEST_INTERRUPT_STATUS, highest(0x100) << 8 | highest(0x200));
}

void fake_vmcs_on_ipi(unsigned vector)
{
	unsigned here = fake_cpu->cpu.index;

	for (unsigned i = 0; i < FAKE_CPUS; i++) {
		struct vcpu *vcpu = fake_cpus[i].cpu.loaded;
		struct vmx_posted *posted;

		if (!vcpu || !vcpu->in_guest)
			continue;
		fake_cpu_use(i);
		rule(vector == vmread(VMCS_POSTED_VECTOR), "another notification vector");
		posted = directmap(vmread(VMCS_POSTED_DESCRIPTOR));
		posted->control &= ~1ull;
		for (unsigned k = 0; k < 8; k++) {
			*apic_word(0x200 + 16 * k) |=
				(uint32_t)(posted->vectors[k / 2] >> k % 2 * 32);
			posted->vectors[k / 2] &= ~(0xffffffffull << k % 2 * 32);
		}
		note_highest();
	}
	fake_cpu_use(here);
}

/* ---- running ---- */

static bool leave(struct model *m, uint32_t reason, uint64_t qualification, bool insn)
{
	(void)m;
	fake_vmcs_put(VMCS_EXIT_REASON, reason);
	fake_vmcs_put(VMCS_EXIT_QUALIFICATION, qualification);
	fake_vmcs_put(VMCS_EXIT_LENGTH, insn ? MODEL_LENGTH : 0xee);
	return true;
}

static bool leave_by_event(struct model *m, uint32_t type, unsigned vector, uint64_t error,
			   uint64_t qualification)
{
	fake_vmcs_put(VMCS_EXIT_EVENT, EVENT_VALID | type << EVENT_TYPE_SHIFT | vector |
					       (vector == 17 ? EVENT_ERROR : 0));
	fake_vmcs_put(VMCS_EXIT_EVENT_ERROR, error);
	return leave(m, VMX_EXIT_EXCEPTION, qualification, true);
}

/* True when it went through the IDT. */
static bool delivered(struct model *m, uint32_t event, uint64_t error)
{
	static const enum vmevent_kind kinds[8] = {
		[EVENT_INTERRUPT] = VMEVENT_INTERRUPT,
		[EVENT_NMI] = VMEVENT_NMI,
		[EVENT_EXCEPTION] = VMEVENT_EXCEPTION,
		[EVENT_SOFT_EXCEPTION] = VMEVENT_EXCEPTION,
	};
	uint64_t fault;

	if (model_deliver(m, kinds[EVENT_TYPE(event)], event & 0xff, event & EVENT_ERROR,
			  (uint32_t)error, &fault))
		return true;
	fake_vmcs_put(VMCS_IDT_EVENT, event & ~EVENT_NMI_UNBLOCKED);
	fake_vmcs_put(VMCS_IDT_EVENT_ERROR, error);
	fake_vmcs_put(VMCS_GUEST_PHYSICAL, fault);
	if (EVENT_TYPE(event) == EVENT_NMI)
		m->in_nmi = true; /* blocked since the injection began (26.3.1.5) */
	leave(m, VMX_EXIT_EPT_VIOLATION, EPT_QUAL_WRITE | EPT_QUAL_LINEAR | EPT_QUAL_FINAL,
	      false);
	return false;
}

static bool may_interrupt(const struct model *m)
{
	return m->rflags & RFLAGS_IF && !m->by_sti && !m->by_mov_ss;
}

/* Virtual-interrupt delivery (29.2.2): 0 nothing, 1 went in, 2 an exit came of it. */
static int deliver_virtual(struct model *m)
{
	unsigned vector = (unsigned)vmread(VMCS_GUEST_INTERRUPT_STATUS) & 0xff;
	unsigned servicing = (unsigned)vmread(VMCS_GUEST_INTERRUPT_STATUS) >> 8;
	unsigned tpr = *apic_word(0x80) & 0xff;

	if (!delivers() || vector >> 4 <= MAX(servicing >> 4, tpr >> 4) || !may_interrupt(m) ||
	    vmread(VMCS_PROC_CONTROLS) & PROC_INTERRUPT_WINDOW)
		return 0;
	*apic_word(0x200 + vector / 32 * 16) &= ~(1u << vector % 32);
	*apic_word(0x100 + vector / 32 * 16) |= 1u << vector % 32;
	note_highest();
	return delivered(m, (uint32_t)EVENT_VALID | vector, 0) ? 1 : 2;
}

static bool leave_for_host(struct model *m)
{
	if (m->machine_check) {
		m->machine_check = false;
		return leave_by_event(m, EVENT_EXCEPTION, 18, 0, 0);
	}
	if (m->init) {
		m->init = false;
		return leave(m, VMX_EXIT_INIT, 0, false);
	}
	if (m->host_nmi) {
		m->host_nmi = false;
		return leave_by_event(m, EVENT_NMI, 2, 0, 0);
	}
	if (m->host_interrupt) {
		bool acknowledges = vmread(VMCS_EXIT_CONTROLS) & EXIT_ACKNOWLEDGE;

		m->host_interrupt = false;
		fake_vmcs_put(VMCS_EXIT_EVENT, acknowledges ? EVENT_VALID | 0xf2 : 0);
		return leave(m, VMX_EXIT_INTERRUPT, 0, false);
	}
	return false;
}

/* 25.2, 26.7.5 to 26.7.7. */
static bool leave_before_insn(struct model *m)
{
	uint64_t proc = vmread(VMCS_PROC_CONTROLS);

	if (leave_for_host(m))
		return true;
	if (vmread(VMCS_PIN_CONTROLS) & PIN_PREEMPTION_TIMER &&
	    (!vmread(VMCS_PREEMPTION_TIMER) ||
	     (fake_vmx_timer_insns && !--fake_vmx_timer_insns)))
		return leave(m, VMX_EXIT_PREEMPTION_TIMER, 0, false);
	if (proc & PROC_NMI_WINDOW && !m->in_nmi && !m->by_mov_ss && !m->by_sti)
		return leave(m, VMX_EXIT_NMI_WINDOW, 0, false);
	if (proc & PROC_INTERRUPT_WINDOW && may_interrupt(m))
		return leave(m, VMX_EXIT_INTERRUPT_WINDOW, 0, false);
	return deliver_virtual(m) == 2;
}

/* 24.6.9, 25.1.3. */
static bool msr_exits(uint64_t msr, bool write)
{
	const uint8_t *map = directmap(vmread(VMCS_MSR_BITMAP));
	uint64_t index = msr & 0x1fff;

	if (msr >= 0x2000 && (msr < 0xc0000000 || msr >= 0xc0002000))
		return true;
	map += (write ? 0x800 : 0) + (msr >= 0xc0000000 ? 0x400 : 0);
	return map[index / 8] >> index % 8 & 1;
}

/* A WRMSR to the virtual APIC that the CPU finishes, or exits behind (29.5, 29.1.4, 29.1.5). */
static bool write_apic(struct model *m, const struct model_insn *insn)
{
	unsigned vector = highest(0x100);

	m->rip += MODEL_STRIDE;
	m->by_sti = m->by_mov_ss = false;
	switch (insn->a) {
	case 0x808: *apic_word(0x80) = (uint32_t)insn->b; return false;
	case 0x80b:
		*apic_word(0x100 + vector / 32 * 16) &= ~(1u << vector % 32);
		note_highest();
		if (vmread(VMCS_EOI_EXIT + 2 * (vector / 64)) >> vector % 64 & 1)
			return leave(m, VMX_EXIT_EOI, vector, false);
		return false;
	case 0x83f:
		if (insn->b < 16) {
			*apic_word(0x3f0) = (uint32_t)insn->b;
			return leave(m, VMX_EXIT_APIC_WRITE, 0x3f0, false);
		}
		*apic_word(0x200 + insn->b / 32 * 16) |= 1u << insn->b % 32;
		note_highest();
		return false;
	default: model_fail("WRMSR 0x%x without an exit", (unsigned)insn->a);
	}
}

static bool write_cr8(struct model *m, uint64_t value)
{
	*apic_word(0x80) = (uint32_t)value << 4;
	m->rip += MODEL_STRIDE;
	return !delivers() && value < vmread(VMCS_TPR_THRESHOLD) &&
	       leave(m, VMX_EXIT_TPR, 0, false);
}

static bool write_cr(struct model *m, const struct model_insn *insn)
{
	unsigned mask = insn->a ? VMCS_CR4_MASK : VMCS_CR0_MASK;
	unsigned shadow = insn->a ? VMCS_CR4_SHADOW : VMCS_CR0_SHADOW;
	unsigned reg = insn->a ? VMCS_GUEST_CR4 : VMCS_GUEST_CR0;

	if (insn->a == 8)
		return write_cr8(m, insn->b);
	if ((insn->b ^ vmread(shadow)) & vmread(mask))
		return leave(m, VMX_EXIT_CR, insn->a, true);
	fake_vmcs_put(reg, (vmread(reg) & vmread(mask)) | (insn->b & ~vmread(mask)));
	m->rip += MODEL_STRIDE;
	return false;
}

/* LMSW: MP, EM and TS are the guest's (25.1.3). */
static bool load_msw(struct model *m, const struct model_insn *insn)
{
	uint64_t mask = vmread(VMCS_CR0_MASK);

	if ((insn->a ^ vmread(VMCS_CR0_SHADOW)) & mask & 0xf)
		return leave(m, VMX_EXIT_CR, insn->a << 16 | 3 << 4, true);
	fake_vmcs_put(VMCS_GUEST_CR0, (vmread(VMCS_GUEST_CR0) & ~0xeull) | (insn->a & 0xe));
	m->rip += MODEL_STRIDE;
	return false;
}

static uint64_t io_qualification(const struct model_insn *insn)
{
	return insn->a << 16 | ((insn->bytes ? insn->bytes : 1) - 1) |
	       (insn->op != M_OUT ? BIT(3) : 0) | (insn->op == M_INS ? BIT(4) : 0);
}

static uint64_t ept_qualification(const struct model_insn *insn)
{
	return (insn->b & 7) | EPT_QUAL_LINEAR | (insn->b & MODEL_WALK ? 0 : EPT_QUAL_FINAL);
}

static bool nothing(struct model *m)
{
	m->rip += MODEL_STRIDE;
	m->by_sti = m->by_mov_ss = false;
	return false;
}

/* One instruction that may exit; true where it has. `done`: it was run here. */
static bool special(struct model *m, const struct model_insn *insn, bool *done)
{
	uint64_t proc = vmread(VMCS_PROC_CONTROLS), proc2 = vmread(VMCS_PROC2_CONTROLS);

	*done = true;
	model_registers(m, insn);
	switch (insn->op) {
	case M_HLT: return leave(m, VMX_EXIT_HLT, 0, true);
	case M_PAUSE:
		return proc & PROC_PAUSE || proc2 & PROC2_PAUSE_LOOP
			       ? leave(m, VMX_EXIT_PAUSE, 0, true)
			       : nothing(m);
	case M_CPUID: return leave(m, VMX_EXIT_CPUID, 0, true);
	case M_RDMSR:
		return msr_exits(insn->a, false) ? leave(m, VMX_EXIT_RDMSR, 0, true)
						 : nothing(m);
	case M_WRMSR:
		return msr_exits(insn->a, true) ? leave(m, VMX_EXIT_WRMSR, 0, true)
						: write_apic(m, insn);
	case M_OUT:
	case M_IN:
	case M_INS: return leave(m, VMX_EXIT_IO, io_qualification(insn), true);
	case M_XSETBV: return leave(m, VMX_EXIT_XSETBV, 0, true);
	case M_MOV_CR: return write_cr(m, insn);
	case M_LMSW: return load_msw(m, insn);
	case M_VMCALL: return leave(m, VMX_EXIT_VMCALL, 0, true);
	case M_WBINVD:
		return proc2 & PROC2_WBINVD ? leave(m, VMX_EXIT_WBINVD, 0, true) : nothing(m);
	case M_MONITOR: return leave(m, VMX_EXIT_MONITOR, 0, true);
	case M_UNDEFINED: return leave(m, 23, 0, true); /* VMREAD */
	case M_TOUCH:
		if (fake_populates)
			return nothing(m);
		fake_vmcs_put(VMCS_GUEST_PHYSICAL, insn->a);
		return leave(m, VMX_EXIT_EPT_VIOLATION, ept_qualification(insn), false);
	case M_CR2: rule(fake_cpu->cr2 == insn->a, "CR2"); return nothing(m);
	case M_SHUTDOWN: return leave(m, VMX_EXIT_TRIPLE_FAULT, 0, false);
	case M_TASK_SWITCH: return leave(m, VMX_EXIT_TASK_SWITCH, 0, true);
	case M_STRANGE: return leave(m, 14, 0, true);
	case M_ICEBP: return leave_by_event(m, EVENT_ICEBP, 1, 0, 0);
	case M_END:
		vm_stop(m->vcpu->vm, VM_STOP_POWEROFF, 0, "the end");
		fake_vmcs_put(VMCS_EXIT_EVENT, 0);
		return leave(m, VMX_EXIT_INTERRUPT, 0, false);
	default: *done = false; return false;
	}
}

static bool step(struct model *m)
{
	bool trap = m->rflags & RFLAGS_TF, done;
	const struct model_insn *insn = model_next(m);
	uint64_t bitmap = vmread(VMCS_EXCEPTION_BITMAP);

	if (special(m, insn, &done))
		return true;
	if (!done) {
		if (insn->op == M_MSR_IS || insn->op == M_MSR_BECOMES)
			rule(!msr_exits(insn->a, insn->op == M_MSR_BECOMES),
			     "an MSR of the guest's own exits");
		if (insn->op == M_RAISE && bitmap >> insn->a & 1)
			return leave_by_event(m, EVENT_EXCEPTION, (unsigned)insn->a, insn->b,
					      0);
		model_execute(m, insn);
	}
	if (!trap || m->by_mov_ss) /* MOV SS holds it back (SDM vol. 3A 6.8.3) */
		return false;
	if (bitmap >> 1 & 1)
		return leave_by_event(m, EVENT_EXCEPTION, 1, 0, BIT(14));
	return !delivered(m, EVENT_VALID | EVENT_EXCEPTION << EVENT_TYPE_SHIFT | 1, 0);
}

/* 25.5.2: behind each instruction, or behind the event that came at the entry. */
static bool trapped(struct model *m)
{
	return vmread(VMCS_PROC_CONTROLS) & PROC_MONITOR_TRAP &&
	       leave(m, VMX_EXIT_MONITOR_TRAP, 0, false);
}

static void load(struct model *m)
{
	uint64_t blocked = vmread(VMCS_GUEST_INTERRUPTIBILITY);
	bool long_code = vmread(VMCS_GUEST_RIGHTS + 2 * SEG_CS) & BIT(13);

	m->rip = vmread(VMCS_GUEST_RIP);
	m->rflags = vmread(VMCS_GUEST_RFLAGS);
	m->cs_base = long_code ? 0 : vmread(VMCS_GUEST_BASE + 2 * SEG_CS);
	m->by_sti = blocked & BLOCKED_BY_STI;
	m->by_mov_ss = blocked & BLOCKED_BY_MOV_SS;
	m->in_nmi = blocked & BLOCKED_BY_NMI;
}

static void store(struct model *m)
{
	fake_vmcs_put(VMCS_GUEST_RIP, m->rip);
	fake_vmcs_put(VMCS_GUEST_RFLAGS, m->rflags);
	fake_vmcs_put(VMCS_GUEST_INTERRUPTIBILITY,
		      (m->by_sti ? BLOCKED_BY_STI : 0) |
			      (m->by_mov_ss ? BLOCKED_BY_MOV_SS : 0) |
			      (m->in_nmi ? BLOCKED_BY_NMI : 0));
	fake_vmcs_put(VMCS_ENTRY_EVENT, vmread(VMCS_ENTRY_EVENT) & ~EVENT_VALID);
	m->vcpu->regs[RSP] = m->vcpu->rip = m->vcpu->rflags = POISON;
}

static bool refused(struct vmcs *v)
{
	if (fake_vmx_refuse_error) {
		fake_vmcs_put(VMCS_INSTRUCTION_ERROR, fake_vmx_refuse_error);
		fake_vmx_refuse_error = 0;
		return true;
	}
	fake_vmcs_put(VMCS_EXIT_REASON, fake_vmx_refuse_reason);
	fake_vmcs_put(VMCS_EXIT_QUALIFICATION, fake_vmx_refuse_qualification);
	fake_vmx_refuse_reason = 0;
	v->launched = false;
	return true;
}

char vmx_exit[16];

int vmx_run(struct vcpu *vcpu, bool launched)
{
	struct vmcs *v = fake_cpu->current_vmcs;
	struct model *m = model_of(vcpu);
	uint32_t event;

	rule(!fake_cpu->interrupts, "interrupts are on");
	rule(vcpu->in_guest, "nobody would kick it");
	rule(fake_cpu->cpu.loaded == vcpu, "its state is not in the CPU");
	rule(v && v->phys == vmx_of(vcpu)->vmcs_phys, "its VMCS is not current");
	rule(launched == v->launched, "VMLAUNCH and VMRESUME");
	m->entries++;
	fake_vmcs_put(VMCS_IDT_EVENT, 0);
	load(m);
	if (fake_vmx_refuse_error)
		return refused(v) ? -1 : 0;
	if (fake_vmx_refuse_reason) {
		refused(v);
		return 0;
	}
	fake_vmcs_check();
	fake_vmcs_check_tlb(vcpu);
	v->launched = true;
	fake_cpu->cr2 = read_cr2();
	event = (uint32_t)vmread(VMCS_ENTRY_EVENT);
	if (event & EVENT_VALID && EVENT_TYPE(event) >= 4)
		fake_vmx_entry_length = (unsigned)vmread(VMCS_ENTRY_LENGTH);
	if (!(event & EVENT_VALID) ||
	    (delivered(m, event, vmread(VMCS_ENTRY_ERROR)) && !trapped(m)))
		while (!leave_before_insn(m) && !step(m) && !trapped(m))
			;
	store(m);
	return 0;
}
